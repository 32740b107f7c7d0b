use std::num::NonZeroU32;

use anyport_protocol::{Error, Method, jsonrpc::Reason};
use governor::{
    DefaultKeyedRateLimiter,
    clock::{Clock as _, DefaultClock},
};

use anyport_metrics::{Counter, Metrics};
use anyport_service::{Context, Principal, Reply, Request, Service};

/// Limits how often each principal may call, and refuses the rest with -32603 `rate_limited`.
///
/// 2026-07-28, server/tools §Security Considerations: servers MUST "rate limit tool invocations"; completion
/// §Security: "Implement appropriate rate limiting". Lists, reads and listen streams are not limited here.
pub struct RateLimit<S> {
    inner: S,
    limiter: DefaultKeyedRateLimiter<Principal>,
    clock: DefaultClock,
    quota: Quota,
    refused: Counter,
}

/// How often a principal may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Calls a second, in the long run (`calls_per_second`).
    pub per_second: NonZeroU32,
    /// Calls at once after a pause (`call_burst`).
    pub burst: NonZeroU32,
}

impl<S> RateLimit<S> {
    /// Lets every principal call `inner` within `quota`.
    pub fn new(inner: S, quota: Quota) -> Self {
        let limit = governor::Quota::per_second(quota.per_second).allow_burst(quota.burst);
        let (limiter, clock) = (DefaultKeyedRateLimiter::keyed(limit), DefaultClock::default());
        Self { inner, limiter, clock, quota, refused: Counter::default() }
    }

    /// Counts refusals in `metrics`.
    #[must_use]
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.refused = metrics.refusals("calls_per_second");
        self
    }

    fn check(&self, principal: &Principal) -> Result<(), Error> {
        // Principals come and go; those that have their full burst again need no entry.
        if self.limiter.len() > MAX_ENTRIES {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(principal).map_err(|refused| {
            self.refused.increment();
            let wait = refused.wait_time_from(self.clock.now()).as_millis();
            let message = format!(
                "more than {} calls a second (calls_per_second); try again in {wait} ms",
                self.quota.per_second
            );
            Error::internal(message).with_reason(Reason::RateLimited)
        })
    }
}

/// Principals that are remembered before those without recent calls are forgotten.
const MAX_ENTRIES: usize = 10_000;

impl<S: Service> Service for RateLimit<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let limited = matches!(request.known(), Some(Method::ToolsCall | Method::Complete));
        match limited.then(|| self.check(context.principal())) {
            Some(Err(error)) => Reply::error(error),
            _ => self.inner.call(request, context),
        }
    }
}
