//! The life of a server: what runs when it starts and stops, and what bounds the calls between.

use std::{
    fmt::{self, Display},
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_layers::Function;
use anyport_metrics::Metrics;
use tokio::{spawn, sync::Mutex, time::timeout};

use crate::{
    background::{BackgroundTasks, DEFAULT_MAX_BACKGROUND},
    blocking::{DEFAULT_MAX_BLOCKING, DEFAULT_MAX_BLOCKING_WAITING, Pool},
    call_env::DEFAULT_MAX_CALL_DEPTH,
    write::Identity,
};

/// How long [`crate::Server::stop`] waits for background work, unless [`crate::Builder::drain`] says otherwise.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(10);

/// The settings of a builder for the server's lifecycle and the limits of its calls.
pub(crate) struct LifecyclePlan<S> {
    pub(crate) start: Vec<Hook<S>>,
    pub(crate) stop: Vec<Hook<S>>,
    pub(crate) drain: Duration,
    pub(crate) max_blocking: usize,
    pub(crate) max_blocking_waiting: usize,
    pub(crate) max_background: usize,
    pub(crate) max_call_depth: usize,
    pub(crate) default_timeout: Option<Duration>,
    pub(crate) middleware: Vec<Function<Identity>>,
    pub(crate) metrics: Metrics,
}

/// What runs once when the server starts or stops.
pub(crate) type Hook<S> =
    Arc<dyn Fn(S) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The stages of a server: what runs when it starts and stops, once each. `S` is what its hooks are given.
pub(crate) struct Lifecycle<S> {
    start: Vec<Hook<S>>,
    stop: Vec<Hook<S>>,
    drain: Duration,
    stage: Mutex<Stage>,
    /// Whether it has started and not stopped.
    running: AtomicBool,
    /// Whether something started it that is no server in which it is mounted, and that therefore stops it.
    held: AtomicBool,
    /// Starts that failed.
    failures: AtomicU64,
    /// Outermost first.
    pub(crate) middleware: Vec<Function<Identity>>,
    pub(crate) metrics: Metrics,
}

#[derive(Default)]
struct Stage {
    /// How many of the hooks have run. Those do not run again when a start that failed is tried again.
    begun: usize,
    /// Whether any hook was called, successful or not.
    touched: bool,
    started: bool,
    stopped: bool,
    failure: Option<StartError>,
}

/// Why a server did not start.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A hook failed. The next start goes on with this one.
    #[error("the server did not start: {reason}")]
    Hook {
        /// Its text.
        reason: String,
    },
    /// The server was stopped, which is final.
    #[error("the server was stopped, and does not start again; build another")]
    Stopped,
}

