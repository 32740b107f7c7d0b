//! An authorization server for the clients of servers of ours: this program registers clients, asks users for their consent, has
//! them authenticated, and issues tokens.
//!
//! [`AuthorizationServer`] is what a user of the module needs: its [routes](AuthorizationServer::routes) stand beside an MCP
//! endpoint, and [`IssuedTokens`] verifies its tokens there. Who the user is stands behind [`UserAuthentication`]: [`LocalUsers`] has
//! users of its own.
//!
//! # Layout
//! - What is read and written: `parameters`, `authorization_request`, `metadata`, [`page`], `response`, `token_text`.
//! - What is kept: `grant` (codes and tokens, one record for each grant), `client`, `interaction`, `browser`, `consents`.
//! - The endpoints: `authorize`, `consent`, `login`, `sign_out`, `token_endpoint`; `routes` is their table.
//! - Who the user is: `user`, `local_users`; the users of an identity provider: [`ProviderUsers`]; `id_jag`.
//! - [`AuthorizationServer`] puts them together, with [`AuthorizationServerSettings`] and [`AuthorizationServerLimits`].

mod authorization_request;
mod authorize;
mod browser;
mod client;
mod consent;
mod consents;
mod error;
mod grant;
mod id_jag;
mod interaction;
mod issued_tokens;
mod limits;
mod local_users;
mod login;
mod metadata;
pub mod page;
mod parameters;
mod provider_users;
mod response;
mod routes;
mod server;
mod settings;
mod sign_out;
#[cfg(test)]
mod tests;
mod time;
mod token_endpoint;
mod token_text;
mod user;
mod user_sessions;

use anyport_store::Bucket;

use crate::identity_provider::{PROVIDER_LOGINS, PROVIDER_REFRESH_LEASES};

pub(crate) use self::browser::is_of_our_page;
pub use self::{
    browser::{BROWSER_SESSIONS, Browser},
    client::{ConfiguredClient, registration::REGISTERED_CLIENTS},
    consents::REMEMBERED_CONSENTS,
    error::ServerError,
    grant::OAUTH_GRANTS,
    id_jag::{TrustedIdentityProvider, TrustedIdentityProviders, USED_ASSERTIONS},
    interaction::INTERACTIONS,
    issued_tokens::IssuedTokens,
    limits::AuthorizationServerLimits,
    local_users::{LOCAL_USERS, LOGIN_ATTEMPTS, LocalUser, LocalUserError, LocalUserRecords, LocalUsers},
    parameters::{InvalidParameters, Parameters},
    provider_users::{PROVIDER_CALLBACK, ProviderUsers},
    server::{AuthorizationServer, SetupError},
    settings::{AuthorizationServerSettings, ConsentMode, Resources},
    user::{Answer, Interaction, LoginError, LoginRoute, LoginStatus, Next, User, UserAuthentication},
    user_sessions::{EndedSessions, UserSessions},
};

/// The buckets with which the store of an authorization server is opened.
pub static BUCKETS: [&Bucket; 10] = [
    &OAUTH_GRANTS,
    &REGISTERED_CLIENTS,
    &INTERACTIONS,
    &BROWSER_SESSIONS,
    &REMEMBERED_CONSENTS,
    &LOCAL_USERS,
    &LOGIN_ATTEMPTS,
    &PROVIDER_LOGINS,
    &PROVIDER_REFRESH_LEASES,
    &USED_ASSERTIONS,
];
