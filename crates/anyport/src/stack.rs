//! The layers around a service, read from the outside in.
//!
//! One place for every program: `anyport serve`, `anyport bridge` and [`serve()`](crate::serve()) put their services together
//! with [`edge`], and add what is their own within it.

use std::time::Duration;

use anyport_metrics::Metrics;
use anyport_protocol::limits;
use anyport_service::Service;

use crate::layer::{
    ConcurrencyLimitLayer, Layer, LoadShedLayer, Quota, RateLimitLayer, RunningCalls, ServiceBuilder,
    TimeoutLayer, TraceLayer, optional,
};

limits! {
    /// The limits of the [`edge`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct EdgeLimits {
        /// The number of calls that run at once.
        #[default(1_024)]
        #[limit(Count "max_concurrent_calls", beyond = "-32603 `overloaded`, 503")]
        pub max_concurrent_calls: usize,
        /// The number of calls of one caller that run at once: an authenticated principal, or else a session or connection.
        #[default("three quarters of `max_concurrent_calls`" = None)]
        #[limit(
            Count "max_calls_per_caller", note = "three quarters of `max_concurrent_calls`",
            beyond = "-32603 `overloaded`, 503; requests without a principal and a session count as one caller's"
        )]
        #[set(into)]
        pub max_calls_per_caller: Option<usize>,
        /// How often each principal may call.
        #[default("no limit" = None)]
        #[set(into)]
        pub quota: Option<Quota>,
        /// The time that a call may take (`call_timeout`). The time in which the client answers a server request does not
        /// count.
        #[default("no limit" = None)]
        #[set(into)]
        pub call_timeout: Option<Duration>,
        /// The time that a call may take although it reports progress (`call_timeout_max`). If it is set, each progress
        /// notification restarts `call_timeout`.
        #[default("none: progress does not restart `call_timeout`" = None)]
        #[set(into)]
        pub call_timeout_max: Option<Duration>,
    }
}

impl EdgeLimits {
    /// The number of calls of one caller that run at once. It leaves places to others.
    fn calls_per_caller(&self) -> usize {
        let all = self.max_concurrent_calls;
        self.max_calls_per_caller.unwrap_or(all - all / 4)
    }

    fn timeout(&self, metrics: &Metrics) -> Option<TimeoutLayer> {
        let layer = TimeoutLayer::new(self.call_timeout?, metrics);
        Some(match self.call_timeout_max {
            Some(max) => layer.max(max),
            None => layer,
        })
    }
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
/// let limits = EdgeLimits::default().max_concurrent_calls(100);
/// let service = ServiceBuilder::new()
///     .layer(edge(&limits, &metrics))
///     .layer(LegacyClientLayer::new(Default::default(), &metrics)) // clients of older revisions are asked inline
///     .layer(CatchPanicLayer) // a handler that panics fails its call, not the process
///     .service(server);
/// let serving = anyport::serve::serve_service(service);
/// # drop(serving);
/// # Ok(())
/// # }
/// ```
pub fn edge<S: Service>(limits: &EdgeLimits, metrics: &Metrics) -> impl Layer<S, Service: Service> + use<S> {
    let rate_limit = limits.quota.map(|quota| RateLimitLayer::new(quota, metrics));
    edge_with(limits, RunningCalls::default(), None, rate_limit, metrics)
}

/// The same, with `load_shed` around the limits, and `rate_limit` in place of the quota. Whatever is served with the same `running` shares
/// the places of `max_concurrent_calls` and `max_calls_per_caller`.
pub fn edge_with<S: Service>(
    limits: &EdgeLimits,
    running: RunningCalls,
    load_shed: Option<LoadShedLayer>,
    rate_limit: Option<RateLimitLayer>,
    metrics: &Metrics,
) -> impl Layer<S, Service: Service> + use<S> {
    ServiceBuilder::new()
        // Outermost, so that it sees what every other layer answers.
        .layer(TraceLayer)
        // While memory runs out, what runs goes on, and nothing new begins.
        .layer(optional(load_shed))
        // What runs at once is bounded, so that what runs stays fast.
        .layer(
            ConcurrencyLimitLayer::new(limits.max_concurrent_calls, metrics)
                // The calls of one caller never take all places.
                .per_caller(limits.calls_per_caller())
                .counted_in(running),
        )
        // One caller alone cannot take all there is.
        .layer(optional(rate_limit))
        // A call that hangs is ended.
        .layer(optional(limits.timeout(metrics)))
}
