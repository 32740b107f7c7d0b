//! The running log of a process.
//!
//! - `queue`: records that wait. `writer`: the one task that writes them, in blocks. `refusals`: refusals of one caller that are too many.
//! - `opening`: the heads that a new chain names. `file`: the same records in a file.
//! - `options`: how a log is written. `shared`: what the log and its writer have in common.

mod file;
mod opening;
mod options;
mod queue;
mod refusals;
mod shared;
mod writer;

use std::{fmt, sync::Arc, time::Duration};

use anyport_protocol::Raw;
use anyport_seal::Key;
use anyport_service::sync::Lock;
use anyport_store::Store;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

pub use self::{
    options::{Mode, Options},
    queue::Unavailable,
};
use self::{shared::Shared, writer::Writer};
use crate::{Event, places::Places};

/// The audit log of this process: one chain. Clones are the same log.
///
/// When the last one is dropped, what waits is written, and the chain ends.
#[derive(Clone)]
pub struct AuditLog(Arc<Handle>);

struct Handle {
    mode: Mode,
    shared: Arc<Shared>,
    writer: Lock<Option<JoinHandle<()>>>,
    opened: watch::Receiver<Option<Result<(), String>>>,
}

/// The largest arguments in bytes, whatever the configuration says: a block must fit into a value of the store.
const MOST_ARGUMENTS: usize = 64 << 10;

impl AuditLog {
    /// Begins the chain of this process in `store`, under a key that is derived from `key`. The store must have been opened with
    /// [`AUDIT`](crate::AUDIT). Must be called inside a tokio runtime.
    pub fn start(store: Arc<dyn Store>, key: &Key, mode: Mode, mut options: Options) -> Self {
        options.limits.arguments = options.limits.arguments.min(MOST_ARGUMENTS);
        let shared = Arc::new(Shared::new(options));
        let (open, opened) = watch::channel(None);
        let writer = Writer::new(shared.clone(), Places::new(store, key));
        let writer = Lock::new(Some(tokio::spawn(writer.run(open))));
        Self(Arc::new(Handle { mode, shared, writer, opened }))
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
        self.0.mode
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
        self.0.shared.next_call()
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
