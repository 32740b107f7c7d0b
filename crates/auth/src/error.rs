use std::sync::Arc;

use anyport_transport::client::http::{Fault, SignInFailed};

use crate::{
    crypto::InvalidKey, oauth_error::OAuthError, resource_metadata::ResourceMetadataError,
    response_error::ResponseError, safe_url::UnsafeUrl, server_metadata::ServerMetadataError,
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
    #[error(
        "the authorization server {issuer} has no metadata: {tried} were asked; if another one gives the tokens, name it as issuer"
    )]
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
    /// The server takes only tokens that are bound to a key, and its authorization server binds none that we could use.
    #[error(
        "the server takes only tokens that are bound to a key (DPoP), and the authorization server {0} does not bind them by ES256"
    )]
    NoProof(String),
    /// The client was registered at another authorization server.
    #[error(
        "the server now names the authorization server {now:?}; the client that was given is registered with {before:?}, and its \
         credentials go nowhere else: if the new one is right, register a client there, and name that authorization server as \
         issuer"
    )]
    OtherIssuer {
        /// Where the client is registered.
        before: String,
        /// The issuer of the server's metadata.
        now: String,
    },
    /// A client without a user, whose authorization server nobody has named, and nothing keeps which one it was at first.
    #[error(
        "the server names the authorization server {0:?}, which would get the credentials of the client; without a folder for the \
         program's state nothing keeps which one that was before: name it as issuer"
    )]
    IssuerNotNamed(String),
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
    #[error("nobody signed in within {} s (login_timeout)", .0.as_secs_f64())]
    TimedOut(std::time::Duration),
    /// No page could be shown.
    #[error("the page to sign in at could not be shown: {0}")]
    Browser(String),
    /// The browser takes its answer elsewhere, and nobody has brought it.
    #[error("the browser takes its answer to {0}, which is not received here, and nobody has brought it")]
    NoAnswer(String),
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
    /// The private key of the client cannot be used.
    #[error("the key of the client (client_key) cannot be used: {0}")]
    Key(#[from] InvalidKey),
    /// The assertion of the platform cannot be read, or was refused before.
    #[error("the assertion {at}: {why}")]
    Assertion {
        /// Where it is.
        at: String,
        /// What is wrong.
        why: String,
    },
    /// The user is not signed in to the identity provider.
    #[error("nobody is signed in to the identity provider {0:?}, or its login is over")]
    NoIdentity(String),
    /// A caller who is no user of a browser would have to sign in with one.
    #[error(
        "{0} is called with a login of each caller, who signs in with a browser: this caller has none here, since it has an API key, \
         a shared secret, a token of an issuer at which nobody signs in here, or a local connection in place of a login"
    )]
    NoBrowser(String),
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
        Self { why: error.to_string(), is_temporary: error.is_temporary() }
    }
}

impl Error {
    /// Whether the same may succeed later, so that nothing is forgotten for it.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Store(_) => true,
            Self::Answer { is_temporary, .. } => *is_temporary,
            // RFC 6749 §4.1.2.1: "the server is currently unable to handle the request due to a temporary overloading".
            Self::Refused { error, .. } => matches!(&*error.code, "temporarily_unavailable" | "server_error"),
            _ => false,
        }
    }

    /// The option that helps where the server or its provider does not follow the specification, if one does.
    pub fn option(&self) -> Option<HelpfulOption> {
        match self {
            Self::NoPkce(_) => Some(HelpfulOption::AssumePkce),
            Self::NoRegistration(_) => Some(HelpfulOption::ClientId),
            Self::Url { what: TO_REDIRECT, .. } => Some(HelpfulOption::RedirectUri),
            Self::OtherIssuer { .. }
            | Self::IssuerNotNamed(_)
            | Self::NoMetadata { .. }
            | Self::Server { .. }
            | Self::Resource { why: ResourceMetadataError::NoServer, .. } => Some(HelpfulOption::Issuer),
            Self::Refused { what: TO_REGISTER, error, .. } => {
                Some(HelpfulOption::against(error).unwrap_or(HelpfulOption::ClientId))
            }
            Self::Refused { error, .. } | Self::Response(ResponseError::Refused(error)) => {
                HelpfulOption::against(error)
            }
            _ => None,
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

/// What a URL is that the browser brings its answer to.
pub(crate) const TO_REDIRECT: &str = "the redirect URI";
/// What an authorization server refuses that registers no client.
pub(crate) const TO_REGISTER: &str = "to register a client";

/// An option for servers and providers that cannot follow the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HelpfulOption {
    /// Another authorization server than the one that the server names.
    Issuer,
    /// The authorization server is not told the resource.
    OmitResource,
    /// The authorization server checks who redeems a code, though it does not say so.
    AssumePkce,
    /// Further parameters of the page to sign in at.
    AuthorizeParams,
    /// A client that is registered already.
    ClientId,
    /// Other scopes.
    Scope,
    /// Another address for the browser's answer.
    RedirectUri,
}

impl HelpfulOption {
    /// The option that helps against `error` of an authorization server, if one does.
    fn against(error: &OAuthError) -> Option<Self> {
        let says = |word: &str| error.description.as_deref().is_some_and(|words| words.contains(word));
        match error.code.as_str() {
            // RFC 8707 §2; Entra's v2 endpoint takes no `resource` beside its scopes.
            "invalid_target" => Some(Self::OmitResource),
            _ if says("AADSTS9010010") || says("AADSTS901002") => Some(Self::OmitResource),
            "invalid_scope" => Some(Self::Scope),
            "invalid_redirect_uri" => Some(Self::RedirectUri),
            "invalid_request" if says("redirect_uri") => Some(Self::RedirectUri),
            "invalid_request" if says("resource") => Some(Self::OmitResource),
            "invalid_request" => Some(Self::AuthorizeParams),
            "invalid_client" | "unauthorized_client" | "invalid_client_metadata" => Some(Self::ClientId),
            _ => None,
        }
    }

    /// It as an option of `anyport login`, and as a key of `anyport.toml`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Issuer => "--issuer URL (issuer in anyport.toml) names the authorization server",
            Self::OmitResource => {
                "--resource omit (resource = \"omit\" in anyport.toml) does not tell the authorization server the resource"
            }
            Self::AssumePkce => {
                "--pkce assume (pkce = \"assume\" in anyport.toml) signs in although the authorization server does not offer PKCE"
            }
            Self::AuthorizeParams => {
                "--authorize-param NAME=VALUE (authorize_params in anyport.toml) adds what this authorization server wants, such \
                 as audience"
            }
            Self::ClientId => {
                "--client-id ID (client_id in anyport.toml) names a client that is registered with the authorization server"
            }
            Self::Scope => "--scope 'a b' (scope in anyport.toml) asks for other scopes",
            Self::RedirectUri => {
                "--redirect-uri URL (redirect_uri in anyport.toml) is where the browser brings the answer: https://, or http:// on this machine, as it is registered"
            }
        }
    }
}
