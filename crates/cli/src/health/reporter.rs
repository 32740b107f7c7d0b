//! Looks how the program is, and says it to whom it concerns.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Instant};

use anyport_knowledge::machine::{MEMORY_INTERVAL, MachineSampler};
use anyport_metrics::Metrics;
use anyport_protocol::Raw;
use anyport_service::{Authorization, Overload, sync::Lock};
use anyport_transport::{FileDescriptors, http};
use tokio::time::MissedTickBehavior;

use super::{
    dependency::Dependencies,
    report::{Bounds, Report, Strain},
};

/// Looks how the program is.
pub(crate) struct HealthReporter {
    began: Instant,
    machine: MachineSampler,
    metrics: Metrics,
    bounds: Bounds,
    /// Set while there is too little memory.
    pub(crate) overload: Overload,
    dependencies: Box<dyn Dependencies>,
    pub(super) operators: Operators,
}

/// Who may see more than a word.
pub(crate) struct Operators {
    /// Whether callers are authenticated. Where they are not, whoever calls on this machine is an operator.
    are_authenticated: bool,
    /// The scopes that an operator has.
    require: Lock<Vec<String>>,
}

impl Operators {
    /// Callers with the scopes `require`, who are authenticated if any is.
    pub(crate) fn new(are_authenticated: bool, require: Vec<String>) -> Self {
        Self { are_authenticated, require: Lock::new(require) }
    }

    pub(super) fn admit(&self, caller: &Authorization) -> bool {
        let is_known = match self.are_authenticated {
            true => caller.principal().is_authenticated(),
            false => caller.address().is_none_or(|address| address.to_canonical().is_loopback()),
        };
        is_known && self.require.lock().iter().all(|scope| caller.allows(scope))
    }
}

impl HealthReporter {
    /// Begins to look at a program that counts in `metrics`, refuses new calls by `overload`, and needs `dependencies`.
    pub(crate) fn new(
        metrics: &Metrics,
        bounds: Bounds,
        overload: Overload,
        operators: Operators,
        dependencies: impl Dependencies + 'static,
    ) -> Self {
        Self {
            began: Instant::now(),
            machine: MachineSampler::new(),
            metrics: metrics.clone(),
            bounds,
            overload,
            dependencies: Box::new(dependencies),
            operators,
        }
    }

    /// Requires these scopes of operators from now on.
    pub(crate) fn require(&self, scopes: &[String]) {
        *self.operators.require.lock() = scopes.to_vec();
    }

    /// How the program is now.
    pub(crate) async fn report(&self) -> Report {
        let dependencies = self.dependencies.look().await;
        let system = self.machine.sample();
        let strain = Strain { descriptors: FileDescriptors::of_process(), overload: self.overload.cause() };
        Report::new(system, self.began.elapsed(), &self.metrics, (self.bounds, strain), dependencies)
    }

    /// Watches the memory until the reporter is dropped: new work is refused while too much of it is used.
    pub(crate) fn watch_memory(self: &Arc<Self>) {
        if !self.bounds.bound_memory() {
            return;
        }
        let watched = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(MEMORY_INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(reporter) = watched.upgrade() else { return };
                reporter.look_at_memory();
            }
        });
    }

    fn look_at_memory(&self) {
        let (before, now) =
            (self.overload.cause(), self.bounds.overload(&self.machine.memory(), &self.overload));
        match (&before, &now) {
            (None, Some(cause)) => {
                tracing::warn!(limit = cause.limit, "new calls are refused: {}", cause.why)
            }
            (Some(_), None) => tracing::warn!("new calls are accepted again: there is memory"),
            _ => {}
        }
        self.overload.set(now);
    }
}

impl fmt::Debug for HealthReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthReporter").finish_non_exhaustive()
    }
}

impl http::Operations for HealthReporter {
    fn health(&self) -> Pin<Box<dyn Future<Output = http::Health> + Send + '_>> {
        Box::pin(async {
            let report = self.report().await;
            http::Health { status: report.status.into(), details: Raw::from(report.details()) }
        })
    }

    fn metrics(&self) -> String {
        self.metrics.render()
    }

    fn is_operator(&self, caller: &Authorization) -> bool {
        self.operators.admit(caller)
    }
}
