use std::fmt;

use super::Reason;

/// The kind of an error of a tool, resource or prompt, for programs.
///
/// Kinds are Anyport's and not a part of MCP: a result with `isError` has the kind in `_meta`, under
/// [`key::ERROR`](crate::meta::key::ERROR).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The work failed.
    #[default]
    Execution,
    /// The arguments are invalid.
    Validation,
    /// There is no such thing.
    NotFound,
    /// The caller may not do this.
    PermissionDenied,
    /// The caller does it too often; later it may.
    RateLimited,
    /// The context of the call, its conversation for one, does not allow it.
    Context,
    /// The state of things does not allow it, though another time it may.
    State,
    /// A fault of the server's own.
    Internal,
}

impl ErrorKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Execution,
        Self::Validation,
        Self::NotFound,
        Self::PermissionDenied,
        Self::RateLimited,
        Self::Context,
        Self::State,
        Self::Internal,
    ];

    /// The word on the wire: `reason` in `_meta` of a result, or in the data of a protocol error.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Execution => "tool_execution",
            Self::Validation => "validation",
            Self::NotFound => "not_found",
            Self::PermissionDenied => "permission_denied",
            Self::RateLimited => "rate_limited",
            Self::Context => "context",
            Self::State => "state",
            Self::Internal => "internal",
        }
    }

    /// Returns the kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The code that interfaces use which answer with plain JSON-RPC errors instead of MCP's results. MCP itself never
    /// carries it: there, -32002 alone is known, and only until 2025-11-25. Arguments that a tool's schema refuses, before the
    /// tool sees them, are -32602 everywhere.
    pub fn rest_code(self) -> i64 {
        match self {
            Self::Execution | Self::Context | Self::State => -32000,
            Self::Validation => -32001,
            Self::NotFound => -32002,
            Self::PermissionDenied => -32003,
            Self::RateLimited => -32004,
            Self::Internal => -32603,
        }
    }

    /// The protocol's own reason, where it has one: transports act on it.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::PermissionDenied => Some(Reason::Forbidden),
            Self::RateLimited => Some(Reason::RateLimited),
            _ => None,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_kinds() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(ErrorKind::from_name("other"), None);
    }
}
