//! Logins to servers: where this program keeps them, and how a connection uses them.
//!
//! - [`browser`]: shows the pages to sign in at.
//! - [`errors`]: why a login fails, and what to do.

mod browser;
mod errors;

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use anyport_auth::{Credential, DEFAULT_ACCOUNT, Error, Secret, SignIn, SignInOptions, Vault};
use anyport_metrics::Metrics;
use anyport_seal::Sealer;
use anyport_store::Store;
use anyport_transport::client::{Target, http::Endpoint};

pub(crate) use self::{browser::Browser, errors::failed};
use crate::{
    state_dir, store,
    target::{HiddenTokens, Server, Surroundings},
};

/// The credentials in the folder of the program's state, with its key, which is made when there is none.
///
/// # Errors
/// When the key can be neither read nor made.
pub(crate) fn vault(state: &Path) -> Result<Vault> {
    vault_in(state, Arc::new(store::open(state, &Metrics::new())))
}

/// The same in `store`, which is an open one of the folder.
///
/// # Errors
/// As for [`vault`].
pub(crate) fn vault_in(state: &Path, store: Arc<dyn Store>) -> Result<Vault> {
    let key = state_dir::credentials_key(state);
    let key = key.with_context(|| format!("no key for credentials in {}", state.display()))?;
    Ok(Vault::new(store, Sealer::new(&key)))
}

/// The credentials, if anybody has signed in with this folder: nothing is made for those who do not.
pub(crate) fn known_vault(state: &Path) -> Option<Vault> {
    let vault = state_dir::has_credentials_key(state).then(|| vault(state))?;
    vault.inspect_err(|error| tracing::warn!("stored logins are not used: {error:#}")).ok()
}

/// The sign-in of `account` to the server at `endpoint`. No output of this run repeats its tokens, whoever repeats them to it.
///
/// # Errors
/// When the URL of the server is none for a token.
pub(crate) fn of_server(
    endpoint: &Endpoint,
    account: &str,
    vault: Vault,
    options: SignInOptions,
) -> Result<SignIn, Error> {
    let tokens = HiddenTokens::default();
    let hide = move |credential: &Credential| tokens.hide(credential.secrets().map(Secret::expose));
    Ok(SignIn::new(endpoint, account, vault, options)?.observed(hide))
}

/// `target` with the stored login of `account`, if the server is one of HTTP whose credentials do not come from elsewhere.
///
/// A server that is given a token does not get another one: what it refuses there is that token.
pub(crate) fn with_login(
    target: Target,
    server: &Server,
    account: Option<&str>,
    surroundings: &Surroundings,
) -> Target {
    let Server::Http { headers, .. } = server else { return target };
    if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
        return target;
    }
    let vault = state_dir::of_gateways(surroundings).and_then(|state| known_vault(&state));
    match (target, vault) {
        (Target::Http(endpoint), Some(vault)) => Target::Http(signed_in(endpoint, vault, account)),
        (target, _) => target,
    }
}

/// The endpoint with the login of `account`, if its URL may have one.
fn signed_in(endpoint: Endpoint, vault: Vault, account: Option<&str>) -> Endpoint {
    let account = account.unwrap_or(DEFAULT_ACCOUNT);
    match of_server(&endpoint, account, vault, SignInOptions::default()) {
        Ok(sign_in) => sign_in.endpoint(),
        Err(_) => endpoint,
    }
}
