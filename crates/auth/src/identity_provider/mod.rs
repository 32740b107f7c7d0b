//! Lets users sign in at an identity provider: this program as the provider's one client.
//!
//! [`IdentityProvider`] is the provider. A sign-in begins with [`IdentityProvider::begin`], which gives the page to send the browser
//! to, and ends with [`IdentityProvider::finish`], which reads the answer that the browser brings back and says who the user is. What
//! must be known in between is a [`PendingSignIn`]: the caller keeps it for that browser alone, and uses it once. The tokens that the
//! provider gives are never given away: they are kept, sealed, to learn whether the provider still vouches for the user
//! ([`ProviderLogins`]).
//!
//! It knows neither the clients that want to know the user, nor how pages are served.
//!
//! # Layout
//! - How providers differ: [`ProviderKind`], and its options ([`ProviderOptions`]).
//! - Where its endpoints and keys are: `endpoints`.
//! - Who a user is: `id_token` (OpenID Connect), `github`, `admission` (who of them is let in).
//! - The two steps: [`IdentityProvider`]. Afterwards: [`ProviderLogins`].

mod admission;
mod endpoints;
mod error;
mod github;
mod id_token;
mod kind;
mod limits;
mod logins;
mod options;
mod provider;
#[cfg(test)]
pub(crate) mod tests;
mod user;

pub use self::{
    error::{ProviderConfigError, SignInError},
    kind::ProviderKind,
    limits::ProviderLimits,
    logins::{PROVIDER_LOGINS, PROVIDER_REFRESH_LEASES, ProviderLoginStatus, ProviderLogins},
    options::ProviderOptions,
    provider::{IdentityProvider, PendingSignIn, ProviderSetup, StartedSignIn},
    user::SignedInUser,
};
