//! General layers: services around a service.
//!
//! Each takes the service it wraps and its setting, and is itself a [`anyport_service::Service`]; a stack is built inside out.
//! A reply that is ready passes through every layer without a task, a timer or an allocation.

mod cache;
mod concurrency_limit;
mod middleware;
mod panic;
mod rate_limit;
mod timeout;
mod trace;

pub use cache::{Cache, CacheHandle, CacheLimits};
pub use concurrency_limit::ConcurrencyLimit;
pub use middleware::{Call, Function, Middleware, Next};
pub use panic::{CatchPanic, panicked};
pub use rate_limit::{Quota, RateLimit};
pub use timeout::Timeout;
pub use trace::Trace;

#[cfg(test)]
mod tests;
