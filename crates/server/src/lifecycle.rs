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
use anyport_metrics::{Counter, Metrics};
use tokio::{spawn, sync::Mutex, time::timeout};

use crate::{
    Server,
    background::{BackgroundTasks, DEFAULT_MAX_BACKGROUND},
    blocking::{DEFAULT_MAX_BLOCKING, DEFAULT_MAX_BLOCKING_WAITING, Pool},
    subcall::DEFAULT_MAX_CALL_DEPTH,
};

/// How long [`Server::stop`] waits for background work, unless [`crate::Builder::drain`] says otherwise.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(10);

/// What a builder was told of the life of its server.
pub(crate) struct LifecyclePlan {
    pub(crate) start: Vec<Hook>,
    pub(crate) stop: Vec<Hook>,
    pub(crate) drain: Duration,
    pub(crate) max_blocking: usize,
    pub(crate) max_blocking_waiting: usize,
    pub(crate) max_background: usize,
    pub(crate) max_call_depth: usize,
    pub(crate) default_timeout: Option<Duration>,
    pub(crate) middleware: Vec<Function>,
    pub(crate) metrics: Metrics,
}

/// What runs once when the server starts or stops.
pub(crate) type Hook =
    Arc<dyn Fn(Server) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What a server has beside what it offers.
pub(crate) struct Lifecycle {
    start: Vec<Hook>,
    stop: Vec<Hook>,
    drain: Duration,
    stage: Mutex<Stage>,
    /// Whether it has started and not stopped.
    running: AtomicBool,
    /// Whether someone started it who is no server in which it is mounted, and who therefore stops it.
    held: AtomicBool,
    /// Starts that failed.
    failures: AtomicU64,
    pub(crate) blocking: Pool,
    pub(crate) background: BackgroundTasks,
    pub(crate) max_call_depth: usize,
    pub(crate) default_timeout: Option<Duration>,
    /// Outermost first.
    pub(crate) middleware: Vec<Function>,
    pub(crate) metrics: Metrics,
    pub(crate) refused: RefusalCounters,
}

/// What limits refused that have no place of their own to count it.
pub(crate) struct RefusalCounters {
    pub(crate) tool_timeout: Counter,
    pub(crate) max_call_depth: Counter,
    pub(crate) max_listeners: Counter,
    pub(crate) max_subscriptions: Counter,
    pub(crate) max_subscription_bytes: Counter,
    pub(crate) state_bytes: Counter,
    pub(crate) max_replays: Counter,
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A hook failed. The next start goes on with this one.
    #[error("the server did not start: {reason}")]
    Hook {
        /// What it says.
        reason: String,
    },
    /// The server was stopped, which is final.
    #[error("the server was stopped, and does not start again; build another")]
    Stopped,
}

impl Server {
    /// Runs what [`crate::Builder::on_start`] gave, in that order; once, however many clones of the server and callers of
    /// this there are. All wait for the one start, and are told how it ended. A start that failed can be tried again: it
    /// goes on with the hook that failed.
    ///
    /// Transports know nothing of it: whoever serves calls this before, and [`Server::stop`] after. Calls do not start the
    /// server: in one that was never started they work, and the hooks have not run.
    ///
    /// What is mounted starts first. However many servers it is mounted in, it starts once, and stops when the last of them
    /// has stopped; if someone also started it by itself, when they stop it.
    ///
    /// The start goes on when this future is dropped.
    ///
    /// # Errors
    /// When a hook fails or panics, or the server was stopped; and in a hook of the server's own, which would wait for
    /// itself.
    pub async fn start(&self) -> Result<(), StartError> {
        if self.is_in_hook() {
            let reason = "a hook of the server starts it, and would wait for itself".to_owned();
            return Err(StartError::Hook { reason });
        }
        self.lifecycle().held.store(true, Ordering::Release);
        self.begin().await
    }

    /// Starts, for whomever. Boxed, since servers start what is mounted in them.
    fn begin(&self) -> Pin<Box<dyn Future<Output = Result<(), StartError>> + Send>> {
        let (server, seen) = (self.clone(), self.lifecycle().failures.load(Ordering::Acquire));
        Box::pin(async move {
            let started = spawn(async move { server.lifecycle().start(&server, seen).await }).await;
            started.unwrap_or_else(|error| Err(StartError::Hook { reason: error.to_string() }))
        })
    }

    /// Ends the mounted servers that nobody else needs, the last first.
    fn leave(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let core = self.core().clone();
        Box::pin(async move {
            for mounted in core.mounts.iter().rev() {
                let lifecycle = mounted.server.lifecycle();
                let is_needed = mounted.core().hosts().iter().any(|host| host.lifecycle.is_running());
                if lifecycle.is_running() && !is_needed && !lifecycle.held.load(Ordering::Acquire) {
                    mounted.server.stop().await;
                }
            }
        })
    }

