use tokio::time::Instant;

use crate::{limits::SignInLimits, registration::GivenClient, scope::Scopes, secret::Secret};

/// How the tokens of callers are exchanged for tokens of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeOptions {
    /// The authorization server whose tokens are exchanged, and where. No token of another one is sent there.
    pub issuer: String,
    /// The client that exchanges them, as it is registered there.
    pub client: GivenClient,
    /// How it is asked.
    pub protocol: ExchangeProtocol,
    /// The name of the server at the authorization server, if it wants one.
    pub audience: Option<String>,
    /// The scopes to ask for.
    pub scopes: Option<Scopes>,
    /// Whether the authorization server is not told the resource.
    pub omits_resource: bool,
    /// The limits.
    pub limits: SignInLimits,
}

/// How an authorization server is asked for an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExchangeProtocol {
    /// RFC 8693.
    #[default]
    TokenExchange,
    /// Entra's own: on-behalf-of. It has neither `resource` nor `audience`, since its scopes name the server.
    OnBehalfOf,
}

/// The token of a caller. It is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectToken {
    /// The token.
    pub token: Secret,
    /// When it ends: what it was exchanged for is not used any longer either. `None` if that is not known.
    pub expires: Option<Instant>,
}

/// Knows the token of one caller as it is now.
pub trait SubjectTokens: Send + Sync + 'static {
    /// The token, which the issuer of the exchange has given to the caller.
    ///
    /// # Errors
    /// Why there is none, for the caller.
    fn token(&self) -> Result<SubjectToken, String>;
}
