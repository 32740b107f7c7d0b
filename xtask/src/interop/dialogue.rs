//! A client, a server, and the result of their meeting.

use std::{
    fmt,
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::pairwise::Parts;
use crate::{Failure, tools::Packages};

/// One client and one server, over one transport, in one era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialogue {
    pub(super) client: Client,
    pub(super) subject: Subject,
    pub(super) over: Over,
    pub(super) era: Era,
}

/// Every combination of somebody else's client and one of our servers that there is.
pub(super) fn all() -> Vec<Dialogue> {
    let mut all = Vec::new();
    for subject in [Subject::Tour, Subject::Documents] {
        for client in Client::OTHERS.into_iter().filter(|client| client.knows(subject)) {
            for over in [Over::Stdio, Over::Http, Over::Sse, Over::WebSocket] {
                let eras = client.eras(over).iter();
                all.extend(eras.map(|&era| Dialogue { client, subject, over, era }));
            }
        }
    }
    all
}

impl Parts for Dialogue {
    fn parts(&self) -> Vec<String> {
        let Self { client, subject, over, era } = self;
        vec![format!("{client:?}"), subject.to_string(), over.to_string(), era.to_string()]
    }
}

impl Dialogue {
    /// The arguments of the client's script, except for the server.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--client".to_owned(), self.client.argument().to_owned()];
        arguments.extend(["--era".into(), self.era.to_string(), "--server".into(), self.subject.to_string()]);
        arguments.extend(["--transport".into(), self.over.to_string()]);
        arguments
    }
}

impl fmt::Display for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} over {}, {}", self.client.name(), self.subject, self.over, self.era)
    }
}

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Python1,
    Python2,
    FastMcp,
    TypeScript1,
    TypeScript2,
    Rmcp,
    Inspector,
    /// Our own.
    Anyport,
}

/// The features that clients are tested for, in the order of the table.
pub(super) const CHECKS: [&str; 9] =
    ["list", "call", "read", "prompt", "complete", "ask", "sample", "progress", "log"];

impl Client {
    /// Those that somebody else wrote.
    pub(super) const OTHERS: [Self; 7] = [
        Self::Python1,
        Self::Python2,
        Self::FastMcp,
        Self::TypeScript1,
        Self::TypeScript2,
        Self::Rmcp,
        Self::Inspector,
    ];

    /// The clients that meet servers through a bridge. The Inspector starts again for every method, and handles no
    /// server requests.
    pub(super) const BRIDGED: [Self; 6] =
        [Self::Python1, Self::Python2, Self::FastMcp, Self::TypeScript1, Self::TypeScript2, Self::Rmcp];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Python1 => "Python SDK 1",
            Self::Python2 => "Python SDK 2",
            Self::FastMcp => "FastMCP",
            Self::TypeScript1 => "TypeScript SDK 1",
            Self::TypeScript2 => "TypeScript SDK 2",
            Self::Rmcp => "Rust SDK",
            Self::Inspector => "MCP Inspector, `--cli`",
            Self::Anyport => "Anyport",
        }
    }

    /// The package that it comes in, as the file that pins it writes it.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Python1 | Self::Python2 => "mcp",
            Self::FastMcp => "fastmcp-slim",
            Self::TypeScript1 => "@modelcontextprotocol/sdk",
            Self::TypeScript2 => "@modelcontextprotocol/client",
            Self::Rmcp => "rmcp",
            Self::Inspector => "@modelcontextprotocol/inspector",
            Self::Anyport => "anyport",
        }
    }

    /// Its name in the scripts.
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Python1 => "mcp1",
            Self::Python2 => "mcp",
            Self::FastMcp => "fastmcp",
            Self::TypeScript1 => "sdk",
            Self::TypeScript2 => "client",
            Self::Rmcp => "rmcp",
            Self::Inspector => "inspector",
            Self::Anyport => "anyport",
        }
    }

    pub(super) fn script(self) -> Script {
        match self {
            Self::Python1 => Script::Python(Packages::First),
            Self::Python2 | Self::FastMcp => Script::Python(Packages::Newest),
            Self::TypeScript1 | Self::TypeScript2 | Self::Inspector => Script::Node,
            Self::Rmcp | Self::Anyport => Script::Rust,
        }
    }

    /// The checks that it can be put to.
    pub(super) fn can(self) -> &'static [&'static str] {
        match self {
            Self::Inspector => &CHECKS[..4],
            // Its way to ask for log messages differs by era.
            Self::Rmcp => &CHECKS[..8],
            _ => &CHECKS,
        }
    }

    /// Whether it has been taught what the server answers. rmcp meets the documents in `crates/cli/tests/all/rmcp.rs`.
    fn knows(self, subject: Subject) -> bool {
        subject == Subject::Tour || !matches!(self, Self::Python1 | Self::Rmcp)
    }

    /// The eras in which it can talk over the transport; none if it cannot.
    pub(super) fn eras(self, over: Over) -> &'static [Era] {
        match over {
            Over::Stdio | Over::Http if matches!(self, Self::TypeScript1 | Self::Python1) => &[Era::Legacy],
            Over::Stdio | Over::Http => &[Era::Modern, Era::Legacy],
            Over::Sse if self == Self::Rmcp => &[],
            // The transport ended with the older revisions.
            Over::Sse => &[Era::Legacy],
            Over::WebSocket if self == Self::TypeScript1 => &[Era::Legacy],
            Over::WebSocket => &[],
        }
    }
}

