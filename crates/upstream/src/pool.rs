//! The pool of connections to one server, below the adapters.

use std::sync::{
    Arc, MutexGuard, OnceLock, Weak,
    atomic::{AtomicBool, AtomicUsize},
};

use anyport_adapters::LegacyServerAdapter;
use anyport_metrics::{Counter, Gauge, Metrics};
use anyport_protocol::{Method, failure::CloseReason, session::client::Attribution};
use anyport_service::{
    Context,
    peer::{PeerChannel, UnsolicitedRequest},
    sync::Lock,
};
use tokio::sync::{Notify, Semaphore, watch};

use crate::{
    Connector, IsolationPolicy, KnownServer, ToolCatalog, UpstreamLimits,
    asking_eras::AskingEras,
    call::CallGuard,
    era::{Era, ServedEras},
    isolation::Share,
    slot::Slot,
    table::Table,
};

/// The connections, below the adapters.
#[derive(Clone)]
pub(crate) struct Pool(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) connector: Box<dyn Connector>,
    pub(crate) limits: UpstreamLimits,
    pub(crate) isolation: IsolationPolicy,
    pub(crate) table: Lock<Table>,
    pub(crate) room: Arc<Semaphore>,
    /// A connection may have become free.
    pub(crate) freed: Arc<Notify>,
    pub(crate) waiting: AtomicUsize,
    /// Held until it is known of which era the server is: a modern one needs no second connection.
    pub(crate) first: tokio::sync::Mutex<()>,
    pub(crate) tools: ToolCatalog,
    /// The tasks that await notifications about elicitations.
    pub(crate) parked: OnceLock<Weak<LegacyServerAdapter<EraCalls>>>,
    /// The handlers that can ask in one era only.
    pub(crate) asking_eras: AskingEras,
    /// What the server says outside any call, on any connection.
    pub(crate) events: PeerChannel,
    pub(crate) server_info: watch::Sender<KnownServer>,
    /// Nothing new begins.
    pub(crate) closed: watch::Sender<bool>,
    /// Nothing is left: connections are closed, and those that come to be are not waited for.
    pub(crate) over: watch::Sender<bool>,
    /// Whether a place is connected in the background; see [`Pool::probe`].
    pub(crate) probing: AtomicBool,
    pub(crate) metrics: UpstreamMetrics,
}

/// The metrics.
#[derive(Clone, Debug, Default)]
pub(crate) struct UpstreamMetrics {
    /// Calls beyond those that may wait for a connection.
    pub(crate) refused: Counter,
    /// Calls that have waited for a connection for too long.
    pub(crate) waited: Counter,
    pub(crate) reissued: Counter,
    pub(crate) lost: Counter,
    /// Circuits that were opened although their connection seemed to be whole.
    pub(crate) opened: Counter,
    /// Calls of which nothing came in time.
    pub(crate) silent: Counter,
    pub(crate) open: Gauge,
}

impl UpstreamMetrics {
    pub(crate) fn of(metrics: &Metrics) -> Self {
        Self {
            refused: metrics.refusals("connections"),
            waited: metrics.refusals("connection_wait"),
            reissued: metrics
                .counter("anyport_upstream_reissued", "Calls made again after their connection was lost"),
            lost: metrics.counter("anyport_upstream_lost", "Connections to servers that were lost"),
            opened: metrics.refusals("breaker_failures"),
            silent: metrics.refusals("first_byte_timeout"),
            open: metrics.gauge("anyport_upstream_connections", "Connections to servers"),
        }
    }
}

/// The calls of one era of a server: below the adapter that converts what it asks.
///
/// A server that does not speak the era is called in the other one.
#[derive(Clone)]
pub(crate) struct EraCalls {
    pub(crate) pool: Pool,
    pub(crate) era: Era,
}

/// Closes every connection when the last [`Upstream`](crate::Upstream) is dropped.
pub(crate) struct CloseOnDrop(pub(crate) Pool);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.0.closed.send_replace(true);
        self.0.0.over.send_replace(true);
        self.0.0.events.close(CloseReason::Closed);
    }
}

impl Pool {
    /// Forgets what is known of the server's eras: it may have been replaced.
    pub(crate) fn forget_eras(&self) {
        self.lock().eras = ServedEras::default();
        self.0.asking_eras.clear();
    }

    /// The eras that the server speaks, as far as that is known.
    pub(crate) fn eras(&self) -> ServedEras {
        self.lock().eras
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock()
    }

    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        self.lock().slots.values().cloned().collect()
    }

    /// Where calls such as `context`'s go that ask nothing.
    pub(crate) fn slot(&self, context: &Context) -> Arc<Slot> {
        self.place(&mut self.lock(), context, Era::of(context.revision()), false)
    }

    /// A place among the calls of the connection where a call goes that prefers the era `preferred`; `asks`: whether its
    /// caller may be asked.
    pub(crate) fn hold(&self, context: &Context, preferred: Era, asks: bool) -> CallGuard {
        let mut table = self.lock();
        let slot = self.place(&mut table, context, preferred, asks);
        if slot.is_legacy() {
            slot.used_by(context);
        }
        // Before another task looks for an idle connection.
        CallGuard::of(&slot, &self.0.freed)
    }

    fn place(&self, table: &mut Table, context: &Context, preferred: Era, asks: bool) -> Arc<Slot> {
        if !table.isolated && table.eras.for_calls(preferred) != Some(Era::Modern) {
            let legacy = table.slots.values().filter(|slot| slot.is_legacy());
            let attribution = legacy.filter_map(|slot| slot.attribution()).max();
            self.attributed(table, attribution);
        }
        table.slot(context, preferred, asks, &self.0.limits, self.0.isolation)
    }

    /// Learns how the calls of the server's requests were found. Once that was not possible, every caller has a
    /// connection of its own.
    pub(crate) fn attributed(&self, table: &mut Table, attribution: Option<Attribution>) {
        table.ambiguous |= attribution == Some(Attribution::Single);
        if attribution == Some(Attribution::Ambiguous) && !std::mem::replace(&mut table.isolated, true) {
            let name = &self.0.name;
            tracing::info!(
                upstream = name,
                "it asks without saying whom: each caller gets a connection of its own"
            );
        }
    }

    /// Takes a server request that no call carries.
    ///
    /// On a session's own connection there is no doubt whom the server means. On one that several share, nobody is asked,
    /// and from then on each gets one of its own; but not for roots, which nearly every server asks for as it begins.
    pub(crate) fn unsolicited(&self, slot: &Slot, request: &UnsolicitedRequest) {
        match slot.sharers() {
            (_, Some(sole)) => {
                if let Some(request) = request.claim() {
                    if let Some(up) = slot.up().filter(|_| request.method == Method::ListRoots) {
                        // It may answer at any time from now on.
                        up.learns_roots_of(Share::Session(sole.id()));
                    }
                    // A request that the session does not take is declined.
                    let _ = sole.request(request);
                }
            }
            (0, None) => {}
            (_, None) if request.method() == Method::ListRoots => {}
            (_, None) => self.attributed(&mut self.lock(), Some(Attribution::Ambiguous)),
        }
    }
}
