use super::options::ExchangeProtocol;
use crate::{error::Error, oauth_error::OAuthError};

/// Why the token of a caller is not exchanged, and what to change. Tells no secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// There is no token that could be exchanged.
    #[error("{0}")]
    NoToken(String),
    /// The authorization server gave what cannot be used.
    #[error("{issuer} exchanged the caller's token for {what}: nothing is sent to the server")]
    Unusable {
        /// The authorization server.
        issuer: String,
        /// What it gave.
        what: &'static str,
    },
    /// The authorization server does not exchange it.
    #[error("the caller's token was not exchanged at {issuer}: {error}; {help}")]
    Failed {
        /// The authorization server.
        issuer: String,
        /// What went wrong.
        error: Box<Error>,
        /// What to change.
        help: &'static str,
    },
}

impl ExchangeError {
    /// Whether the same may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Failed { error, .. } if error.is_temporary())
    }

    pub(super) fn failed(issuer: &str, protocol: ExchangeProtocol, error: Error) -> Self {
        let help = match &error {
            Error::Refused { error, .. } => help_against(error, protocol),
            error if error.is_temporary() => "try again later",
            Error::NoMetadata { .. } | Error::Server { .. } => {
                "`issuer` must be the authorization server of the callers' tokens"
            }
            _ => "look at the keys of the upstream for `auth = \"token_exchange\"`",
        };
        Self::Failed { issuer: issuer.to_owned(), error: Box::new(error), help }
    }
}

/// What helps against the error of a token endpoint (RFC 6749 §5.2, RFC 8693 §2.2.2).
fn help_against(error: &OAuthError, protocol: ExchangeProtocol) -> &'static str {
    match (error.code.as_str(), protocol) {
        ("invalid_client", _) => {
            "`client_id` and `client_secret` or `client_key` must be those of a client there"
        }
        ("unauthorized_client", _) => "allow the client of `client_id` to exchange tokens there",
        ("unsupported_grant_type", ExchangeProtocol::TokenExchange) => {
            "it exchanges no tokens by RFC 8693; if it is Entra, set `exchange = \"on_behalf_of\"`"
        }
        ("invalid_target", _) => {
            "set `audience` to the name that the server has there, or `resource = \"omit\"`, or allow the client that audience"
        }
        ("invalid_scope", _) => "set `scope` to scopes that the server has there",
        ("interaction_required" | "consent_required", _) => {
            "the user, or an administrator for all users, must first consent there to what the client does on behalf of the user"
        }
        _ => {
            "the client of `client_id` must be allowed to exchange tokens there that were issued for this gateway"
        }
    }
}
