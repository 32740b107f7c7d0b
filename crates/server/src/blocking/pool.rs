//! The bounded pool of threads for functions that block.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyport_metrics::{Counter, Gauge, Metrics};
use anyport_protocol::{Error, jsonrpc::Reason};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;

/// Blocking functions that run at a time, unless [`crate::Builder::max_blocking`] says otherwise.
pub const DEFAULT_MAX_BLOCKING: usize = 64;
/// Calls that wait for a blocking function to end, unless [`crate::Builder::max_blocking_waiting`] says otherwise.
pub const DEFAULT_MAX_BLOCKING_WAITING: usize = 1_024;

/// Where blocking functions run, and how many.
pub(crate) struct Pool {
    permits: Arc<Semaphore>,
    /// Calls that wait for a permit.
    queue: AtomicUsize,
    max_waiting: usize,
    tasks: TaskTracker,
    running: Gauge,
    waiting: Gauge,
    refused: Counter,
}

thread_local! {
    /// The blocking function of ours that this thread runs.
    static BLOCKING: RefCell<Option<PoolSlot>> = const { RefCell::new(None) };
}

/// The place that a blocking function holds in its pool.
#[derive(Clone)]
struct PoolSlot {
    pool: Arc<Semaphore>,
    /// While the function waits for others that it calls, one of these at a time may run in its place: if they waited for
    /// a place of their own, those who hold all of them could wait for each other.
    lent: Arc<Semaphore>,
}

impl Pool {
    pub(crate) fn new(max: usize, max_waiting: usize, metrics: &Metrics) -> Self {
        Self {
            // With no place at all every call would wait for ever.
            permits: Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS))),
            queue: AtomicUsize::new(0),
            max_waiting,
            tasks: TaskTracker::new(),
            running: metrics.gauge("anyport_blocking_running", "Blocking functions that run"),
            waiting: metrics
                .gauge("anyport_blocking_waiting", "Calls that wait for a blocking function to end"),
            refused: metrics.refusals("max_blocking_waiting"),
        }
    }

    /// Runs `work` on a thread of the pool, which `permit` is for.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let running = self.running.hold();
        let slot = PoolSlot { pool: self.permits.clone(), lent: Arc::new(Semaphore::new(1)) };
        self.tasks.spawn_blocking(move || {
            let _held = (permit, running);
            let _thread = Blocking::begin(slot);
            work()
        })
    }

    /// Waits until nothing runs.
    pub(crate) async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// A place for one function.
    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let caller = BLOCKING.with_borrow(Clone::clone);
        let caller = caller.filter(|place| Arc::ptr_eq(&place.pool, &self.permits));
        let (permits, _waiting) = match caller {
            Some(place) => (place.lent, None),
            None => (self.permits.clone(), Some((self.wait()?, self.waiting.hold()))),
        };
        // Neither is ever closed.
        permits.acquire_owned().await.map_err(|closed| Error::internal(closed.to_string()))
    }

    fn wait(&self) -> Result<Waiting<'_>, Error> {
        if self.queue.fetch_add(1, Ordering::Relaxed) < self.max_waiting {
            return Ok(Waiting(&self.queue));
        }
        drop(Waiting(&self.queue));
        self.refused.increment();
        let message = format!(
            "all threads for blocking functions are taken, and {} calls wait (max_blocking_waiting); try again later",
            self.max_waiting
        );
        Err(Error::internal(message).with_reason(Reason::Overloaded))
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether this thread runs a function of a pool.
pub(super) fn is_blocking_thread() -> bool {
    BLOCKING.with_borrow(Option::is_some)
}

/// Marks the thread. Threads of the runtime serve others afterwards.
struct Blocking;

impl Blocking {
    fn begin(slot: PoolSlot) -> Self {
        BLOCKING.set(Some(slot));
        Self
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        BLOCKING.set(None);
    }
}
