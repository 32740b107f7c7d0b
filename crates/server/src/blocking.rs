//! Functions that block a thread, on a bounded pool.

use std::{
    cell::RefCell,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyport_layers::panicked;
use anyport_metrics::{Counter, Gauge, Metrics};
use anyport_protocol::{Error, jsonrpc::Reason};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::{Context, ToolResult, ask::HandlerFuture};

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

/// Why [`Context::block_on`] has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockOnError {
    /// The call is over: it was cancelled or timed out, or a question ended it for now, and the function runs again when
    /// the answer is there. Return; nobody sees the result.
    #[error("the call is over")]
    Ended,
    /// It was not called by a function given to [`crate::Tool::run_blocking`], on the thread that this was given.
    #[error(
        "block_on works only on the thread of a function given to run_blocking; elsewhere, await the future"
    )]
    Elsewhere,
}

thread_local! {
    /// The blocking function of ours that this thread runs.
    static BLOCKING: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// The place that a blocking function holds in its pool.
#[derive(Clone)]
struct Place {
    pool: Arc<Semaphore>,
    /// While the function waits for others that it calls, one of these at a time may run in its place: if they waited for
    /// a place of their own, those who hold all of them could wait for each other.
    lent: Arc<Semaphore>,
}

impl Context {
    /// Waits for `future` in a function given to [`crate::Tool::run_blocking`], so that this can tell progress, ask, and do
    /// what else is asynchronous:
    ///
    /// ```
    /// # use anyport_server::{BlockOnError, Context, NoArguments, Tool};
    /// let tool = Tool::new("count").run_blocking(|_: NoArguments, context: Context| {
    ///     for done in 1..=3 {
    ///         // ... one third of the work ...
    ///         context.block_on(context.progress(f64::from(done), 3.0, None))?;
    ///     }
    ///     Ok::<_, BlockOnError>("done")
    /// });
    /// # let _ = tool;
    /// ```
    ///
    /// A blocking function cannot be dropped like an asynchronous one. So when its call is over, this returns
    /// [`BlockOnError::Ended`], and the function should return too: after a cancellation, after its timeout, and when it
    /// asked a question that is not answered yet. Then it runs again from its top, as every handler that asks.
    ///
    /// # Errors
    /// See [`BlockOnError`].
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output, BlockOnError> {
        if BLOCKING.with_borrow(Option::is_none) {
            return Err(BlockOnError::Elsewhere);
        }
        let runtime = Handle::try_current().map_err(|_| BlockOnError::Elsewhere)?;
        let ended = self.ended();
        if ended.is_cancelled() {
            return Err(BlockOnError::Ended);
        }
        runtime.block_on(ended.run_until_cancelled(future)).ok_or(BlockOnError::Ended)
    }
}

/// Runs `work` on the pool of the context's server. Dropping it before a thread is free is the end of it; after that the
/// thread goes on to the end of `work`, and holds its place.
pub(crate) fn run(
    context: Context,
    work: impl FnOnce(Context) -> ToolResult + Send + 'static,
) -> HandlerFuture<ToolResult> {
    Box::pin(async move {
        let server = context.inner().clone();
        let pool = &server.lifecycle.blocking;
        let permit = match pool.permit().await {
            Ok(permit) => permit,
            Err(error) => return ToolResult::failure(error),
        };
        let (running, span) = (pool.running.hold(), tracing::Span::current());
        let place = Place { pool: pool.permits.clone(), lent: Arc::new(Semaphore::new(1)) };
        let work = pool.tasks.spawn_blocking(move || {
            let _held = (permit, running);
            let _span = span.enter();
            let _thread = Blocking::begin(place);
            work(context)
        });
        AbortOnDropHandle::new(work).await.unwrap_or_else(|error| {
            ToolResult::failure(match error.try_into_panic() {
                Ok(panic) => panicked("tools/call", &*panic),
                // The runtime is shutting down.
                Err(_) => Error::internal("the call was cut short").with_reason(Reason::ShuttingDown),
            })
        })
    })
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

    /// Waits until nothing runs.
    pub(crate) async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// A place for one function.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
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

/// Marks the thread. Threads of the runtime serve others afterwards.
struct Blocking;

impl Blocking {
    fn begin(place: Place) -> Self {
        BLOCKING.set(Some(place));
        Self
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        BLOCKING.set(None);
    }
}
