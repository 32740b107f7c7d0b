//! How often calls may be made.
//!
//! - [`rate`]: what a rate is, such as 600 calls a minute.
//! - [`limiter`]: counts calls against rates: [`RateLimiter`], and [`LocalRateLimiter`] in the memory of this process.
//! - [`layer`]: limits the calls of each principal and of each address. The calls of a tool and of a server are limited where both are
//!   known, in the gateway.

mod layer;
mod limiter;
#[expect(clippy::module_inception, reason = "what a rate is")]
mod rate;

pub use layer::{Quota, RateLimit, RateLimitLayer};
pub use limiter::{CountedRateLimiter, LocalRateLimiter, RateExceeded, RateKey, RateLimiter};
pub use rate::{Period, Rate, Rates};
