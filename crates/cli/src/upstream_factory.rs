//! How a bridge and a gateway make the upstreams of their servers: connections, the key of sealed states, and the cached lists.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use anyport::{
    layer::{CatchPanicLayer, ServiceBuilder},
    stack,
};
use anyport_gateway::{
    Bridge, CatalogRecord,
    federation::{PinMode, PinRecords, Pins},
};
use anyport_metrics::Metrics;
use anyport_protocol::Revision;
use anyport_seal::{Key, Sealer};
use anyport_service::Service;
use anyport_store::Store;
use anyport_transport::{BufferedBytes, client};
use anyport_upstream::{ColdStarts, IsolationPolicy, Upstream};

use crate::{
    guard,
    listen::{self, Limits},
    server_id::server_id,
    server_log::{LoggedConnector, ServerLogs},
    state_dir, store,
    target::Server,
};

/// Makes the upstreams of one program. They share limits, metrics, buffers, the key, the store and the guard process.
pub(crate) struct UpstreamFactory {
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) buffers: BufferedBytes,
    /// The logs of the servers for which [`UpstreamOptions::is_logged`] says so.
    pub(crate) logs: ServerLogs,
    supported: Arc<[Revision]>,
    key: Key,
    /// Where the last known lists are stored. `None`: they are in memory alone, since there is no folder for the program's state, or no key in it.
    store: Option<Arc<dyn Store>>,
    guard: guard::Guard,
    cold_starts: ColdStarts,
}

/// One server, and how it is connected.
pub(crate) struct UpstreamOptions<'a> {
    /// Its name in errors and logs.
    pub(crate) name: &'a str,
    /// How to reach it.
    pub(crate) server: &'a Server,
    /// Where the transport finds it.
    pub(crate) target: client::Target,
    /// The only revision to speak with it.
    pub(crate) revision: Option<Revision>,
    /// The time that connecting may take.
    pub(crate) open_timeout: Duration,
    /// The time that a call may take without progress.
    pub(crate) call_timeout: Duration,
    /// The number of its connections.
    pub(crate) connections: Option<usize>,
    pub(crate) isolation: IsolationPolicy,
    /// Whether what it writes and logs is kept, for `anyport logs`.
    pub(crate) is_logged: bool,
    /// How often a server is connected that goes away before its handshake is over.
    pub(crate) handshakes: u32,
    /// The time without use after which its connections are closed.
    pub(crate) idle_stop: Option<Duration>,
}

impl UpstreamFactory {
    /// Prepares for servers whose clients are served as `arguments` say.
    ///
    /// # Errors
    /// When the system has no randomness for a key.
    pub(crate) fn new(arguments: &listen::Arguments, limits: Limits) -> Result<Self> {
        let metrics = Metrics::new();
        let kept = listen::key(arguments.state_dir.clone());
        let folder = state_dir::folder(arguments.state_dir.clone()).filter(|_| kept.is_some());
        let store = folder.map(|state| Arc::new(store::open(&state, &metrics)) as Arc<dyn Store>);
        let key = match kept {
            Some(key) => key,
            None => Key::random().context("no key for the state of open questions")?,
        };
        let buffers = BufferedBytes::new(limits.buffers, &metrics);
        let supported = arguments.era.revisions().into();
        let cold_starts = ColdStarts::new(limits.bridge.max_cold_starts, &metrics);
        let logs = ServerLogs::new(limits.bridge.server_log, &metrics);
        let guard = guard::Guard::default();
        Ok(Self { limits, metrics, buffers, logs, supported, key, store, guard, cold_starts })
    }

    /// The revisions that clients may speak.
    pub(crate) fn supported(&self) -> &Arc<[Revision]> {
        &self.supported
    }

    /// Seals what travels through clients.
    pub(crate) fn sealer(&self) -> Sealer {
        Sealer::new(&self.key)
    }

    /// The pins of the upstream `name` of the file `file`.
    pub(crate) fn pins(&self, file: &str, name: &str, mode: PinMode) -> Pins {
        Pins::new(name, mode, (self.store.clone().map(PinRecords::new), file), &self.metrics)
    }

    /// Whether what is stored outlives the program.
    pub(crate) fn has_store(&self) -> bool {
        self.store.is_some()
    }

    /// Puts a server behind a bridge of its own. Nothing is connected before somebody calls.
    pub(crate) fn bridge(&self, options: UpstreamOptions<'_>) -> Bridge {
        let UpstreamOptions {
            name,
            server,
            target,
            revision,
            open_timeout,
            call_timeout,
            connections,
            isolation,
            is_logged,
            handshakes,
            idle_stop,
        } = options;
        // What a client does not read is not read from the server either.
        let opening = client::ConnectOptions::default()
            .revision(revision)
            .open_timeout(open_timeout)
            .buffers(self.buffers.clone());
        let limits = &self.limits;
        let usual = match server {
            // Each is a process of its own.
            Server::Command { .. } => 8,
            _ => limits.upstream.connections,
        };
        let connections = connections.or(limits.bridge.connections).unwrap_or(usual);
        let longest = limits.bridge.call_timeout_max.max(call_timeout);
        let log = is_logged.then(|| self.logs.of(name));
        let connector = LoggedConnector::new(self.guard.guarded(target), opening, log).handshakes(handshakes);
        let builder = match server {
            Server::Command { .. } => Upstream::builder(name, self.cold_starts.bounded(connector)),
            _ => Upstream::builder(name, connector),
        };
        let upstream = builder
            .limits(limits.upstream.connections(connections))
            .dialogues(limits.legacy_clients)
            .park(self.sealer(), limits.park.call_timeout_max(longest))
            .metrics(&self.metrics)
            .isolation(isolation)
            .build();
        let catalog = self.store.clone().map(|store| CatalogRecord::new(store, server_id(server, &self.key)));
        let bridge = Bridge::new(upstream, self.supported.clone(), catalog);
        match idle_stop {
            Some(after) => bridge.idle_stop(after),
            None => bridge,
        }
    }
}

/// The layers around what stands before the servers, from the outside in. `silent` is the time that a call may take without
/// progress.
pub(crate) fn layered<S: Service>(
    service: S,
    silent: Duration,
    limits: &Limits,
    metrics: &Metrics,
) -> impl Service + use<S> {
    // A server that reports progress may take longer than one that is silent.
    let max = limits.bridge.call_timeout_max.max(silent);
    let edge = limits.edge.quota(limits.quota).call_timeout(silent).call_timeout_max(max);
    ServiceBuilder::new()
        .layer(stack::edge(&edge, metrics))
        // A fault of ours fails one call, not the process.
        .layer(CatchPanicLayer)
        .service(service)
}
