use std::sync::{Arc, Weak};

use anyport_service::{ClientHeaders, Service, sync::Lock};
use http::HeaderMap;
use tokio::time::timeout;

use super::{
    config::Config,
    further::{FurtherEndpoint, FurtherEndpoints, ServesFurther},
    open_streams::OpenStreams,
    resource::{Resource, WELL_KNOWN},
    sessions::Sessions,
};

/// The state that all requests of an endpoint share.
pub(super) struct State {
    pub(super) service: Arc<dyn Service>,
    pub(super) config: Config,
    /// The endpoint as a protected resource.
    pub(super) resource: Resource,
    pub(super) sessions: Arc<Sessions>,
    /// Streams that are open now.
    pub(super) streams: Arc<Lock<OpenStreams>>,
    /// Connections that are WebSockets now.
    #[cfg(feature = "websocket")]
    pub(super) sockets: crate::websocket::Sockets,
    /// The further endpoints of the same listener.
    further: Lock<Further>,
}

/// The further endpoints of a listener.
#[derive(Default)]
struct Further {
    served: Arc<[(FurtherEndpoint, Arc<State>)]>,
    /// Those that were taken away, until their sessions have ended.
    ending: Vec<Weak<State>>,
}

impl State {
    /// The endpoint of `service`, and the further ones of `config`.
    pub(super) fn new(service: Arc<dyn Service>, config: Config) -> Arc<Self> {
        let further = config.further_endpoints.clone();
        let state = Arc::new(Self::alone(service, config, &[]));
        further.serve(&(state.clone() as Arc<dyn ServesFurther>));
        state
    }

    /// The endpoint of `service`, without others.
    fn alone(service: Arc<dyn Service>, config: Config, required: &[String]) -> Self {
        Self {
            further: Lock::default(),
            service,
            sessions: Sessions::new(&config),
            resource: Resource::of(&config, required),
            config,
            streams: Arc::default(),
            #[cfg(feature = "websocket")]
            sockets: crate::websocket::Sockets::new(),
        }
    }

    /// The endpoint that `path` belongs to: it stands there, or what it serves below its own path.
    pub(super) fn at(self: Arc<Self>, path: &str) -> Arc<Self> {
        let is_at = |endpoint: &FurtherEndpoint| {
            path.strip_prefix(&endpoint.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if path == self.config.path {
            return self;
        }
        let further = self.further.lock().served.clone();
        let found = further.iter().find(|(endpoint, _)| is_at(endpoint));
        found.map_or(self, |(_, state)| state.clone())
    }

    /// The endpoint whose metadata (RFC 9728) stands at `path`: the first one's stands at the root as well.
    pub(super) fn with_metadata_at(self: &Arc<Self>, path: &str) -> Option<Arc<Self>> {
        if path == WELL_KNOWN {
            return Some(self.clone()).filter(|first| first.resource.has_metadata());
        }
        if self.resource.has_metadata_at(path) {
            return Some(self.clone());
        }
        let further = self.further.lock().served.clone();
        further.iter().map(|(_, state)| state).find(|state| state.resource.has_metadata_at(path)).cloned()
    }

    /// This endpoint, the further ones, and those of them that end.
    pub(super) fn all(self: &Arc<Self>) -> impl Iterator<Item = Arc<Self>> + use<> {
        let further = self.further.lock();
        let served = further.served.iter().map(|(_, state)| state.clone());
        let ending = further.ending.iter().filter_map(Weak::upgrade);
        let all: Vec<_> = std::iter::once(self.clone()).chain(served).chain(ending).collect();
        all.into_iter()
    }

    /// The state of a further endpoint.
    fn further(&self, FurtherEndpoint { path, service, required }: &FurtherEndpoint) -> Arc<Self> {
        let further_endpoints = FurtherEndpoints::default();
        let config =
            Config { path: path.clone(), routes: Vec::new(), further_endpoints, ..self.config.clone() };
        #[cfg(feature = "websocket")]
        let config = config.websocket(None);
        Arc::new(Self::alone(service.clone(), config, required))
    }

    /// Lets the calls of its sessions finish within the drain time, and ends the sessions then.
    async fn end(self: Arc<Self>) {
        self.sessions.begin_close();
        if timeout(self.config.limits.drain, self.sessions.idle()).await.is_err() {
            tracing::warn!(path = self.config.path, "calls of sessions were cut: their endpoint is gone");
        }
        self.sessions.close();
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

impl ServesFurther for State {
    fn set(&self, endpoints: &[FurtherEndpoint]) {
        let mut further = self.further.lock();
        let known = further.served.clone();
        let stays = |one: &FurtherEndpoint| known.iter().find(|(other, _)| one.is(other));
        let served = endpoints.iter().map(|one| {
            let state = stays(one).map_or_else(|| self.further(one), |(_, state)| state.clone());
            (one.clone(), state)
        });
        further.served = served.collect();
        further.ending.retain(|state| state.strong_count() > 0);
        for (gone, state) in known.iter().filter(|(one, _)| !endpoints.iter().any(|other| other.is(one))) {
            tracing::debug!(path = gone.path, "the endpoint is gone");
            further.ending.push(Arc::downgrade(state));
            tokio::spawn(state.clone().end());
        }
    }
}
