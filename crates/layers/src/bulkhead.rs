use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::{Method, failure::Failure, limits};
use anyport_service::{Context, Relay, Reply, Request, Service, emit};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tower_layer::Layer;

limits! {
    /// The limits of a [`Bulkhead`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BulkheadLimits {
        /// The number of calls of one upstream server that run at once (`max_concurrent_calls` of the server).
        #[default("half of `max_concurrent_calls`" = None)]
        #[limit(
            Count "max_calls_per_upstream", note = "half of `max_concurrent_calls`",
            beyond = "further calls to the server wait"
        )]
        #[set(into)]
        pub max_calls: Option<usize>,
        /// The number of calls of one tool of an upstream server that run at once (`max_concurrent_calls` of the tool).
        #[default(None)]
        #[limit(
            Count "max_calls_per_tool", note = "as many as its server has; 10 suits tools that call something slow",
            beyond = "further calls of the tool wait, as those of a server do; -32603 `overloaded`, 503"
        )]
        #[set(into)]
        pub max_calls_per_tool: Option<usize>,
        /// The number of further calls that wait (`max_queued_calls` of the server).
        #[default(128)]
        #[limit(Count "max_queued_per_upstream", beyond = "-32603 `overloaded`, 503")]
        pub max_queued: usize,
        /// The time that such a call waits.
        #[default(5 s)]
        #[limit(Seconds "queue_timeout", beyond = "-32603 `overloaded`, 503")]
        pub queue_timeout: Duration,
    }
}

/// Limits the calls that one upstream server has at once, with a bounded queue: makes a [`Bulkhead`]. Services of one layer, or of its
/// clones, share its places.
#[derive(Clone, Debug)]
pub struct BulkheadLayer {
    limits: Limits,
    refused: Refused,
    /// Made with the first service.
    places: Arc<OnceLock<Arc<Queue>>>,
}

impl BulkheadLayer {
    /// At most `calls` calls at once (`max_concurrent_calls`) go to the server called `upstream`. Refusals are counted in
    /// `metrics`, as `max_calls_per_upstream`, `max_queued_per_upstream` and `queue_timeout`.
    pub fn new(upstream: impl Into<Arc<str>>, calls: usize, metrics: &Metrics) -> Self {
        let refused = Refused {
            calls: metrics.refusals("max_calls_per_upstream"),
            queued: metrics.refusals("max_queued_per_upstream"),
            late: metrics.refusals("queue_timeout"),
        };
        let calls = calls.clamp(1, Semaphore::MAX_PERMITS);
        let limits = Limits { upstream: upstream.into(), tool: None, calls, queued: 0, wait: Duration::ZERO };
        Self { limits, refused, places: Arc::default() }
    }

    /// Limits the calls of the tool that `upstream` calls `tool`, in place of those of the whole server. Refusals are counted in `metrics`
    /// as `max_calls_per_tool`.
    pub fn of_tool(
        upstream: impl Into<Arc<str>>,
        tool: impl Into<Arc<str>>,
        calls: usize,
        metrics: &Metrics,
    ) -> Self {
        let all = || metrics.refusals("max_calls_per_tool");
        let refused = Refused { calls: all(), queued: all(), late: all() };
        let layer = Self::new(upstream, calls, metrics);
        Self { limits: Limits { tool: Some(tool.into()), ..layer.limits }, refused, places: Arc::default() }
    }

    /// Lets `calls` further calls wait (`max_queued_calls`), each for at most `wait` (`queue_timeout`).
    #[must_use]
    pub fn queue(mut self, calls: usize, wait: Duration) -> Self {
        (self.limits.queued, self.limits.wait) = (calls, wait);
        Self { places: Arc::default(), ..self }
    }

    /// The bulkhead before `inner`: for crates that know no layers.
    pub fn before<S>(&self, inner: S) -> Bulkhead<S> {
        let queue = self.places.get_or_init(|| {
            let (limits, refused) = (self.limits.clone(), self.refused.clone());
            let calls = Arc::new(Semaphore::new(limits.calls));
            Arc::new(Queue { limits, refused, calls, waiting: AtomicUsize::new(0) })
        });
        Bulkhead { inner: Arc::new(inner), queue: queue.clone() }
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = Bulkhead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.before(inner)
    }
}

