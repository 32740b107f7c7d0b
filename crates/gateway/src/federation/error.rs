/// Why there is no such federation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FederationError {
    /// A member without a name.
    #[error("a member has no name")]
    EmptyName,
    /// Two members with one name.
    #[error("two members are called {0:?}")]
    DuplicateName(String),
    /// The operating system has no random numbers for a key.
    #[error("no key for the state of open questions: {0}")]
    NoKey(String),
}
