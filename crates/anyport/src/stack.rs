//! The layers around a service, read from the outside in.
//!
//! One place for every program: `anyport serve`, `anyport bridge` and [`serve`](crate::serve) put their services together
//! with [`edge`], and add what is their own within it.

use std::time::Duration;

use anyport_metrics::Metrics;
use anyport_service::Service;

use crate::layer::{
    ConcurrencyLimitLayer, Layer, Quota, RateLimitLayer, ServiceBuilder, TimeoutLayer, TraceLayer, optional,
};

/// The limits of the [`edge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeLimits {
    /// Calls that run at once (`max_concurrent_calls`).
    pub max_concurrent_calls: usize,
    /// How often each principal may call; `None` for no limit.
    pub quota: Option<Quota>,
    /// How long a call may take (`call_timeout`); `None` for no limit. Time in which the client has a question to answer
    /// does not count.
    pub call_timeout: Option<Duration>,
}

/// The outer layers of everything that is served. What they refuse is counted in `metrics`.
///
/// # Example
/// ```
/// use anyport::{
///     Server,
///     layer::{CatchPanicLayer, LegacyClientLayer, ServiceBuilder},
///     stack::{EdgeLimits, edge},
/// };
///
/// # fn main() -> Result<(), anyport::BuildError> {
/// let server = Server::builder("shop", "1.0.0").build()?;
/// let metrics = server.metrics().clone();
/// let limits = EdgeLimits { max_concurrent_calls: 100, quota: None, call_timeout: None };
/// let service = ServiceBuilder::new()
///     .layer(edge(&limits, &metrics))
///     .layer(LegacyClientLayer::new(Default::default(), &metrics)) // clients of older revisions are asked inline
///     .layer(CatchPanicLayer) // a handler that panics fails its call, not the process
///     .service(server);
/// let serving = anyport::serve_service(service);
/// # drop(serving);
/// # Ok(())
/// # }
/// ```
pub fn edge<S: Service>(limits: &EdgeLimits, metrics: &Metrics) -> impl Layer<S, Service: Service> + use<S> {
    ServiceBuilder::new()
        // Outermost, so that it sees what every other layer answers.
        .layer(TraceLayer)
        // What runs at once is bounded, so that what runs stays fast.
        .layer(ConcurrencyLimitLayer::new(limits.max_concurrent_calls, metrics))
        // One caller alone cannot take all there is.
        .layer(optional(limits.quota.map(|quota| RateLimitLayer::new(quota, metrics))))
        // A call that hangs is ended.
        .layer(optional(limits.call_timeout.map(|limit| TimeoutLayer::new(limit, metrics))))
}
