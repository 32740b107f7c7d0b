//! The running log of a process.
//!
//! - `queue`: records that wait. `writer`: the one task that writes them, in blocks. `refusals`: refusals of one caller that are too many.
//! - `opening`: the heads that a new chain names. `file`: the same records in a file.

mod file;
mod opening;
mod queue;
mod refusals;
mod writer;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::{Raw, settings};
use anyport_seal::Key;
use anyport_service::sync::Lock;
use anyport_store::Store;
use jiff::Timestamp;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use self::{queue::Queue, refusals::RefusalCounts, writer::Writer};
use crate::{
    AuditLimits, Event, Record, Redaction,
    places::Places,
    record::{Caller, Refusals},
};

/// When records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Behind the answer.
    On,
    /// Before a call goes to its server, and before its answer goes out.
    Required,
}

settings! {
    /// How a log is written.
    #[derive(Clone, Debug)]
    pub struct Options {
        /// The version of the program.
        #[default("none" = String::new())]
        #[set(into)]
        pub version: String,
        /// What is not recorded.
        #[default("arguments without what may be secret" = Redaction::default())]
        pub redaction: Redaction,
        /// The time after which blocks are dropped.
        #[default("never" = None)]
        #[set(into)]
        pub keep: Option<Duration>,
        /// A file that the records are also appended to, one in a line.
        #[default("none" = None)]
        #[set(into)]
        pub file: Option<PathBuf>,
        /// Its limits.
        #[default("those of [`AuditLimits`]" = AuditLimits::default())]
        pub limits: AuditLimits,
        /// Where it counts.
        #[default("for itself" = Metrics::new())]
        pub metrics: Metrics,
    }
}

/// The audit log of this process: one chain. Clones are the same log.
///
/// When the last one is dropped, what waits is written, and the chain ends.
#[derive(Clone)]
pub struct AuditLog(Arc<Handle>);

/// A record cannot be made durable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct Unavailable;

struct Handle {
    shared: Arc<Shared>,
    writer: Lock<Option<JoinHandle<()>>>,
    opened: watch::Receiver<Option<Result<(), String>>>,
}

/// What the log and its writer share.
struct Shared {
    mode: Mode,
    options: Options,
    queue: Queue,
    refusals: RefusalCounts,
    calls: AtomicU64,
    counters: Counters,
}

struct Counters {
    records: Counter,
    blocks: Counter,
    failed: Counter,
    file_failed: Counter,
    lost: Counter,
    waited: Counter,
    omitted: Counter,
    summarized: Counter,
}

/// The largest arguments in bytes, whatever the configuration says: a block must fit into a value of the store.
const MOST_ARGUMENTS: usize = 64 << 10;

impl AuditLog {
    /// Begins the chain of this process in `store`, under a key that is derived from `key`. The store must have been opened with
    /// [`AUDIT`](crate::AUDIT). Must be called inside a tokio runtime.
    pub fn start(store: Arc<dyn Store>, key: &Key, mode: Mode, mut options: Options) -> Self {
        options.limits.arguments = options.limits.arguments.min(MOST_ARGUMENTS);
        let shared = Arc::new(Shared {
            mode,
            queue: Queue::new(options.limits.queue),
            refusals: RefusalCounts::new(options.limits.refusals_per_second),
            calls: AtomicU64::new(0),
            counters: Counters::of(&options.metrics),
            options,
        });
        let (open, opened) = watch::channel(None);
        let writer = Writer::new(shared.clone(), Places::new(store, key));
        let writer = Lock::new(Some(tokio::spawn(writer.run(open))));
        Self(Arc::new(Handle { shared, writer, opened }))
    }

