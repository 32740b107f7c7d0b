//! Logins to servers: where this program keeps them, and how a connection uses them.
//!
//! - [`browser`]: shows the pages to sign in at.
//! - [`errors`]: why a login fails, and what to do.
//! - [`key`]: the key that seals credentials.
//! - [`places`]: assertions that are read anew for each request.

mod browser;
mod errors;
mod key;
mod places;

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use anyport_auth::{
    ClientIssuers, Credential, DEFAULT_ACCOUNT, Error, Secret, SignIn, SignInLimits, SignInOptions, Vault,
};
use anyport_metrics::Metrics;
use anyport_seal::Sealer;
use anyport_store::Store;
use anyport_transport::client::{Target, http::Endpoint};

pub(crate) use self::{browser::Browser, errors::failed, places::absolute};
use self::{key::SystemKeyring, places::Places};
use crate::{
    state_dir, store,
    target::{HiddenTokens, Server, Surroundings},
};

/// The credentials in the folder of the program's state, with its key, which is made when there is none.
///
/// # Errors
/// When the key can be neither read nor made.
pub(crate) fn vault(state: &Path) -> Result<Vault> {
    vault_in(state, Arc::new(store::local(state, &Metrics::new())))
}

/// The same in `store`, which is an open one of the folder.
///
/// # Errors
/// As for [`vault`].
pub(crate) fn vault_in(state: &Path, store: Arc<dyn Store>) -> Result<Vault> {
    let key = key::key(state, SystemKeyring);
    let key = key.with_context(|| format!("no key for credentials in {}", state.display()))?;
    Ok(Vault::new(store, Sealer::new(&key)))
}

/// The credentials, if anybody has signed in with this folder: nothing is made for those who do not.
pub(crate) fn known_vault(state: &Path) -> Option<Vault> {
    known_vault_in(state, Arc::new(store::local(state, &Metrics::new())))
}

/// The same in `store`, which is an open one of the folder.
pub(crate) fn known_vault_in(state: &Path, store: Arc<dyn Store>) -> Option<Vault> {
    let vault = key::exists(state).then(|| vault_in(state, store))?;
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
    surroundings: &Surroundings,
) -> Result<SignIn, Error> {
    let tokens = HiddenTokens::default();
    let hide = move |credential: &Credential| tokens.hide(credential.secrets().map(Secret::expose));
    Ok(SignIn::new(endpoint, account, vault, options)?
        .observed(hide)
        .secret_reader(Places(surroundings.clone())))
}

/// `target` with the login of its file, or the stored login of `account`, if the server is one of HTTP whose credentials do not come
/// from elsewhere.
///
/// A server that is given a token does not get another one: what it refuses there is that token.
pub(crate) fn with_login(
    target: Target,
    server: &Server,
    account: Option<&str>,
    surroundings: &Surroundings,
    (limits, metrics): (SignInLimits, &Metrics),
) -> Target {
    let Server::Http { headers, login, .. } = server else { return target };
    if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
        return target;
    }
    let Target::Http(endpoint) = target else { return target };
    let options = login.as_ref().map(|login| login.options.clone()).unwrap_or_default();
    let options = SignInOptions { limits, ..options };
    let state = state_dir::of_gateways(surroundings);
    let vault = match options.grant.has_user() {
        true => state.and_then(|state| known_vault(&state)),
        false => in_memory(state.as_deref()),
    };
    let of_file = login.as_ref().and_then(|login| login.account.as_deref());
    let account = account.or(of_file).unwrap_or(DEFAULT_ACCOUNT);
    let sign_in = vault.map(|vault| of_server(&endpoint, account, vault, options, surroundings));
    Target::Http(match sign_in {
        Some(Ok(sign_in)) => sign_in.metrics(metrics).endpoint(),
        // The URL of the server may have no token.
        Some(Err(error)) => {
            if login.is_some() || account != DEFAULT_ACCOUNT {
                tracing::warn!(%error, "the login to the server is not used");
            }
            endpoint
        }
        None => endpoint,
    })
}

/// The credentials of logins without a user, which take no more than a request: they end with the program, and meet no login of the
/// user. The authorization servers that the secrets of clients go to are kept in the folder of the program's state.
fn in_memory(state: Option<&Path>) -> Option<Vault> {
    let issuers = state.map(|state| ClientIssuers::new(Arc::new(store::local(state, &Metrics::new()))));
    let vault = Vault::in_memory().inspect_err(|error| tracing::warn!(%error, "no place for tokens")).ok()?;
    Some(vault.client_issuers(issuers))
}
