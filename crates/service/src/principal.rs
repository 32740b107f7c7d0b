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
    Subject { issuer: ByteString, subject: ByteString },
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

    /// A caller that `issuer` knows as `subject`: the claims `iss` and `sub` of its token (RFC 9068, section 2.2). An e-mail
    /// address is no subject: it may be given to somebody else.
    pub fn subject_of(issuer: impl Into<ByteString>, subject: impl Into<ByteString>) -> Self {
        Self(Kind::Subject { issuer: issuer.into(), subject: subject.into() })
    }

    /// The issuer that knows the caller, if one does.
    pub fn issuer(&self) -> Option<&str> {
        match &self.0 {
            Kind::Subject { issuer, .. } => Some(issuer),
            _ => None,
        }
    }

    /// Whether the caller is unauthenticated.
    pub fn is_anonymous(&self) -> bool {
        self.0 == Kind::Anonymous
    }

    /// Whether the caller proved its identity: by a name or as a subject of an issuer. The local user did not have to.
    pub fn is_authenticated(&self) -> bool {
        matches!(self.0, Kind::Named(_) | Kind::Subject { .. })
    }

    /// The caller's subject, which is unique at its [issuer](Self::issuer) only.
    pub fn subject(&self) -> Option<&str> {
        match &self.0 {
            Kind::Subject { subject, .. } => Some(subject),
            _ => None,
        }
    }

    /// The name it proved, if any: one that the configuration of this server gave it. A subject of an issuer has none.
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
            // With the length, no issuer and subject read like another pair.
            Kind::Subject { issuer, subject } => write!(f, "subject:{}:{issuer}:{subject}", issuer.len()),
        }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
