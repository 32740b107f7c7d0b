use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::{Method, failure::Failure, limits};
use anyport_service::{Context, Principal, Reply, Request, Service};
use foldhash::fast::RandomState;
use governor::{
    RateLimiter,
    clock::{Clock as _, DefaultClock},
    state::keyed::DashMapStateStore,
};
use tower_layer::Layer;

/// Limits how often each principal may call: makes a [`RateLimit`].
#[derive(Clone, Debug)]
pub struct RateLimitLayer {
    quota: Quota,
    refused: Counter,
}

impl RateLimitLayer {
    /// Lets every principal call within `quota`. Refusals are counted in `metrics`.
    pub fn new(quota: Quota, metrics: &Metrics) -> Self {
        Self { quota, refused: metrics.refusals("calls_per_second") }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit { refused: self.refused.clone(), ..RateLimit::new(inner, self.quota) }
    }
}

/// Limits how often each principal may call, and refuses the rest with [`Failure::RateLimited`].
///
/// 2026-07-28, server/tools §Security Considerations: servers MUST "rate limit tool invocations"; completion
/// §Security: "Implement appropriate rate limiting". Lists, reads and listen streams are not limited here.
pub struct RateLimit<S> {
    inner: S,
    limiter: RateLimiter<Principal, DashMapStateStore<Principal, RandomState>, DefaultClock>,
    /// The number of calls that were checked.
    checked: AtomicU32,
    clock: DefaultClock,
    quota: Quota,
    refused: Counter,
}

limits! {
    /// The quota of a principal: how often it may call.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Quota {
        /// The number of calls a second, in the long run.
        #[default("1,000" = CALLS_PER_SECOND)]
        #[limit(Count "calls_per_second", note = " a caller", beyond = "-32603 `rate_limited`, 429")]
        pub per_second: NonZeroU32,
        /// The number of calls at once after a pause.
        #[default("2,000" = CALL_BURST)]
        #[limit(Count "call_burst", note = " a caller", beyond = "-32603 `rate_limited`, 429")]
        pub burst: NonZeroU32,
    }
}

const CALLS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
const CALL_BURST: NonZeroU32 = NonZeroU32::new(2_000).unwrap();

impl<S> RateLimit<S> {
    /// Lets every principal call `inner` within `quota`.
    pub fn new(inner: S, quota: Quota) -> Self {
        let limit = governor::Quota::per_second(quota.per_second).allow_burst(quota.burst);
        let limiter = RateLimiter::dashmap_with_hasher(limit, RandomState::default());
        let (clock, checked, refused) = (DefaultClock::default(), AtomicU32::new(0), Counter::default());
        Self { inner, limiter, checked, clock, quota, refused }
    }

    fn check(&self, principal: &Principal) -> Result<(), Failure> {
        // Principals come and go; those that have their full burst again need no entry. Their number is counted in every part of the
        // table, and so not for each call.
        let is_due = self.checked.fetch_add(1, Ordering::Relaxed).is_multiple_of(COUNT_EVERY);
        if is_due && self.limiter.len() > MAX_ENTRIES {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(principal).map_err(|refused| {
            self.refused.increment();
            Failure::RateLimited {
                per_second: self.quota.per_second.get(),
                retry_in: refused.wait_time_from(self.clock.now()),
            }
        })
    }
}

/// Principals that are remembered before those without recent calls are forgotten.
const MAX_ENTRIES: usize = 10_000;

/// After how many calls the principals are counted.
const COUNT_EVERY: u32 = 256;

impl<S: Service> Service for RateLimit<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let limited = matches!(request.known(), Some(Method::ToolsCall | Method::Complete));
        match limited.then(|| self.check(context.principal())) {
            Some(Err(failure)) => Reply::failed(failure),
            _ => self.inner.call(request, context),
        }
    }
}
