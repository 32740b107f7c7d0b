use std::sync::Arc;

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::failure::Failure;
use anyport_service::{Context, Outcome, Relay, Reply, Request, Service};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_layer::Layer;

/// Limits how many calls run at once: makes a [`ConcurrencyLimit`].
#[derive(Clone, Debug)]
pub struct ConcurrencyLimitLayer {
    limit: usize,
    refused: Counter,
}

impl ConcurrencyLimitLayer {
    /// At most `limit` calls at once (`max_concurrent_calls`). Refusals are counted in `metrics`.
    pub fn new(limit: usize, metrics: &Metrics) -> Self {
        Self { limit, refused: metrics.refusals("max_concurrent_calls") }
    }
}

impl<S> Layer<S> for ConcurrencyLimitLayer {
    type Service = ConcurrencyLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ConcurrencyLimit { refused: self.refused.clone(), ..ConcurrencyLimit::new(inner, self.limit) }
    }
}

/// Lets so many calls run at once and refuses the rest with [`Failure::Overloaded`].
///
/// Refusing beats queueing here: the caller learns at once that it should come back, and what is accepted stays
/// fast. Listen streams are no calls in this sense and are not counted.
#[derive(Debug)]
pub struct ConcurrencyLimit<S> {
    inner: S,
    limit: usize,
    running: Arc<Semaphore>,
    refused: Counter,
}

impl<S> ConcurrencyLimit<S> {
    /// At most `limit` calls at once (`max_concurrent_calls`).
    pub fn new(inner: S, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self { inner, limit, running: Arc::new(Semaphore::new(limit)), refused: Counter::default() }
    }

    /// The number of calls that run now.
    pub fn running(&self) -> usize {
        self.limit - self.running.available_permits()
    }
}

impl<S: Service> Service for ConcurrencyLimit<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        if request.is_listen() {
            return self.inner.call(request, context);
        }
        let Ok(permit) = self.running.clone().try_acquire_owned() else {
            self.refused.increment();
            let why = format!("{} calls are running (max_concurrent_calls); try again later", self.limit);
            return Reply::failed(Failure::Overloaded { limit: "max_concurrent_calls", why });
        };
        self.inner.call(request, context).relay(Permitted { _permit: permit })
    }
}

/// Holds the permit of a call until the call is over.
struct Permitted {
    _permit: OwnedSemaphorePermit,
}

impl Relay for Permitted {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        outcome
    }
}
