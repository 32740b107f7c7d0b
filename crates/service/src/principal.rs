use std::fmt;

use bytestring::ByteString;

/// The authenticated identity of a caller. It is part of every cache key, quota, sealed state and log line.
///
/// There is no default: who lets unknown callers in says so with [`Principal::anonymous`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Principal(Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    Anonymous,
    Local,
    Named(ByteString),
}

impl Principal {
    /// A caller that did not say who it is, let in by configuration.
    pub const fn anonymous() -> Self {
        Self(Kind::Anonymous)
    }

    /// The process that started us and holds our standard input, or code in this process.
    pub const fn local() -> Self {
        Self(Kind::Local)
    }

    /// A caller that proved to be `name`.
    pub fn named(name: impl Into<ByteString>) -> Self {
        Self(Kind::Named(name.into()))
    }

    /// Whether the caller is unauthenticated.
    pub fn is_anonymous(&self) -> bool {
        self.0 == Kind::Anonymous
    }

    /// The name it proved, if any.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Named(name) => Some(name),
            _ => None,
        }
    }
}

/// Distinct principals have distinct texts: a caller named "local" is not the local one.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Anonymous => f.write_str("anonymous"),
            Kind::Local => f.write_str("local"),
            Kind::Named(name) => write!(f, "name:{name}"),
        }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
