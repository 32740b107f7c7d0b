use std::{num::NonZeroU32, sync::Arc};

use anyport_metrics::Metrics;
use anyport_protocol::{Method, limits};
use anyport_service::{Context, Reply, Request, Service, emit};
use tower_layer::Layer;

use super::{
    limiter::{Counted, CountedRateLimiter, LocalRateLimiter, RateKey, RateLimiter},
    rate::{Period, Rate, Rates},
};

/// Limits how often each caller and each address may call: makes a [`RateLimit`].
#[derive(Clone)]
pub struct RateLimitLayer {
    caller: Rates,
    address: Rates,
    limiter: CountedRateLimiter,
    metrics: Metrics,
}

impl RateLimitLayer {
    /// Lets every principal call within `quota`. Refusals are counted in `metrics`.
    pub fn new(quota: Quota, metrics: &Metrics) -> Self {
        // It is shown before the first refusal.
        metrics.refusals("calls_per_second");
        Self {
            caller: [quota.rate().of_process()].into_iter().collect(),
            address: Rates::default(),
            limiter: CountedRateLimiter::new(Arc::new(LocalRateLimiter::new()), metrics),
            metrics: metrics.clone(),
        }
    }

    /// Lets every principal call within `rates` as well. One of a second stands in place of the quota.
    #[must_use]
    pub fn per_caller(self, rates: &Rates) -> Self {
        let is_quota_replaced = rates.iter().any(|rate| rate.period() == Period::Second);
        let quota = self.caller.iter().filter(|_| !is_quota_replaced);
        Self { caller: quota.chain(rates.iter()).copied().collect(), ..self }
    }

    /// Lets the clients of every address call within `rates`.
    #[must_use]
    pub fn per_address(self, rates: &Rates) -> Self {
        Self { address: rates.clone(), ..self }
    }

    /// Counts with `limiter`, which may count for others, too.
    #[must_use]
    pub fn limiter(self, limiter: Arc<dyn RateLimiter>) -> Self {
        Self { limiter: CountedRateLimiter::new(limiter, &self.metrics), ..self }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit { inner: Arc::new(inner), limits: self.clone() }
    }
}

limits! {
    /// The quota of a principal: how often it may call.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Quota {
        /// The number of calls a second, in the long run.
        #[default("1,000" = CALLS_PER_SECOND)]
        #[limit(Count "calls_per_second", note = " a caller", beyond = "42900 `rate_limited`, 429")]
        pub per_second: NonZeroU32,
        /// The number of calls at once after a pause.
        #[default("2,000" = CALL_BURST)]
        #[limit(Count "call_burst", note = " a caller", beyond = "42900 `rate_limited`, 429")]
        pub burst: NonZeroU32,
    }
}

const CALLS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
const CALL_BURST: NonZeroU32 = NonZeroU32::new(2_000).unwrap();

impl Quota {
    fn rate(self) -> Rate {
        Rate::new(self.per_second, Period::Second).burst(self.burst)
    }
}

/// Limits how often each caller and each address may call, and refuses the rest with [`Failure::RateLimited`](anyport_protocol::failure::Failure::RateLimited).
///
/// Calls are those that use something: `tools/call`, `prompts/get`, `resources/read` and `completion/complete`. All other requests but
/// listen streams, such as lists, have the same rates beside them: each costs something, and may be recorded.
///
/// 2026-07-28, server/tools §Security Considerations: servers MUST "rate limit tool invocations"; completion
/// §Security: "Implement appropriate rate limiting".
pub struct RateLimit<S> {
    inner: Arc<S>,
    limits: RateLimitLayer,
}

impl<S> RateLimit<S> {
    /// Lets every principal call `inner` within `quota`.
    pub fn new(inner: S, quota: Quota) -> Self {
        RateLimitLayer::new(quota, &Metrics::new()).layer(inner)
    }
}

impl RateLimitLayer {
    /// Counts a request.
    fn count(&self, request: &Request, context: &Context) -> Counted {
        let is_call = matches!(
            request.known(),
            Some(Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead | Method::Complete)
        );
        let key = |key: RateKey| if is_call { key } else { RateKey::Other(Box::new(key)) };
        // An address is cheaper to have than an identity: what it has too much of does not count for the caller.
        let address = context.address().filter(|_| !self.address.is_empty());
        let address = address.map(|address| (key(RateKey::address(address)), &self.address));
        let caller = (key(RateKey::caller(context)), &self.caller);
        self.limiter.take(address.into_iter().chain([caller]))
    }
}

impl<S: Service> Service for RateLimit<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        if request.is_listen() {
            return self.inner.call(request, context);
        }
        match self.limits.count(&request, &context) {
            Counted::Now(Ok(())) => self.inner.call(request, context),
            Counted::Now(Err(failure)) => Reply::failed(failure),
            Counted::Later(counted) => {
                let inner = self.inner.clone();
                emit::after(counted, move || inner.call(request, context))
            }
        }
    }
}
