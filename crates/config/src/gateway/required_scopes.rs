//! The scopes that calls of virtual servers, upstreams and tools need.

use std::iter;

use super::{model::GatewayConfig, values::check_scopes};

/// Every `require` of a file beside that of `[auth]`, with the path of its key.
fn all(config: &GatewayConfig) -> impl Iterator<Item = (Vec<&str>, &[String])> {
    let servers = config.servers.iter().map(|(name, server)| (vec!["servers", name], &*server.require));
    let upstreams = config.upstreams.iter().flat_map(|(name, upstream)| {
        let tools = upstream
            .tools
            .iter()
            .map(move |(tool, change)| (vec!["upstreams", name, "tools", tool], &*change.require));
        let items = [("prompts", &upstream.prompts), ("resources", &upstream.resources)];
        let items = items.into_iter().flat_map(move |(kind, items)| {
            items.iter().map(move |(item, config)| (vec!["upstreams", name, kind, item], &*config.require))
        });
        iter::once((vec!["upstreams", name], &*upstream.require)).chain(tools).chain(items)
    });
    servers.chain(upstreams).map(|(mut path, scopes)| {
        path.push("require");
        (path, scopes)
    })
}

/// Where a file requires a scope first, beside `[auth]`; `None` if it does not.
pub fn first_required(config: &GatewayConfig) -> Option<String> {
    all(config).find(|(_, scopes)| !scopes.is_empty()).map(|(path, _)| path.join("."))
}

/// Checks the scopes that a file requires, beside those of `[auth]`.
///
/// # Errors
/// The path of the key that is wrong, and why.
pub(super) fn check_required(config: &GatewayConfig) -> Result<(), (Vec<String>, String)> {
    for (path, scopes) in all(config) {
        let owned = || path.iter().map(|key| (*key).to_owned()).collect();
        check_scopes(scopes).map_err(|reason| (owned(), reason))?;
    }
    let of_auth = (vec!["auth", "require"], &*config.auth.require);
    // An item that no caller may use yet is intended.
    let further = all(config).filter(|(path, _)| path.len() <= 3);
    for (path, scopes) in iter::once(of_auth).chain(further) {
        if let Some(scope) = scopes.iter().find(|scope| !config.auth.can_give(scope)) {
            let reason =
                format!("{scope:?} is not among `scopes` of [auth.server], so no client could ever have it");
            return Err((path.iter().map(|key| (*key).to_owned()).collect(), reason));
        }
    }
    Ok(())
}
