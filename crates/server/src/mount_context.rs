use std::borrow::Cow;

/// How a server is mounted in the one that the client called: what its names begin with there, and who sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct MountContext {
    /// What its names begin with for the caller; empty for the server that was called.
    prefix: String,
    /// Whether a rule hides it from some callers.
    is_private: bool,
}

impl MountContext {
    /// The context of a server that is mounted in this one.
    pub(crate) fn inner(&self, prefix: &str, is_private: bool) -> Self {
        Self { prefix: format!("{}{prefix}", self.prefix), is_private: self.is_private || is_private }
    }

    /// What the caller calls `name`.
    pub(crate) fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        self.name_within(&Self::default(), name)
    }

    /// What callers of the server at `outer`, in which this one is mounted, call `name`.
    pub(crate) fn name_within<'a>(&self, outer: &Self, name: &'a str) -> Cow<'a, str> {
        let prefix = self.prefix.strip_prefix(&*outer.prefix).unwrap_or_default();
        if prefix.is_empty() { name.into() } else { format!("{prefix}{name}").into() }
    }

    /// Whether a rule hides it from some callers.
    pub(crate) fn is_private(&self) -> bool {
        self.is_private
    }
}