/// The same text as `Display`: people read it when `main` returns the error.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<S: Clone + Send + 'static> Lifecycle<S> {
    pub(crate) fn new(plan: LifecyclePlan<S>) -> Self {
        let LifecyclePlan { start, stop, drain, middleware, metrics, .. } = plan;
        Self {
            start,
            stop,
            drain,
            stage: Mutex::default(),
            running: AtomicBool::new(false),
            held: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            middleware,
            metrics,
        }
    }

    /// Starts `server`, for a caller that came when `seen` starts had failed. `mounted` starts what is mounted in it.
    pub(crate) async fn start(
        &self,
        server: &S,
        seen: u64,
        mounted: impl Future<Output = Result<(), String>>,
    ) -> Result<(), StartError> {
        let mut stage = self.stage.lock().await;
        if stage.stopped {
            return Err(StartError::Stopped);
        }
        if stage.started {
            return Ok(());
        }
        // One failed while this caller waited for it: that is its answer too.
        if let Some(failure) = stage.failure.clone().filter(|_| self.failures() > seen) {
            return Err(failure);
        }
        // What is mounted is there before those who use it.
        if let Err(reason) = mounted.await {
            return Err(self.fail(&mut stage, reason));
        }
        for hook in &self.start[stage.begun..] {
            stage.touched = true;
            if let Err(reason) = self.run(hook, server).await {
                return Err(self.fail(&mut stage, reason));
            }
            stage.begun += 1;
        }
        stage.started = true;
        self.running.store(true, Ordering::Release);
        Ok(())
    }

    fn fail(&self, stage: &mut Stage, reason: String) -> StartError {
        let failure = StartError::Hook { reason };
        stage.failure = Some(failure.clone());
        self.failures.fetch_add(1, Ordering::Release);
        failure
    }

    /// Stops `server`, which runs `background` work and functions in `blocking`. `leave` stops what is mounted in it.
    pub(crate) async fn stop(
        &self,
        server: &S,
        (background, blocking): (&BackgroundTasks, &Pool),
        leave: impl Future<Output = ()>,
    ) {
        let mut stage = self.stage.lock().await;
        if stage.stopped {
            return;
        }
        let idle = async {
            background.idle().await;
            blocking.idle().await;
        };
        if timeout(self.drain, idle).await.is_err() {
            let drain = self.drain;
            tracing::warn!(?drain, "work goes on for longer than the server waits for it (drain)");
        }
        background.cut().await;
        if stage.started || stage.touched {
            for hook in self.stop.iter().rev() {
                if let Err(reason) = self.run(hook, server).await {
                    tracing::error!(reason, "a hook of the server's end failed; the others run");
                }
            }
        }
        stage.stopped = true;
        self.running.store(false, Ordering::Release);
        leave.await;
    }

    /// Runs a hook in a task, so that a panic in it is an error like others.
    async fn run(&self, hook: &Hook<S>, server: &S) -> Result<(), String> {
        let (hook, server) = (hook.clone(), server.clone());
        let hook = HOOK_OF.scope(self.address(), async move { hook(server).await });
        spawn(hook).await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// How many starts have failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }

    /// Notes that it was started by itself, so that no server in which it is mounted stops it.
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::Release);
    }

    /// Whether it was started by itself.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Whether it has started and not stopped.
    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Whether one of its hooks runs in this task.
    pub(crate) fn is_in_hook(&self) -> bool {
        HOOK_OF.try_with(|lifecycle| *lifecycle == self.address()).unwrap_or(false)
    }

    /// Tells it from others while it lives.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

tokio::task_local! {
    /// The address of the lifecycle whose hook this task runs.
    static HOOK_OF: usize;
}

impl<S> LifecyclePlan<S> {
    pub(crate) fn on_start<F, R, E>(&mut self, hook: F)
    where
        F: Fn(S) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        self.start.push(Arc::new(move |server| {
            let run = hook(server);
            Box::pin(async move { run.await.map_err(|error| error.to_string()) })
        }));
    }

    pub(crate) fn on_stop<F, R>(&mut self, hook: F)
    where
        F: Fn(S) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.stop.push(Arc::new(move |server| {
            let run = hook(server);
            Box::pin(async move {
                run.await;
                Ok(())
            })
        }));
    }
}

impl<S> Default for LifecyclePlan<S> {
    fn default() -> Self {
        Self {
            start: Vec::new(),
            stop: Vec::new(),
            drain: DEFAULT_DRAIN,
            max_blocking: DEFAULT_MAX_BLOCKING,
            max_blocking_waiting: DEFAULT_MAX_BLOCKING_WAITING,
            max_background: DEFAULT_MAX_BACKGROUND,
            max_call_depth: DEFAULT_MAX_CALL_DEPTH,
            default_timeout: None,
            middleware: Vec::new(),
            metrics: Metrics::new(),
        }
    }
}

impl<S> fmt::Debug for LifecyclePlan<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifecyclePlan")
            .field("on_start", &self.start.len())
            .field("on_stop", &self.stop.len())
            .field("middleware", &self.middleware.len())
            .finish_non_exhaustive()
    }
}
