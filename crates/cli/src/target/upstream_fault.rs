use std::fmt;

/// What is wrong with an upstream, and the keys of its table that lead there. It has no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamFault {
    pub(crate) keys: Vec<String>,
    pub(crate) reason: String,
}

impl UpstreamFault {
    /// A fault at `keys` of the table.
    pub(crate) fn new<const N: usize>(keys: [&str; N], reason: impl Into<String>) -> Self {
        Self { keys: keys.map(str::to_owned).into(), reason: reason.into() }
    }
}

impl From<String> for UpstreamFault {
    fn from(reason: String) -> Self {
        Self::new([], reason)
    }
}

impl fmt::Display for UpstreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
