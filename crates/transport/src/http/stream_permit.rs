use std::sync::Arc;

use anyport_protocol::{Error, jsonrpc::Reason};
use anyport_service::{Authorization, sync::Lock};

use super::{
    caller_key::{CallerKey, per_caller},
    open_streams::OpenStreams,
    state::State,
};

/// One of the streams that may be open at once.
pub(super) struct StreamPermit {
    open: Arc<Lock<OpenStreams>>,
    caller: CallerKey,
}

impl StreamPermit {
    /// A further stream of `caller`.
    ///
    /// # Errors
    /// `max_streams` or `max_streams_per_caller` are open.
    pub(super) fn take(state: &State, caller: &Authorization) -> Result<Self, Error> {
        let overloaded = |why: String| Err(Error::internal(why).with_reason(Reason::Overloaded));
        let (limits, refusals) = (&state.config.limits, state.config.buffers.refusals());
        let caller = CallerKey::of(caller);
        let mut open = state.streams.lock();
        if open.count >= limits.max_streams {
            refusals.streams.increment();
            return overloaded(format!("{} streams are open (max_streams)", limits.max_streams));
        }
        let max = per_caller(limits.max_streams, limits.max_streams_per_caller);
        if open.by_caller.get(&caller).is_some_and(|count| *count >= max) {
            refusals.streams_per_caller.increment();
            return overloaded(format!("{max} streams of one caller are open (max_streams_per_caller)"));
        }
        open.count += 1;
        *open.by_caller.entry(caller.clone()).or_default() += 1;
        Ok(Self { open: state.streams.clone(), caller })
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        open.count -= 1;
        if let Some(count) = open.by_caller.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                open.by_caller.remove(&self.caller);
            }
        }
    }
}
