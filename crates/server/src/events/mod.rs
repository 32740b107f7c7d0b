//! Changes of what the server offers, and who listens to them.
//!
//! - `publisher`: the server's end, which publishes changes. `listening`: the stream of one listener.
//! - `hub`: between the two, who listens and what waits for each. `limits`: how many may.

mod hub;
mod limits;
mod listening;
mod publisher;

pub(crate) use limits::ListenLimits;
pub use limits::{DEFAULT_MAX_LISTENERS, DEFAULT_MAX_SUBSCRIPTION_BYTES, DEFAULT_MAX_SUBSCRIPTIONS};
pub use publisher::Events;
pub(crate) use publisher::ListenError;
