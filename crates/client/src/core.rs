//! The parts that all calls of a client share.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use anyport_protocol::{Raw, types::DiscoverResult};
use anyport_service::{Principal, Service};
use anyport_upstream::ToolCatalog;

use crate::{cache::ClientCache, handler::Functions, schema::OutputSchemas};

/// What all calls of a client share.
pub(crate) struct Core {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) functions: Arc<Functions>,
    pub(crate) capabilities: Raw,
    pub(crate) info: Raw,
    pub(crate) principal: Principal,
    pub(crate) timeout: Duration,
    pub(crate) timeout_max: Duration,
    pub(crate) max_pages: usize,
    /// The next progress token.
    pub(crate) tokens: AtomicU64,
    pub(crate) cache: Arc<ClientCache>,
    /// The connection, when this client made one.
    #[cfg(feature = "connect")]
    pub(crate) connector: Option<crate::connect::ClientConnector>,
    /// The tools of the server, which the upstream of a client that connects by itself knows.
    pub(crate) tools: ToolCatalog,
    pub(crate) outputs: OutputSchemas,
    /// What the server calls itself.
    pub(crate) server: String,
    pub(crate) discovered: OnceLock<DiscoverResult>,
}

impl Core {
    /// Whether the client stands over an upstream, which connects, repeats calls and adds headers by itself.
    #[cfg(feature = "connect")]
    pub(crate) fn is_connecting(&self) -> bool {
        self.connector.is_some()
    }

    #[cfg(not(feature = "connect"))]
    pub(crate) fn is_connecting(&self) -> bool {
        false
    }
}
