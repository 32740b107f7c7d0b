//! How often calls may be made.
//!
//! - [`rate`]: what a rate is, such as 600 calls a minute.
//! - [`limiter`]: counts calls against rates: [`RateLimiter`], and [`LocalRateLimiter`] in the memory of this process.
//! - [`portion`]: how a rate is given out in portions, and [`shared`]: counts with processes that take portions from one place.
//! - [`layer`]: limits the calls of each principal and of each address. The calls of a tool and of a server are limited where both are
//!   known, in the gateway.

mod layer;
mod limiter;
mod portion;
#[expect(clippy::module_inception, reason = "what a rate is")]
mod rate;
mod shared;

pub use layer::{Quota, RateLimit, RateLimitLayer};
pub use limiter::{Counted, CountedRateLimiter, LocalRateLimiter, RateExceeded, RateKey, RateLimiter, Taken};
pub use portion::{Given, Portion};
pub use rate::{Period, Rate, Rates};
pub use shared::{NoPortion, PortionSource, PortionTaken, SharedRateLimiter};
