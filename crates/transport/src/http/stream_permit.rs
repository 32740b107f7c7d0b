use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::state::State;

/// One of the streams that may be open at once.
pub(super) struct StreamPermit(Arc<AtomicUsize>);

impl StreamPermit {
    pub(super) fn take(state: &State) -> Option<Self> {
        let permit = Self(state.streams.clone());
        let is_free = permit.0.fetch_add(1, Ordering::Relaxed) < state.config.limits.max_streams;
        if !is_free {
            state.config.buffers.refusals().streams.increment();
        }
        is_free.then_some(permit)
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
