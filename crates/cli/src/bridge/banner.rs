use std::{fmt, net::SocketAddr, path::Path};

use serde_json::json;

use super::{Arguments, probe::ServerState};
use crate::{
    listen::{Addresses, Transport},
    store::StoreStatus,
    target::Target,
};

/// The banner of a running bridge: its server, its addresses, and the configuration for a client.
pub(super) struct Banner<'a> {
    pub(super) target: &'a Target,
    pub(super) arguments: &'a Arguments,
    /// The store, if one was chosen.
    pub(super) store: Option<StoreStatus>,
    /// Whether the server was reached.
    pub(super) server: ServerState,
    pub(super) address: Option<SocketAddr>,
    /// Where the Unix socket is.
    pub(super) path: Option<&'a Path>,
    /// Whether a person reads it now. A log gets the JSON on one line.
    pub(super) terminal: bool,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { server, name, .. } = self.target;
        let version = env!("CARGO_PKG_VERSION");
        writeln!(f, "anyport {version} bridges {name}")?;
        writeln!(f, "  server     {server} over {}, {}", server.transport(), self.server)?;
        let listen = &self.arguments.listen;
        let addresses = Addresses { arguments: listen, address: self.address, path: self.path };
        addresses.fmt(f)?;
        self.store.iter().try_for_each(|store| store.lines(f))?;
        let Some(entry) = addresses.entry().filter(|_| listen.speaks(Transport::Http)) else {
            return Ok(());
        };
        writeln!(
            f,
            "\nTo connect a client, put this into its configuration (mcp.json, \"servers\" in VS Code):"
        )?;
        let servers = json!({"mcpServers": {self.target.config_name(): entry}});
        if self.terminal { writeln!(f, "{servers:#}") } else { writeln!(f, "{servers}") }
    }
}
