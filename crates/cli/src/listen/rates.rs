//! How often calls may be made.

use std::sync::Arc;

use anyport_config::gateway::{LimitsConfig, RateConfig};
use anyport_gateway::StoredPortions;
use anyport_layers::{
    LocalRateLimiter, Period, Quota, Rate, RateLimitLayer, RateLimiter, Rates, SharedRateLimiter,
};
use anyport_metrics::Metrics;

use crate::store::{Location, OpenStore};

/// How often each caller and each address may call, and who counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallRates {
    caller: Rates,
    address: Rates,
    limiter: Limiter,
}

/// Who counts calls.
#[derive(Clone, Debug)]
enum Limiter {
    /// This process alone.
    Local(LocalRateLimiter),
    /// This process with all that share its store.
    Shared(SharedRateLimiter),
}

impl Default for Limiter {
    fn default() -> Self {
        Self::Local(LocalRateLimiter::new())
    }
}

impl CallRates {
    /// Those of a file.
    pub(crate) fn of(limits: &LimitsConfig) -> Self {
        let (caller, address) = (rates_of(&limits.principal), rates_of(&limits.address));
        Self { caller, address, ..Self::default() }
    }

    /// Those of `new`, with what was counted until now.
    #[must_use]
    pub(super) fn changed(&self, new: &Self) -> Self {
        Self { limiter: self.limiter.clone(), ..new.clone() }
    }

    /// The same, counted together with all processes that share `store`, unless it is the state folder, which other gateways of this user may
    /// have.
    #[must_use]
    pub(crate) fn shared_in(self, store: Option<&OpenStore>) -> Self {
        match store
            .filter(|store| *store.location() != Location::State && *store.location() != Location::Memory)
        {
            Some(store) => {
                let portions = StoredPortions::new(store.store.clone());
                Self { limiter: Limiter::Shared(SharedRateLimiter::new(Arc::new(portions))), ..self }
            }
            None => self,
        }
    }

    /// The layer for calls of everyone, who may call within `quota` besides.
    pub(crate) fn layer(&self, quota: Quota, metrics: &Metrics) -> RateLimitLayer {
        let layer = RateLimitLayer::new(quota, metrics).limiter(self.limiter());
        layer.per_caller(&self.caller).per_address(&self.address)
    }

    /// Who counts calls.
    pub(crate) fn limiter(&self) -> Arc<dyn RateLimiter> {
        match &self.limiter {
            Limiter::Local(limiter) => Arc::new(limiter.clone()),
            Limiter::Shared(limiter) => Arc::new(limiter.clone()),
        }
    }
}

/// The rates of a file.
pub(crate) fn rates_of(config: &RateConfig) -> Rates {
    let RateConfig { calls_per_second, calls_per_minute, calls_per_hour, calls_per_day, burst } = *config;
    let all = [
        (calls_per_second, Period::Second),
        (calls_per_minute, Period::Minute),
        (calls_per_hour, Period::Hour),
        (calls_per_day, Period::Day),
    ];
    let rates = all.into_iter().filter_map(|(calls, period)| Some(Rate::new(calls?, period)));
    // The burst is that of the shortest time.
    let mut burst = burst;
    rates.map(|rate| burst.take().map_or(rate, |burst| rate.burst(burst))).collect()
}
