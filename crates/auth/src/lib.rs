//! Signs in to MCP servers: this program as an OAuth client. The other side, what verifies the callers of a server of ours, is
//! [`resource_server`].
//!
//! [`SignIn`] is what a user of the crate needs: it gives the requests to one server their token. It finds the authorization
//! server at the server's first refusal, becomes its client, lets the user sign in, keeps the credential in a [`Vault`], and renews
//! the token before it ends.
//!
//! # Layout
//! - What is read and written, without I/O: [`Challenges`] (`WWW-Authenticate`), [`ResourceMetadata`], [`ServerMetadata`],
//!   [`Scopes`], [`AuthorizationRequest`] with the table of `iss`, `pkce`, `token`, `registration`, `oauth_error`.
//! - What may be asked: `safe_url`, `fetch`.
//! - The steps: `discover`, `registration`, `callback`, `login`, `refresh`, `revoke`.
//! - What is kept: [`Credential`] in a [`Vault`].
//! - Logins of a gateway's callers, each by his own: [`CallerLogins`].
//! - Tokens in exchange for those of a gateway's callers: [`TokenExchange`].
//! - Users who sign in at an identity provider: [`identity_provider`].
//! - What both sides sign and verify by: `crypto`.
//! - [`SignIn`] puts them together, with [`SignInOptions`], [`SignInLimits`] and a [`UserAgent`].

pub mod authorization_server;
mod authorize;
mod callback;
mod caller_login;
mod challenge;
mod client_address;
mod client_auth;
mod client_issuers;
mod credential;
mod crypto;
mod discover;
mod dpop;
mod error;
mod fetch;
#[doc(hidden)]
pub mod fuzzing;
mod grant;
mod identity;
pub mod identity_provider;
mod limits;
mod login;
mod oauth_error;
mod options;
mod pending_login;
mod pkce;
mod record_id;
mod refresh;
mod registration;
mod resource_metadata;
pub mod resource_server;
mod response_error;
mod revoke;
mod safe_url;
mod scope;
mod secret;
mod server_metadata;
mod shown;
mod sign_in;
mod store_sealer;
mod token;
mod token_exchange;
mod unattended;
mod user_agent;
mod vault;

pub use authorize::{AuthorizationParameters, AuthorizationRequest};
pub use callback::Callback;
pub use caller_login::{
    AskedLogin, CONNECT, CONNECT_ATTEMPTS, CONNECT_CALLBACK, CallerCounts, CallerLogin, CallerLoginLimits,
    CallerLogins, LoginServer, caller_subject, connect_routes, is_caller_account,
};
pub use challenge::{BoundTokens, Challenge, Challenges};
pub use client_auth::{AuthMethod, ClientIdentity, ClientProof};
pub use client_issuers::{CLIENT_ISSUERS, ClientIssuers};
pub use credential::Credential;
pub use crypto::InvalidKey;
pub use discover::{Discovered, Walk, discover};
pub use dpop::ProofKey;
pub use error::{Error, HelpfulOption};
pub use fetch::Fetcher;
pub use grant::{LoginGrant, SecretReader};
pub use limits::SignInLimits;
pub use oauth_error::OAuthError;
pub use options::SignInOptions;
pub use pending_login::PendingLogin;
pub use pkce::Verifier;
pub use registration::{ClientOptions, GivenClient, Registration, RegistrationKind};
pub use resource_metadata::{
    ResourceMetadata, ResourceMetadataError, canonical_resource, resource_metadata_places,
};
pub use response_error::ResponseError;
pub use revoke::revoke;
pub use safe_url::{UnsafeUrl, safe_url};
pub use scope::Scopes;
pub use secret::Secret;
pub use server_metadata::{ServerMetadata, ServerMetadataError, server_metadata_places};
pub use sign_in::{DEFAULT_ACCOUNT, SignIn, SignInState};
pub use store_sealer::StoreSealer;
pub use token::{Grant, TokenAnswer, TokenRequest};
pub use token_exchange::{
    ExchangeError, ExchangeOptions, ExchangeProtocol, ExchangedToken, SubjectToken, SubjectTokens,
    TokenExchange,
};
pub use user_agent::UserAgent;
pub use vault::{CREDENTIALS, REFRESH_LEASES, REGISTRATIONS, SIGNED_IN, Vault};
