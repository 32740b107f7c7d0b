//! The factory of the members of a gateway, which is another one once the limits of the file have changed.

use std::sync::Arc;

use anyport_service::sync::Lock;

use crate::{listen::Limits, upstream_factory::UpstreamFactory};

/// The factory of now. Clones are the same one.
#[derive(Clone)]
pub(super) struct Factories(Arc<Lock<Arc<UpstreamFactory>>>);

impl Factories {
    pub(super) fn new(factory: Arc<UpstreamFactory>) -> Self {
        Self(Arc::new(Lock::new(factory)))
    }

    /// The factory of now.
    pub(super) fn now(&self) -> Arc<UpstreamFactory> {
        self.0.lock().clone()
    }

    /// Makes what comes by `factory` from now on.
    pub(super) fn set(&self, factory: Arc<UpstreamFactory>) {
        *self.0.lock() = factory;
    }

    /// The factory under what of `limits` a running gateway can change.
    pub(super) fn under(&self, limits: &Limits) -> Arc<UpstreamFactory> {
        let now = self.now();
        let limits = now.limits.changed_while_running(limits);
        Arc::new(now.with_limits(limits))
    }
}