/// Lets so many calls at once go to an upstream server, lets a few more wait, and refuses the rest with
/// [`Failure::Overloaded`]. A server that hangs then takes its own places, and none of other servers'.
///
/// Only calls that run handlers count: tools, prompts, resources, completions and methods of extensions. Descriptions and lists
/// are read although all places are taken, so that a busy server does not look like a dead one.
#[derive(Debug)]
pub struct Bulkhead<S> {
    inner: Arc<S>,
    queue: Arc<Queue>,
}

#[derive(Clone, Debug)]
struct Limits {
    upstream: Arc<str>,
    /// The tool, if the calls are those of one.
    tool: Option<Arc<str>>,
    calls: usize,
    queued: usize,
    wait: Duration,
}

/// Counts the refusals, by the limit.
#[derive(Clone, Debug)]
struct Refused {
    /// Without a queue.
    calls: Counter,
    queued: Counter,
    late: Counter,
}

/// The places of the calls, and those that wait for one.
#[derive(Debug)]
struct Queue {
    limits: Limits,
    refused: Refused,
    calls: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl<S: Service> Service for Bulkhead<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        if !runs_a_handler(&request) {
            return self.inner.call(request, context);
        }
        // The semaphore is fair: a place that becomes free goes to the call that has waited for longest.
        if let Ok(permit) = self.queue.calls.clone().try_acquire_owned() {
            return self.inner.call(request, context).relay(Permit { _permit: permit });
        }
        let (queue, inner) = (self.queue.clone(), self.inner.clone());
        match Queue::enter(&queue) {
            Ok(waiting) => emit::reply(|emitter| async move {
                match waiting.permit().await {
                    Ok(_permit) => emitter.relay(inner.call(request, context)).await,
                    Err(failure) => failure.into(),
                }
            }),
            Err(failure) => Reply::failed(failure),
        }
    }
}

/// Whether a request counts.
fn runs_a_handler(request: &Request) -> bool {
    request.known().is_none_or(|method| method.may_ask() || method == Method::Complete)
}

impl Queue {
    /// Takes a place in the queue.
    ///
    /// # Errors
    /// [`Failure::Overloaded`] if it is full.
    fn enter(queue: &Arc<Self>) -> Result<Waiting, Failure> {
        let Limits { calls, queued, .. } = queue.limits;
        if queue.waiting.fetch_add(1, Ordering::AcqRel) < queued {
            return Ok(Waiting(queue.clone()));
        }
        queue.waiting.fetch_sub(1, Ordering::AcqRel);
        if queued == 0 {
            queue.refused.calls.increment();
            let how = format!("{calls} calls are running (max_concurrent_calls)");
            return Err(queue.overloaded("max_calls_per_upstream", &how));
        }
        queue.refused.queued.increment();
        let how = format!(
            "{calls} calls are running (max_concurrent_calls) and {queued} are waiting (max_queued_calls)"
        );
        Err(queue.overloaded("max_queued_per_upstream", &how))
    }

    fn overloaded(&self, limit: &'static str, how: &str) -> Failure {
        let Limits { upstream, tool, .. } = &self.limits;
        let (limit, who) = match tool {
            Some(tool) => ("max_calls_per_tool", format!("the tool {tool} of {upstream}")),
            None => (limit, upstream.to_string()),
        };
        Failure::Overloaded { limit, why: format!("{who} is busy: {how}; try again later") }
            .of_upstream(upstream.clone())
    }
}

/// A call that waits for a place, counted until it is dropped.
struct Waiting(Arc<Queue>);

impl Waiting {
    /// Waits for a place.
    async fn permit(self) -> Result<OwnedSemaphorePermit, Failure> {
        let queue = &self.0;
        let Limits { calls, wait, .. } = queue.limits;
        match timeout(wait, queue.calls.clone().acquire_owned()).await {
            Ok(permit) => permit.map_err(|_| Failure::ShuttingDown),
            Err(_) => {
                queue.refused.late.increment();
                let seconds = wait.as_secs_f64();
                let how = format!(
                    "{calls} calls are running (max_concurrent_calls), and none ended in {seconds} s (queue_timeout)"
                );
                Err(queue.overloaded("queue_timeout", &how))
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The place of a call, until the call is over.
struct Permit {
    _permit: OwnedSemaphorePermit,
}

impl Relay for Permit {}
