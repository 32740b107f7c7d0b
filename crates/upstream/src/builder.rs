use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize},
};

use anyport_adapters::{
    LegacyClientAdapter, LegacyClientLimits, LegacyServerAdapter, ParkLimits, StateBinding, StateSealer,
};
use anyport_metrics::Metrics;
use anyport_seal::Sealer;
use anyport_service::{peer::PeerChannel, sync::Lock};
use tokio::sync::{Semaphore, watch};

use crate::{
    Connector, IsolationPolicy, ToolCatalog, Upstream, UpstreamLimits,
    asking_eras::AskingEras,
    era::Era,
    pool::{CloseOnDrop, EraCalls, Inner, Pool, UpstreamMetrics},
};

/// Builds an [`Upstream`].
#[must_use = "an upstream is made by `build`"]
pub struct UpstreamBuilder {
    name: String,
    connector: Box<dyn Connector>,
    limits: UpstreamLimits,
    dialogues: LegacyClientLimits,
    metrics: Metrics,
    park: Option<(Sealer, ParkLimits)>,
    isolation: IsolationPolicy,
}

impl Upstream {
    /// Begins to build the server that `connector` connects to. `name` is what people call it, in errors and logs.
    pub fn builder(name: impl Into<String>, connector: impl Connector) -> UpstreamBuilder {
        UpstreamBuilder {
            name: name.into(),
            connector: Box::new(connector),
            limits: UpstreamLimits::default(),
            dialogues: LegacyClientLimits::default(),
            metrics: Metrics::new(),
            park: None,
            isolation: IsolationPolicy::default(),
        }
    }
}

impl UpstreamBuilder {
    /// Sets the limits of the connections.
    pub fn limits(mut self, limits: UpstreamLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the limits of the dialogues in which a modern server asks a caller that is asked inline.
    pub fn dialogues(mut self, limits: LegacyClientLimits) -> Self {
        self.dialogues = limits;
        self
    }

    /// Counts in `metrics`.
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// Lets a legacy server ask callers that are asked by `input_required`, too: their calls are parked while they are
    /// asked, and attach to them again by a `requestState` under `sealer`, which also binds the states of a modern
    /// server to their owners. Without this such a server is told that those callers cannot be asked.
    pub fn park(mut self, sealer: Sealer, limits: ParkLimits) -> Self {
        self.park = Some((sealer, limits));
        self
    }

    /// Sets which calls may share a connection to a legacy server. Default [`IsolationPolicy::Automatic`].
    pub fn isolation(mut self, policy: IsolationPolicy) -> Self {
        self.isolation = policy;
        self
    }

    /// Makes the upstream. It connects when the first call comes.
    pub fn build(self) -> Upstream {
        let Self { name, connector, limits, dialogues, metrics, park, isolation } = self;
        let seals = park.map(|(sealer, limits)| (StateSealer::new(sealer, NODE, &name), limits));
        let pool = Pool(Arc::new(Inner {
            name,
            connector,
            limits,
            isolation,
            table: Lock::default(),
            room: Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS))),
            freed: Arc::default(),
            waiting: AtomicUsize::new(0),
            first: tokio::sync::Mutex::default(),
            tools: ToolCatalog::default(),
            parked: OnceLock::new(),
            events: PeerChannel::default(),
            server_info: watch::Sender::default(),
            asking_eras: AskingEras::default(),
            closed: watch::Sender::new(false),
            over: watch::Sender::new(false),
            probing: AtomicBool::new(false),
            metrics: UpstreamMetrics::of(&metrics),
        }));
        let calls = |era| EraCalls { pool: pool.clone(), era };
        let legacy_clients = LegacyClientAdapter::new(calls(Era::Modern), dialogues).metrics(&metrics);
        let parks = seals.map(|(seals, limits)| {
            let bound = StateBinding::new(calls(Era::Modern), seals.clone());
            let legacy = calls(Era::Legacy);
            let parked = Arc::new(LegacyServerAdapter::new(legacy, seals, limits).metrics(&metrics));
            // The adapter holds the pool, so the pool must not hold the adapter.
            let _ = pool.0.parked.set(Arc::downgrade(&parked));
            (parked, Arc::new(bound))
        });
        let (parked, bound) = parks.unzip();
        Upstream {
            _close_on_drop: Arc::new(CloseOnDrop(pool.clone())),
            legacy_clients: Arc::new(legacy_clients),
            parked,
            bound,
            pool,
        }
    }
}

/// The node that parks a call: there is one process, so far, that a state can lead to.
const NODE: &str = "here";
