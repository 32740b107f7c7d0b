use std::{fmt, str::FromStr};

use anyport_protocol::settings;

use crate::answers::DEFAULT_MAX_ANSWER_CHARS;

/// The most values that an argument lists in its schema, for a language or a domain; of more, it takes any text, and
/// the answer says what comes close.
pub const MAX_CHOICES: usize = 32;

settings! {
    /// How documents are offered.
    ///
    /// ```
    /// use anyport_knowledge::Options;
    ///
    /// let options = Options::default().max_answer_chars(20_000).languages(["kotlin".to_owned()]);
    /// # let _ = options;
    /// ```
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Options {
        /// The number of characters of a document that an answer of a tool or prompt has, unless the call gives another
        /// number.
        #[default("[`DEFAULT_MAX_ANSWER_CHARS`]" = DEFAULT_MAX_ANSWER_CHARS)]
        pub max_answer_chars: usize,
        /// Languages that clients can choose even without documents, beside those of the documents and
        /// [`Options::LANGUAGES`].
        #[default("none" = Vec::new())]
        #[set(into)]
        pub languages: Vec<String>,
        /// Domains, likewise, beside [`Options::DOMAINS`].
        #[default("none" = Vec::new())]
        #[set(into)]
        pub domains: Vec<String>,
        /// The tools that the server has. The prompt `apply_standard` comes with [`DocumentTool::GetStdlib`].
        #[default("all" = DocumentTool::ALL.to_vec())]
        #[set(into)]
        pub tools: Vec<DocumentTool>,
    }
}

/// A tool of a server of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DocumentTool {
    /// `get_stdlib`: the standard for a language and a domain.
    GetStdlib,
    /// `search_docs`: full-text search.
    SearchDocs,
    /// `list_docs`: the documents, page by page.
    ListDocs,
    /// `get_doc`: a document, or a section of it.
    GetDoc,
    /// `health_check`: the state of the server.
    HealthCheck,
}

/// A name that no tool of a server of documents has. The message lists the tools.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such tool; the tools are {}", DocumentTool::ALL.map(DocumentTool::name).join(", "))]
pub struct UnknownTool;

impl DocumentTool {
    /// Every tool, in the order in which they are listed.
    pub const ALL: [Self; 5] =
        [Self::GetStdlib, Self::SearchDocs, Self::ListDocs, Self::GetDoc, Self::HealthCheck];

    /// The name of the tool.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetStdlib => "get_stdlib",
            Self::SearchDocs => "search_docs",
            Self::ListDocs => "list_docs",
            Self::GetDoc => "get_doc",
            Self::HealthCheck => "health_check",
        }
    }
}

impl fmt::Display for DocumentTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DocumentTool {
    type Err = UnknownTool;

    fn from_str(name: &str) -> Result<Self, UnknownTool> {
        Self::ALL.into_iter().find(|tool| tool.name() == name.trim()).ok_or(UnknownTool)
    }
}

impl Options {
    /// Languages that clients can always choose.
    pub const LANGUAGES: [&str; 5] = ["python", "go", "javascript", "typescript", "rust"];
    /// Domains that clients can always choose.
    pub const DOMAINS: [&str; 5] = ["architecture", "testing", "security", "performance", "patterns"];
}
