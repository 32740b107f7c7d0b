use std::sync::{Arc, atomic::AtomicUsize};

use anyport_service::Service;

use super::{config::Config, sessions::Sessions};

/// The state that all requests of an endpoint share.
pub(super) struct State {
    pub(super) service: Arc<dyn Service>,
    pub(super) config: Config,
    pub(super) sessions: Arc<Sessions>,
    /// Streams that are open now.
    pub(super) streams: Arc<AtomicUsize>,
    /// Connections that are WebSockets now.
    #[cfg(feature = "websocket")]
    pub(super) sockets: crate::websocket::Sockets,
}

impl State {
    /// Whether a revision that opens with `initialize` is supported.
    pub(super) fn speaks_legacy(&self) -> bool {
        self.config.supported.iter().any(|revision| revision.has_sessions())
    }

    /// Whether a stateless revision is supported.
    pub(super) fn speaks_modern(&self) -> bool {
        self.config.supported.iter().any(|revision| revision.is_stateless())
    }
}
