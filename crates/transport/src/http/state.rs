use std::sync::{Arc, atomic::AtomicUsize};

use anyport_service::{ClientHeaders, Service};
use http::HeaderMap;

use super::{
    config::{Config, FurtherEndpoint},
    sessions::Sessions,
};

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
    /// The further endpoints of the same listener.
    pub(super) further: Vec<Arc<Self>>,
}

impl State {
    /// The endpoint of `service`, and the further ones of `config`.
    pub(super) fn new(service: Arc<dyn Service>, mut config: Config) -> Self {
        let further = std::mem::take(&mut config.further_endpoints);
        let further = further.into_iter().map(|FurtherEndpoint { path, service }| {
            let config = Config { path, routes: Vec::new(), ..config.clone() };
            #[cfg(feature = "websocket")]
            let config = config.websocket(None);
            Arc::new(Self::new(service, config))
        });
        Self {
            further: further.collect(),
            service,
            sessions: Sessions::new(config.limits.clone()),
            config,
            streams: Arc::default(),
            #[cfg(feature = "websocket")]
            sockets: crate::websocket::Sockets::new(),
        }
    }

    /// The endpoint that `path` belongs to: it stands there, or what it serves below its own path.
    pub(super) fn at(self: Arc<Self>, path: &str) -> Arc<Self> {
        let is_at = |endpoint: &&Arc<Self>| {
            path.strip_prefix(&endpoint.config.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        // As a rule there is none.
        self.further.iter().find(is_at).cloned().unwrap_or(self)
    }

    /// This endpoint, and the further ones.
    pub(super) fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.further.iter().map(|endpoint| &**endpoint))
    }

    /// The headers of a request that its call takes along.
    pub(super) fn client_headers(&self, headers: &HeaderMap) -> Option<ClientHeaders> {
        self.config.client_headers.as_ref()?.of(headers)
    }

    /// Whether a revision that opens with `initialize` is supported.
    pub(super) fn speaks_legacy(&self) -> bool {
        self.config.supported.iter().any(|revision| revision.has_sessions())
    }

    /// Whether a stateless revision is supported.
    pub(super) fn speaks_modern(&self) -> bool {
        self.config.supported.iter().any(|revision| revision.is_stateless())
    }
}
