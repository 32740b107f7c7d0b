//! Layers around MCP services.
//!
//! Each is a [`tower_layer::Layer`] that puts a [`Service`](anyport_service::Service) around a service: tracing, limits of
//! number, rate and time, a cache, panics, and any function. A stack of them is a `tower::ServiceBuilder`, read from the
//! outside in. A reply that is ready passes through every layer without a task, a timer or an allocation: each is a
//! [`Relay`](anyport_service::Relay).
//!
//! # Layout
//! - [`TraceLayer`]: a span and a log line per call.
//! - [`ConcurrencyLimitLayer`]: calls that run at once.
//! - [`LoadShedLayer`]: refuses new calls while the process is overloaded.
//! - [`BulkheadLayer`]: calls that one upstream server has at once, with a bounded queue.
//! - [`RateLimitLayer`]: how often a principal or an address calls (feature `rate`); [`RateLimiter`]: who counts.
//! - [`TimeoutLayer`]: how long a call may take.
//! - [`CacheLayer`]: results of tools that only read (feature `cache`).
//! - [`CatchPanicLayer`]: a handler that panics fails its call alone.
//! - [`MiddlewareLayer`]: a function around calls.
//! - [`optional`]: a layer that may be absent.

mod bulkhead;
#[cfg(feature = "cache")]
mod cache;
mod concurrency_limit;
mod load_shed;
mod middleware;
mod optional;
mod panic;
#[cfg(feature = "rate")]
mod rate;
mod timeout;
mod trace;

pub use bulkhead::{Bulkhead, BulkheadLayer, BulkheadLimits};
#[cfg(feature = "cache")]
pub use cache::{AnswerCache, Cache, CacheHandle, CacheLayer, CacheLimits, CacheRule};
pub use concurrency_limit::{ConcurrencyLimit, ConcurrencyLimitLayer, RunningCalls};
pub use load_shed::{LoadShed, LoadShedLayer, LoadShedLimits};
pub use middleware::{Call, Function, Middleware, MiddlewareLayer, Next};
pub use optional::{Either, OptionalLayer, optional};
pub use panic::{CatchPanic, CatchPanicLayer, panicked};
#[cfg(feature = "rate")]
pub use rate::{
    Counted, CountedRateLimiter, Given, LocalRateLimiter, NoPortion, Period, Portion, PortionSource,
    PortionTaken, Quota, Rate, RateExceeded, RateKey, RateLimit, RateLimitLayer, RateLimiter, Rates,
    SharedRateLimiter, Taken,
};
pub use timeout::{Timeout, TimeoutLayer};
pub use trace::{Trace, TraceLayer};

#[cfg(test)]
mod tests;
