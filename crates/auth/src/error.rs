use std::sync::Arc;

use anyport_transport::client::http::{Fault, SignInFailed};

use crate::{
    oauth_error::OAuthError, resource_metadata::ResourceMetadataError, response_error::ResponseError,
    safe_url::UnsafeUrl, server_metadata::ServerMetadataError,
};

/// Why there is no token, and what to do. Tells no secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A server could not be asked.
    #[error("{url} cannot be asked: {fault}")]
    Unreachable {
        /// What was asked, without its query.
        url: String,
        /// What went wrong.
        fault: Fault,
    },
    /// A server answers with a status of failure, or not as it must.
    #[error("{url} {why}")]
    Answer {
        /// What was asked, without its query.
        url: String,
        /// What is wrong with the answer.
        why: String,
        /// Whether it may work later.
        is_temporary: bool,
    },
    /// A URL that a secret would be sent to is none that may have one.
    #[error("{what} {url:?} is not used: {why}")]
    Url {
        /// What the URL is.
        what: &'static str,
        /// The URL.
        url: String,
        /// What is wrong.
        why: UnsafeUrl,
    },
    /// The metadata of the resource cannot be used.
    #[error("the metadata at {url} is not used: {why}")]
    Resource {
        /// Where it is.
        url: String,
        /// What is wrong.
        why: ResourceMetadataError,
    },
    /// The metadata of the authorization server cannot be used.
    #[error("the metadata at {url} is not used: {why}")]
    Server {
        /// Where it is, or the issuer.
        url: String,
        /// What is wrong.
        why: ServerMetadataError,
    },
    /// The authorization server has no metadata.
    #[error("the authorization server {issuer} has no metadata: {tried} were asked")]
    NoMetadata {
        /// Its issuer.
        issuer: String,
        /// The URLs that were asked.
        tried: String,
    },
    /// The authorization server does not say that it checks who redeems a code.
    #[error(
        "the authorization server {0} does not offer PKCE with S256, without which a code can be stolen; \
         if you know that it checks it all the same, say so with pkce = \"assume\""
    )]
    NoPkce(String),
    /// There is no way to become a client of the authorization server.
    #[error(
        "the authorization server {0} registers no clients by itself: register one with it, and name that with --client-id"
    )]
    NoRegistration(String),
    /// The client was registered at another authorization server.
    #[error(
        "the server now names the authorization server {now:?}; the client that was given is registered with {before:?}: \
         register one there, and name that with --client-id"
    )]
    OtherIssuer {
        /// Where the client is registered.
        before: String,
        /// The issuer of the server's metadata.
        now: String,
    },
    /// An authorization server refuses a request.
    #[error("{url} refuses {what}: {error}")]
    Refused {
        /// The endpoint, without its query.
        url: String,
        /// What was asked for.
        what: &'static str,
        /// Its error.
        error: OAuthError,
    },
    /// The answer that the browser brought.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// Nobody signed in.
    #[error("nobody signed in within {} s (login_timeout)", .0.as_secs())]
    TimedOut(std::time::Duration),
    /// No page could be shown.
    #[error("the page to sign in at could not be shown: {0}")]
    Browser(String),
    /// The answer of the browser cannot be received here.
    #[error("the answer of the browser cannot be received at {at}: {source}")]
    Callback {
        /// The address.
        at: String,
        /// What the system says.
        source: Arc<std::io::Error>,
    },
    /// The credentials cannot be stored.
    #[error("the credentials cannot be stored or read: {0}")]
    Store(Arc<anyport_store::Error>),
    /// Only the user can help.
    #[error("{0}: a login is needed")]
    NeedsLogin(String),
    /// The system has no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

impl From<anyport_store::Error> for Error {
    fn from(error: anyport_store::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<Error> for SignInFailed {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl Error {
    /// Whether the same may succeed later, so that nothing is forgotten for it.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Store(_) => true,
            Self::Answer { is_temporary, .. } => *is_temporary,
            _ => false,
        }
    }

    /// Whether an authorization server does not know the client.
    pub(crate) fn is_invalid_client(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error.code == "invalid_client")
    }

    /// Whether an authorization server does not take the code or refresh token.
    pub(crate) fn is_invalid_grant(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error.code == "invalid_grant")
    }
}
