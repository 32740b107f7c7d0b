//! Calls of a member that are counted until they are over.

use std::sync::{Arc, atomic::Ordering};

use anyport_service::{Context, Outcome, Relay, Reply, Request};

use super::member::MemberEntry;

/// A call of a member, which is in flight until this value is dropped.
pub(super) struct InFlight(Arc<MemberEntry>);

impl InFlight {
    /// Counts a call that begins.
    pub(super) fn begin(member: Arc<MemberEntry>) -> Self {
        member.core.calls.fetch_add(1, Ordering::Relaxed);
        member.core.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(member)
    }

    /// The member.
    pub(super) fn member(&self) -> &Arc<MemberEntry> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.core.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Passes a request on to a member as it is.
pub(super) fn pass(member: Arc<MemberEntry>, request: Request, context: Context) -> Reply {
    let service = member.core.service.clone();
    service.call(request, context).relay(Passed(InFlight::begin(member)))
}

/// Counts a call that is passed on.
struct Passed(InFlight);

impl Relay for Passed {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        self.0.member().core.ended(&outcome);
        outcome
    }
}
