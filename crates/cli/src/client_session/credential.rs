//! The credential that a server was sent: for messages, without its value.

use crate::target::{self, Server, Target};

/// A credential, by the place that it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// The header `Authorization`.
    Token(String),
    /// Another header of the command line, which may be a key.
    Header(String),
}

impl Credential {
    /// The credential that is sent to the server of `target`.
    pub(crate) fn of(options: &target::Options, target: &Target) -> Option<Self> {
        let (Server::Http { headers, .. } | Server::WebSocket { headers, .. }) = &target.server else {
            return None;
        };
        if let Some(place) = options.bearer() {
            return Some(Self::Token(format!("--bearer {place}")));
        }
        let is_token = |name: &str| name.eq_ignore_ascii_case("authorization");
        if let Some(name) = options.header_names().find(|name| is_token(name)) {
            return Some(Self::Token(format!("--header {name}")));
        }
        if let (Some((name, _)), Some(file)) =
            (headers.iter().find(|(name, _)| is_token(name)), &target.found)
        {
            return Some(Self::Token(format!("headers.{name} of {} in {}", target.name, file.display())));
        }
        options.header_names().next().map(|name| Self::Header(format!("--header {name}")))
    }
}
