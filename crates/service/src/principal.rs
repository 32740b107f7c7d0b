use std::{
    fmt,
    hash::{BuildHasher as _, Hash, Hasher, RandomState},
    sync::{Arc, LazyLock},
};

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
    Authenticated(Arc<Identity>),
}

/// A proven identity. Each call looks for its principal in several tables, so that the hash is kept, and who calls often is recognized by
/// the place of this in memory.
struct Identity {
    who: Who,
    hash: u64,
}

#[derive(PartialEq, Eq, Hash)]
enum Who {
    Named(ByteString),
    Subject { issuer: ByteString, subject: ByteString },
}

impl Identity {
    fn new(who: Who) -> Arc<Self> {
        /// Callers cannot choose identities with equal hashes.
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let hash = KEY.hash_one(&who);
        Arc::new(Self { who, hash })
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || (self.hash == other.hash && self.who == other.who)
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
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
        Self(Kind::Authenticated(Identity::new(Who::Named(name.into()))))
    }

    /// A caller that `issuer` knows as `subject`: the claims `iss` and `sub` of its token (RFC 9068, section 2.2). An e-mail
    /// address is no subject: it may be given to somebody else.
    pub fn subject_of(issuer: impl Into<ByteString>, subject: impl Into<ByteString>) -> Self {
        let who = Who::Subject { issuer: issuer.into(), subject: subject.into() };
        Self(Kind::Authenticated(Identity::new(who)))
    }

    /// Who was proven to call, if somebody was.
    fn who(&self) -> Option<&Who> {
        match &self.0 {
            Kind::Authenticated(identity) => Some(&identity.who),
            Kind::Anonymous | Kind::Local => None,
        }
    }

    /// The issuer that knows the caller, if one does.
    pub fn issuer(&self) -> Option<&str> {
        match self.who()? {
            Who::Subject { issuer, .. } => Some(issuer),
            Who::Named(_) => None,
        }
    }

    /// Whether the caller is unauthenticated.
    pub fn is_anonymous(&self) -> bool {
        matches!(self.0, Kind::Anonymous)
    }

    /// Whether the caller proved its identity: by a name or as a subject of an issuer. The local user did not have to.
    pub fn is_authenticated(&self) -> bool {
        self.who().is_some()
    }

    /// The caller's subject, which is unique at its [issuer](Self::issuer) only.
    pub fn subject(&self) -> Option<&str> {
        match self.who()? {
            Who::Subject { subject, .. } => Some(subject),
            Who::Named(_) => None,
        }
    }

    /// The name it proved, if any: one that the configuration of this server gave it. A subject of an issuer has none.
    pub fn name(&self) -> Option<&str> {
        match self.who()? {
            Who::Named(name) => Some(name),
            Who::Subject { .. } => None,
        }
    }
}

/// Distinct principals have distinct texts: a caller named "local" is not the local one.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Anonymous => f.write_str("anonymous"),
            Kind::Local => f.write_str("local"),
            Kind::Authenticated(identity) => match &identity.who {
                Who::Named(name) => write!(f, "name:{name}"),
                // With the length, no issuer and subject read like another pair.
                Who::Subject { issuer, subject } => {
                    write!(f, "subject:{}:{issuer}:{subject}", issuer.len())
                }
            },
        }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn principals_are_equal_by_what_they_are() {
        let all = || {
            let named = ["local", "a", "anonymous"].map(Principal::named);
            let subjects =
                [("a", "bc"), ("ab", "c")].map(|(issuer, subject)| Principal::subject_of(issuer, subject));
            [Principal::local(), Principal::anonymous()].into_iter().chain(named).chain(subjects)
        };
        let (once, twice): (HashSet<_>, HashSet<_>) = (all().collect(), all().chain(all()).collect());
        assert_eq!((once.len(), &once), (7, &twice));
        let texts: HashSet<_> = once.iter().map(Principal::to_string).collect();
        assert_eq!(texts.len(), 7);
    }
}
