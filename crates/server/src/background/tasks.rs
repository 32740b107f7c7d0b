//! Work that goes on after the call that began it.

use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_layers::panicked;
use anyport_metrics::{Counter, Gauge, Metrics};
use tokio::{runtime::Handle, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

/// Background futures that run at a time, unless [`crate::Builder::max_background`] says otherwise.
pub const DEFAULT_MAX_BACKGROUND: usize = 1_024;

/// The background work of a server.
pub(crate) struct BackgroundTasks {
    permits: Arc<Semaphore>,
    limit: usize,
    tasks: TaskTracker,
    /// Ends what still runs when the server has stopped.
    cut: CancellationToken,
    running: Gauge,
    refused: Counter,
}

/// Why a future was not started. It did not run, and is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackgroundError {
    /// As many run as may.
    #[error("{0} background futures are running (max_background); try again later")]
    Overloaded(usize),
    /// The server has stopped.
    #[error("the server has stopped")]
    Stopped,
    /// There is no tokio runtime on this thread.
    #[error("there is no tokio runtime here to run it")]
    NoRuntime,
}

impl BackgroundTasks {
    pub(crate) fn new(limit: usize, metrics: &Metrics) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(limit)),
            limit,
            tasks: TaskTracker::new(),
            cut: CancellationToken::new(),
            running: metrics.gauge("anyport_background_running", "Background futures that run"),
            refused: metrics.refusals("max_background"),
        }
    }

    /// Runs `work` by itself.
    pub(super) fn spawn<F>(&self, work: F) -> Result<(), BackgroundError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.cut.is_cancelled() {
            return Err(BackgroundError::Stopped);
        }
        let runtime = Handle::try_current().map_err(|_| BackgroundError::NoRuntime)?;
        let Ok(permit) = self.permits.clone().try_acquire_owned() else {
            self.refused.increment();
            return Err(BackgroundError::Overloaded(self.limit));
        };
        let held = (permit, self.running.hold());
        let work = Work(Some(Box::pin(work)));
        let work = self.cut.clone().run_until_cancelled_owned(work);
        let work = async move {
            work.await;
            drop(held);
        };
        self.tasks.spawn_on(work.in_current_span(), &runtime);
        Ok(())
    }

    /// Waits until nothing runs.
    pub(crate) async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Drops what still runs, and lets nothing new begin.
    pub(crate) async fn cut(&self) {
        self.cut.cancel();
        // A task is dropped when it next yields; one that never does must not hold up the rest.
        if timeout(CUT, self.idle()).await.is_err() {
            tracing::error!(running = self.tasks.len(), "background work does not yield to be dropped");
        }
    }
}

/// How long a task may take to notice that it is dropped.
const CUT: Duration = Duration::from_secs(1);

thread_local! {
    static POLLING: Cell<Polling> = const { Cell::new(Polling::Other) };
}

/// The background work that this thread polls.
#[derive(Clone, Copy, PartialEq)]
enum Polling {
    /// No background work.
    Other,
    BackgroundTasks,
    /// Background work that sent a server request, and so will never end.
    Stuck,
}

/// Whether this thread polls background work.
pub(crate) fn is_polling() -> bool {
    POLLING.get() != Polling::Other
}

/// Marks the background work that this thread polls as stuck: it sent a server request, and so will never end. Returns
/// whether there is any.
pub(crate) fn mark_stuck() -> bool {
    let polling = is_polling();
    if polling {
        POLLING.set(Polling::Stuck);
    }
    polling
}

/// Background work, which must neither panic nor ask.
struct Work<F>(Option<Pin<Box<F>>>);

impl<F: Future<Output = ()>> Future for Work<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let Some(mut work) = self.0.take() else { return Poll::Ready(()) };
        let outer = POLLING.replace(Polling::BackgroundTasks);
        // State that a panic may have left half changed belongs to the handler.
        let polled = catch_unwind(AssertUnwindSafe(|| (work.as_mut().poll(task), work)));
        let polling = POLLING.replace(outer);
        match polled {
            Ok((Poll::Pending, work)) if polling != Polling::Stuck => {
                self.0 = Some(work);
                Poll::Pending
            }
            Ok(_) => Poll::Ready(()),
            Err(panic) => {
                // It goes to the log; there is no caller to receive it.
                let _ = panicked("background", &*panic);
                Poll::Ready(())
            }
        }
    }
}
