//! General layers: services around a service.
//!
//! Each takes the service it wraps and its setting, and is itself a [`crate::Service`]; a stack is built inside out.
//! A reply that is ready passes through every layer without a task, a timer or an allocation.

mod cache;
mod concurrency;
mod middleware;
mod panic;
mod rate;
mod timeout;
mod trace;

pub use cache::{Cache, CacheLimits, Clear};
pub use concurrency::Concurrency;
pub use middleware::{Call, Function, Middleware, Next};
pub use panic::{CatchPanic, panicked};
pub use rate::{Quota, Rate};
pub use timeout::Timeout;
pub use trace::Trace;

#[cfg(test)]
mod tests;