    /// Completes when the first record is in the store, or could not be written.
    ///
    /// # Errors
    /// Why not. The log goes on trying.
    pub async fn opened(&self) -> Result<(), String> {
        let mut opened = self.0.opened.clone();
        let ended = || Err(Unavailable.to_string());
        match opened.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or_else(ended),
            Err(_) => ended(),
        }
    }

    /// When its records are written.
    pub fn mode(&self) -> Mode {
        self.0.shared.mode
    }

    /// Writes what waits, and ends the chain. Records that come later are not written.
    pub async fn close(&self) {
        self.0.shared.queue.close();
        let writer = self.0.writer.lock().take();
        if let Some(writer) = writer {
            // It ends by itself unless the store hangs.
            let _ = timeout(CLOSE, writer).await;
        }
    }

    /// The number of the next call.
    pub(crate) fn next_call(&self) -> u64 {
        self.0.shared.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether records have arguments.
    pub(crate) fn records_arguments(&self) -> bool {
        self.0.shared.options.redaction.records_arguments()
    }

    /// Has `event` recorded, behind whatever is under way.
    pub(crate) fn record(&self, event: Event, arguments: Option<Raw>) {
        self.0.shared.enqueue(event, arguments, None);
    }

    /// Has the refusal of a call recorded, if its caller was not refused too often in this second.
    pub(crate) fn record_refusal(&self, event: Event, arguments: Option<Raw>) {
        let shared = &self.0.shared;
        let counted = match &event {
            Event::Call(call) => {
                let by = call.outcome.as_ref().and_then(|outcome| outcome.refused_by.as_deref());
                shared.refusals.admit(&call.caller, by)
            }
            _ => true,
        };
        match counted {
            true => self.record(event, arguments),
            false => shared.counters.summarized.increment(),
        }
    }

    /// Has `event` recorded. Completes once it is durable.
    ///
    /// # Errors
    /// If it cannot be, or not in time. It is recorded later, as far as there is room.
    pub(crate) async fn durable(&self, event: Event, arguments: Option<Raw>) -> Result<(), Unavailable> {
        let (done, written) = oneshot::channel();
        self.0.shared.enqueue(event, arguments, Some(done));
        match timeout(self.0.shared.options.limits.wait, written).await {
            Ok(written) => written.unwrap_or(Err(Unavailable)),
            Err(_) => {
                self.0.shared.counters.waited.increment();
                Err(Unavailable)
            }
        }
    }

    /// Whether nothing can be written now.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.0.shared.queue.is_failing()
    }
}

/// The longest time for what waits when the log is closed.
const CLOSE: Duration = Duration::from_secs(10);

impl Shared {
    fn enqueue(&self, event: Event, arguments: Option<Raw>, done: Option<oneshot::Sender<queue::Written>>) {
        let record = Record { at: Timestamp::now(), event };
        if !self.queue.push(queue::Item { record, arguments, done }) {
            self.counters.lost.increment();
        }
    }

    /// Has the refusals recorded that have no records of their own.
    fn summarize(&self) {
        self.summaries().for_each(|event| self.enqueue(event, None, None));
    }

    /// One event for those refusals of each caller.
    fn summaries(&self) -> impl Iterator<Item = Event> {
        let counted = self.refusals.take().into_iter();
        counted.map(|(caller, count, refused_by)| Event::Refusals(Refusals { caller, count, refused_by }))
    }
}

impl Counters {
    fn of(metrics: &Metrics) -> Self {
        Self {
            records: metrics.counter("anyport_audit_records", "Records of the audit log that were written"),
            blocks: metrics.counter("anyport_audit_blocks", "Blocks of the audit log that were written"),
            failed: metrics.counter(
                "anyport_audit_failed_writes",
                "Writes of the audit log that failed and are repeated",
            ),
            file_failed: metrics.counter(
                "anyport_audit_file_failures",
                "Blocks of the audit log that could not be appended to its file",
            ),
            lost: metrics.refusals("audit_queue"),
            waited: metrics.refusals("audit_wait"),
            omitted: metrics.refusals("audit_arguments"),
            summarized: metrics.refusals("refusals_per_second"),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("mode", &self.mode()).finish_non_exhaustive()
    }
}

/// Whose refusals are counted together.
fn counted_as(caller: &Caller) -> Caller {
    // Those without a credential are told apart by their addresses, and by nothing that they say themselves.
    let is_known = caller.principal != "anonymous" && !caller.principal.is_empty();
    let address = caller.address.filter(|_| !is_known);
    Caller { address, client: None, client_version: None, ..caller.clone() }
}
