use std::fmt;

use anyport_protocol::Revision;

/// A sentence of the specification that a server is held against.
///
/// The page and the section are those of 2026-07-28 unless the revision that broke it is older; older revisions have the
/// same rule on the page of the same name, or on `basic/lifecycle` in place of `basic/versioning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The page, below the revision: `server/tools`.
    pub page: &'static str,
    /// The section of that page.
    pub section: &'static str,
    /// Its text, quoted or, where the specification has a schema instead of text, in our words.
    pub says: &'static str,
}

/// Where a server does not do what the specification says.
#[derive(Clone, Debug)]
pub struct Breach {
    /// The revision that was spoken.
    pub revision: Revision,
    /// The violated rule.
    pub rule: Rule,
    /// The violation, as text.
    pub found: String,
}

impl Breach {
    /// Whether the specification leaves no choice. Its other sentences say SHOULD.
    pub fn is_of_a_must(&self) -> bool {
        !self.rule.says.contains("SHOULD")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} §{}: {}", self.page, self.section, self.says)
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    {}", self.revision, self.found, self.rule)
    }
}

macro_rules! rules {
    ($($name:ident = $page:literal, $section:literal, $says:literal;)*) => {
        $(pub(super) const $name: Rule = Rule { page: $page, section: $section, says: $says };)*
    };
}

rules! {
    OPENS = "basic/versioning", "Protocol Version Negotiation",
        "a server answers in each revision that it is asked to speak";
    DISCOVERS = "server/discover", "DiscoverResult", "the revision that is spoken is among `supportedVersions`";
    VERSION = "basic/versioning", "Protocol Version Negotiation",
        "a request in a version that the server does not support is answered with -32022 and the supported ones";
    META = "basic/index", "_meta",
        "A request missing any required field is malformed; the server MUST reject it with JSON-RPC error code -32602";
    ANSWERS = "basic/index", "Responses", "every request is answered by its id, with a result or an error";
    ALMOST = "basic/index", "Messages", "All messages between MCP clients and servers MUST follow the JSON-RPC 2.0 specification; \
        what does not is answered with an error (JSON-RPC 2.0 §5)";
    SCHEMA = "schema", "(the schema of the revision)", "every message fits the schema";
    METHOD = "basic/index", "Error Codes", "a method that does not exist is answered with -32601 (JSON-RPC 2.0 §5.1)";
    PING = "basic/utilities/ping", "Behavior Requirements", "The receiver MUST respond promptly with an empty response";
    PAGES = "server/utilities/pagination", "Response Format", "lists come to an end: no cursor comes twice";
    CURSOR = "server/utilities/pagination", "Error Handling",
        "Invalid cursors SHOULD result in an error with code -32602 (Invalid params)";
    TOOL_NAME = "server/tools", "Tool Names", "Tool names SHOULD be between 1 and 128 characters in length (inclusive), \
        and have only A-Z, a-z, 0-9, underscore, hyphen and dot";
    TOOL_UNIQUE = "server/tools", "Tool Names", "Tool names SHOULD be unique within a server";
    TOOL_SCHEMA = "server/tools", "Tool", "`inputSchema` and `outputSchema` are valid JSON Schema";
    TOOL_UNKNOWN = "server/tools", "Error Handling", "an unknown tool and a malformed request are answered with -32602";
    PROMPT_UNKNOWN = "server/prompts", "Error Handling", "Invalid prompt name SHOULD be -32602 (Invalid params)";
    PROMPT_ARGUMENTS = "server/prompts", "Error Handling",
        "Missing required arguments SHOULD be -32602 (Invalid params)";
    PROMPT_GOT = "server/prompts", "Getting a Prompt", "a prompt that is listed can be got, or refuses its arguments with -32602";
    RESOURCE_READ = "server/resources", "Reading Resources", "a resource that is listed can be read";
    RESOURCE_UNKNOWN = "server/resources", "Error Handling", "If the requested resource does not exist, servers MUST return a \
        JSON-RPC error with code -32602 (Invalid Params); before 2026-07-28, -32002";
    CANCEL_UNKNOWN = "basic/patterns/cancellation", "Error Handling",
        "Invalid cancellation notifications SHOULD be ignored: unknown request IDs";
    CANCEL = "basic/patterns/cancellation", "Behavior Requirements",
        "Servers receiving cancellation notifications SHOULD not send a response for the cancelled request";
}
