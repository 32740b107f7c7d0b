use std::{fmt, net::SocketAddr, path::Path};

use serde_json::json;

use super::{
    file::{GatewayFile, virtual_path},
    members::Members,
};
use crate::{
    listen::{Addresses, Transport},
    render::safe,
    serve::Arguments,
    store::StoreStatus,
};

/// The banner of a running gateway: its servers, its addresses, and the configuration for a client.
pub(super) struct Banner<'a> {
    pub(super) file: &'a GatewayFile,
    pub(super) members: &'a Members,
    pub(super) arguments: &'a Arguments,
    /// The store, if one was chosen.
    pub(super) store: Option<StoreStatus>,
    pub(super) address: Option<SocketAddr>,
    /// Where the Unix socket is.
    pub(super) path: Option<&'a Path>,
    /// Whether a person reads it now. A log gets the JSON on one line.
    pub(super) terminal: bool,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.file.config;
        let (used, unused): (Vec<_>, Vec<_>) =
            config.upstreams.iter().partition(|(_, upstream)| !upstream.disabled);
        let count = used.len() + config.knowledge.len();
        let noun = if count == 1 { "server" } else { "servers" };
        let version = env!("CARGO_PKG_VERSION");
        writeln!(f, "anyport {version} serves {count} {noun} of {}", self.file.path.display())?;
        let names =
            used.iter().map(|(name, _)| name.as_str()).chain(config.knowledge.keys().map(String::as_str));
        writeln!(f, "  servers    {}", safe::text(&names.collect::<Vec<_>>().join(", ")))?;
        if !unused.is_empty() {
            let names: Vec<_> = unused.iter().map(|(name, _)| name.as_str()).collect();
            writeln!(f, "  disabled   {}", names.join(", "))?;
        }
        for (name, why) in self.members.unusable() {
            writeln!(f, "  unusable   {}", safe::line(&format!("{name}: {why}")))?;
        }
        let addresses =
            Addresses { arguments: &self.arguments.listen, address: self.address, path: self.path };
        addresses.fmt(f)?;
        self.store.iter().try_for_each(|store| store.lines(f))?;
        let Some(url) = addresses.url().filter(|_| self.arguments.listen.speaks(Transport::Http)) else {
            return Ok(());
        };
        let root = url.strip_suffix("/mcp").unwrap_or(&url);
        for name in config.servers.keys() {
            writeln!(f, "  {name:<10} {root}{}", virtual_path(name))?;
        }
        let entry = addresses.entry();
        let place = "(mcp.json, \"servers\" in VS Code)";
        writeln!(f, "\nTo connect a client, put this into its configuration {place}:")?;
        let servers = json!({"mcpServers": {anyport_config::valid_name(&self.arguments.name): entry}});
        if self.terminal { writeln!(f, "{servers:#}") } else { writeln!(f, "{servers}") }
    }
}