/// The language of a client's script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// `tests/python/interop.py`.
    Python(Packages),
    /// `tests/typescript/interop.mjs`.
    Node,
    /// `tests/rust`.
    Rust,
}

macro_rules! named {
    ($type:ident { $($variant:ident => $name:literal),+ }) => {
        impl $type {
            /// Its name in the scripts.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

/// One of our servers, by the name that the scripts know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// `examples/tour.rs`.
    Tour,
    /// `anyport serve`.
    Documents,
}
named!(Subject { Tour => "tour", Documents => "documents" });

/// How a client reaches a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Over {
    Stdio,
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
    WebSocket,
}
named!(Over { Stdio => "stdio", Http => "http", Sse => "sse", WebSocket => "websocket" });

/// The revision that a client starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Era {
    Modern,
    Legacy,
}
named!(Era { Modern => "modern", Legacy => "legacy" });

/// The result of a meeting in which every expectation held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Outcome {
    /// The revision that was negotiated.
    pub(super) revision: String,
    /// The names of the checks that the client could be put to.
    pub(super) works: Vec<String>,
}

impl Outcome {
    /// Runs a client's script to its end, and reads its last line.
    ///
    /// # Errors
    /// When it does not start, or found fault; the error shows all that it wrote.
    pub(super) fn of(command: &mut Command) -> Result<Self, Failure> {
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot start `{}`: {error}", command.get_program().display()))?;
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let report = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
        match report {
            Some(outcome) if output.status.success() => Ok(outcome),
            _ => Err(format!("ended with {}; it wrote:\n{said}{complained}", output.status).into()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let works = self.works.join(", ");
        // Where several connections were made, no one revision was negotiated.
        if self.revision.is_empty() { f.write_str(&works) } else { write!(f, "{}: {works}", self.revision) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_meets_every_server_over_every_transport() {
        let all = all();
        for client in Client::OTHERS {
            let met = [(Subject::Tour, Over::Stdio), (Subject::Documents, Over::Http)];
            for (subject, over) in met.into_iter().filter(|(subject, _)| client.knows(*subject)) {
                let eras: Vec<_> = all
                    .iter()
                    .filter(|dialogue| {
                        dialogue.client == client && dialogue.subject == subject && dialogue.over == over
                    })
                    .map(|dialogue| dialogue.era)
                    .collect();
                assert_eq!(eras, client.eras(over), "{client:?}");
                assert!(!eras.is_empty(), "{client:?}");
            }
        }
        assert_eq!(all[0].to_string(), "Python SDK 1 with tour over stdio, legacy");
        assert_eq!(
            all[0].arguments(),
            ["--client", "mcp1", "--era", "legacy", "--server", "tour", "--transport", "stdio"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_script_that_fails_is_an_error_with_all_that_it_wrote() {
        let run = |script: &str| Outcome::of(Command::new("sh").args(["-c", script]));
        let outcome = run(r#"echo noise; echo '{"revision": "2025-11-25", "works": ["list"]}'"#).unwrap();
        assert_eq!(outcome.to_string(), "2025-11-25: list");
        let failure = run("echo found 5; echo expected 6 >&2; exit 1").unwrap_err().to_string();
        assert!(failure.contains("found 5\nexpected 6"), "{failure}");
        let report = r#"{"revision": "2025-11-25", "works": []}"#;
        assert!(run(&format!("echo '{report}'; exit 1")).is_err(), "it says that it failed");
        assert!(run("exit 0").is_err(), "it says nothing");
    }
}
