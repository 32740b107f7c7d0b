//! An authorization server for the clients of servers of ours: this program registers clients, asks users for their consent, has
//! them authenticated, and issues tokens.
//!
//! # Layout
//! - What is read and written: `parameters`, [`page`], `token_text`.
//! - What is kept: `grant` (codes and tokens), one record for each.
//! - Who the user is: [`UserAuthentication`]; the users of an identity provider: [`ProviderUsers`].
//! - [`AuthorizationServerLimits`].

#![allow(dead_code, reason = "the endpoints follow")]

mod error;
mod grant;
mod id_jag;
mod limits;
pub mod page;
mod parameters;
mod provider_users;
mod token_text;
mod user;

pub use self::{
    error::ServerError,
    grant::OAUTH_GRANTS,
    id_jag::{TrustedIdentityProvider, TrustedIdentityProviders, USED_ASSERTIONS},
    limits::AuthorizationServerLimits,
    parameters::{Parameters, Repeated},
    provider_users::{PROVIDER_CALLBACK, ProviderUsers},
    user::{Answer, Interaction, LoginError, LoginRoute, LoginStatus, Next, User, UserAuthentication},
};
