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

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

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
use crate::{Caller, Outcome, OutcomeKind, Redaction, line::Line, places::Places};

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

    /// Has a request recorded that was refused before it was read, such as for want of a credential: by its method and path, and the
    /// status of the answer.
    pub fn record_refused_request(&self, method: &str, path: &str, status: u16, address: Option<IpAddr>) {
        let outcome = Outcome { code: Some(status.into()), ..Outcome::of(OutcomeKind::Refused) };
        let redaction = self.redaction();
        self.record_refusal(&Caller { address, ..Caller::default() }, None, || Line {
            address,
            name: Some(redaction.text(path)),
            outcome: Some(&outcome),
            ..Line::new("call", self.next_call(), redaction.text(method))
        });
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

    /// What records do not show.
    pub(crate) fn redaction(&self) -> &Redaction {
        &self.0.shared.options.redaction
    }

    /// What is kept of the arguments of a call until they are recorded. The error is the size of those that are too large.
    pub(crate) fn kept(&self, arguments: Raw) -> Result<Option<Raw>, usize> {
        let Options { redaction, limits, .. } = &self.0.shared.options;
        let bytes = arguments.as_str().len();
        if !redaction.records_arguments() {
            return Ok(None);
        }
        if bytes > limits.arguments {
            self.0.shared.counters.omitted.increment();
            return Err(bytes);
        }
        Ok(Some(arguments))
    }

    /// Has a record written, behind whatever is under way.
    pub(crate) fn record(&self, line: &Line<'_>) {
        self.0.shared.enqueue(line, None);
    }

    /// Has the record of a refusal written, if its caller was not refused too often in this second.
    pub(crate) fn record_refusal<'a>(
        &self,
        caller: &Caller,
        refused_by: Option<&str>,
        line: impl FnOnce() -> Line<'a>,
    ) {
        let shared = &self.0.shared;
        match shared.refusals.admit(caller, refused_by) {
            true => self.record(&line()),
            false => shared.counters.summarized.increment(),
        }
    }

    /// Has a record written. Completes once it is durable, or cannot be, or not in time: then it is written later, as far as there is room.
    pub(crate) fn durable(
        &self,
        line: &Line<'_>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send + use<> {
        let (done, written) = oneshot::channel();
        self.0.shared.enqueue(line, Some(done));
        let shared = self.0.shared.clone();
        async move {
            match timeout(shared.options.limits.wait, written).await {
                Ok(written) => written.unwrap_or(Err(Unavailable)),
                Err(_) => {
                    shared.counters.waited.increment();
                    Err(Unavailable)
                }
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
