//! The scopes that calls of virtual servers, upstreams and tools need.

use super::{model::GatewayConfig, values::check_scopes};

/// Checks the scopes that a file requires, beside those of `[auth]`.
///
/// # Errors
/// The path of the key that is wrong, and why.
pub(super) fn check_required(config: &GatewayConfig) -> Result<(), (Vec<String>, String)> {
    let wrong = |keys: &[&str], scopes: &[String]| {
        check_scopes(scopes).map_err(|reason| (keys.iter().map(|key| (*key).to_owned()).collect(), reason))
    };
    for (name, server) in &config.servers {
        wrong(&["servers", name, "require"], &server.require)?;
    }
    for (name, upstream) in &config.upstreams {
        wrong(&["upstreams", name, "require"], &upstream.require)?;
        for (tool, change) in &upstream.tools {
            wrong(&["upstreams", name, "tools", tool, "require"], &change.require)?;
        }
    }
    Ok(())
}