    /// Ends the server for good: ends all listen streams ([`Server::close`]), waits for background work and blocking
    /// functions as long as [`crate::Builder::drain`] says, drops background work that still runs, and then runs what
    /// [`crate::Builder::on_stop`] gave, in reverse order. These run once, and only if the server was started, or at least
    /// one hook of a start was called.
    ///
    /// Call it when the transports have drained: it does not end calls. The end goes on when this future is dropped; who
    /// calls it again waits for the same end. A hook of the server's own would wait for itself, so there it does nothing
    /// but say so in the log.
    pub async fn stop(&self) {
        if self.is_in_hook() {
            return tracing::error!(
                "a hook of the server stops it, and would wait for itself: it is not stopped"
            );
        }
        let server = self.clone();
        if let Err(error) = spawn(async move { server.lifecycle().stop(&server).await }).await {
            tracing::error!(%error, "the server did not stop");
        }
    }

    /// Whether this is asked by one of its own hooks.
    fn is_in_hook(&self) -> bool {
        HOOK_OF.try_with(|life| *life == self.lifecycle().address()).unwrap_or(false)
    }

    /// What is counted: what the server's limits refused, and how much runs. The numbers given to
    /// [`crate::Builder::metrics`], else the server's own.
    pub fn metrics(&self) -> &Metrics {
        &self.lifecycle().metrics
    }
}

impl Lifecycle {
    pub(crate) fn new(plan: LifecyclePlan) -> Self {
        let LifecyclePlan {
            start, stop, drain, max_call_depth, default_timeout, middleware, metrics, ..
        } = plan;
        Self {
            start,
            stop,
            drain,
            stage: Mutex::default(),
            running: AtomicBool::new(false),
            held: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            blocking: Pool::new(plan.max_blocking, plan.max_blocking_waiting, &metrics),
            background: BackgroundTasks::new(plan.max_background, &metrics),
            max_call_depth,
            default_timeout,
            middleware,
            refused: RefusalCounters {
                tool_timeout: metrics.refusals("tool_timeout"),
                max_call_depth: metrics.refusals("max_call_depth"),
                max_listeners: metrics.refusals("max_listeners"),
                max_subscriptions: metrics.refusals("max_subscriptions"),
                max_subscription_bytes: metrics.refusals("max_subscription_bytes"),
                state_bytes: metrics.refusals("state_bytes"),
                max_replays: metrics.refusals("max_replays"),
            },
            metrics,
        }
    }

    /// Starts `server`, for a caller that came when `seen` starts had failed.
    async fn start(&self, server: &Server, seen: u64) -> Result<(), StartError> {
        let mut stage = self.stage.lock().await;
        if stage.stopped {
            return Err(StartError::Stopped);
        }
        if stage.started {
            return Ok(());
        }
        // One failed while this caller waited for it: that is its answer too.
        if let Some(failure) = stage.failure.clone().filter(|_| self.failures.load(Ordering::Acquire) > seen)
        {
            return Err(failure);
        }
        // What is mounted is there before those who use it.
        for mounted in &server.core().mounts {
            if let Err(error) = mounted.server.begin().await {
                let reason = format!("the mounted server {:?}: {error}", mounted.core().about.name);
                let failure = StartError::Hook { reason };
                stage.failure = Some(failure.clone());
                self.failures.fetch_add(1, Ordering::Release);
                return Err(failure);
            }
        }
        for hook in &self.start[stage.begun..] {
            stage.touched = true;
            if let Err(reason) = run(hook, server).await {
                let failure = StartError::Hook { reason };
                stage.failure = Some(failure.clone());
                self.failures.fetch_add(1, Ordering::Release);
                return Err(failure);
            }
            stage.begun += 1;
        }
        stage.started = true;
        self.running.store(true, Ordering::Release);
        Ok(())
    }

    async fn stop(&self, server: &Server) {
        server.close();
        let mut stage = self.stage.lock().await;
        if stage.stopped {
            return;
        }
        let idle = async {
            self.background.idle().await;
            self.blocking.idle().await;
        };
        if timeout(self.drain, idle).await.is_err() {
            let drain = self.drain;
            tracing::warn!(?drain, "work goes on for longer than the server waits for it (drain)");
        }
        self.background.cut().await;
        if stage.started || stage.touched {
            for hook in self.stop.iter().rev() {
                if let Err(reason) = run(hook, server).await {
                    tracing::error!(reason, "a hook of the server's end failed; the others run");
                }
            }
        }
        stage.stopped = true;
        self.running.store(false, Ordering::Release);
        server.leave().await;
    }

    /// Tells it from others while it lives.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }
}

tokio::task_local! {
    /// Whose hook this task runs.
    static HOOK_OF: usize;
}

/// Runs a hook in a task, so that a panic in it is an error like others.
async fn run(hook: &Hook, server: &Server) -> Result<(), String> {
    let (hook, server) = (hook.clone(), server.clone());
    let hook = HOOK_OF.scope(server.lifecycle().address(), async move { hook(server).await });
    spawn(hook).await.unwrap_or_else(|error| Err(error.to_string()))
}

impl LifecyclePlan {
    pub(crate) fn on_start<F, R, E>(&mut self, hook: F)
    where
        F: Fn(Server) -> R + Send + Sync + 'static,
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
        F: Fn(Server) -> R + Send + Sync + 'static,
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

impl Default for LifecyclePlan {
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

impl fmt::Debug for LifecyclePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifecyclePlan")
            .field("on_start", &self.start.len())
            .field("on_stop", &self.stop.len())
            .field("middleware", &self.middleware.len())
            .finish_non_exhaustive()
    }
}
