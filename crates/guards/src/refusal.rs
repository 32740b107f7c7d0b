/// Why a guard refuses a call or a result. It names the place and never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} is refused by {guard} of this gateway: {why}. Accepted: {accepted}.")]
pub struct Refusal {
    /// The name of the guard.
    pub guard: String,
    /// The kind of check: `url`, `sql`.
    pub check: &'static str,
    /// What is refused: `the argument "url" of fetch`.
    pub place: String,
    /// What is wrong with it.
    pub why: String,
    /// What is accepted there.
    pub accepted: String,
    /// The limit that was exceeded, if that is the reason.
    pub limit: Option<&'static str>,
}

/// What is wrong with a value, as a check says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) why: String,
    pub(crate) limit: Option<&'static str>,
}

impl Fault {
    /// A limit that a value exceeds.
    pub(crate) fn of_limit(limit: &'static str, why: impl Into<String>) -> Self {
        Self { why: why.into(), limit: Some(limit) }
    }
}

impl From<&str> for Fault {
    fn from(why: &str) -> Self {
        Self { why: why.to_owned(), limit: None }
    }
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self { why, limit: None }
    }
}
