/// Why the authorization server cannot answer now. It is our own trouble, never the client's: 503, and nothing is forgotten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The system has no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
    /// The store fails.
    #[error("the store of the authorization server: {0}")]
    Store(#[from] anyport_store::Error),
}
