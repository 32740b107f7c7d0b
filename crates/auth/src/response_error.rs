use crate::oauth_error::OAuthError;

/// Why an answer of the browser leads to no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// It is not the answer to this login.
    #[error("the answer is none to this login: its state is another one, or a parameter is there twice")]
    OtherLogin,
    /// It comes from another authorization server.
    #[error(
        "the answer names another issuer than {0}, where the login began: somebody may have mixed up two authorization servers"
    )]
    OtherIssuer(String),
    /// It does not say whose it is, though the authorization server says that it always does.
    #[error("the answer does not name its issuer, and {0} says that its answers do")]
    NoIssuer(String),
    /// The authorization server, or the user, refuses.
    #[error("the login was refused: {0}")]
    Refused(OAuthError),
    /// It has neither a code nor an error.
    #[error("the answer has no code")]
    NoCode,
}
