//! Calls of a member that are counted until they are over.

use std::sync::{Arc, atomic::Ordering};

use anyport_service::{Context, Outcome, Relay, Reply, Request};
use tokio::time::Instant;

use super::{
    catalog::CatalogKey, list_kind::ListKind, member::MemberEntry, pins::Caller, reading::observe_page,
};

/// A call of a member, which is in flight until this value is dropped.
pub(super) struct InFlight {
    member: Arc<MemberEntry>,
    begun: Instant,
}

impl InFlight {
    /// Counts a call that begins.
    pub(super) fn begin(member: Arc<MemberEntry>) -> Self {
        member.core.calls.fetch_add(1, Ordering::Relaxed);
        member.core.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { member, begun: Instant::now() }
    }

    /// The member.
    pub(super) fn member(&self) -> &Arc<MemberEntry> {
        &self.member
    }

    /// Counts the end of the call, and notes what it says about the member.
    pub(super) fn ended(&self, outcome: &Outcome) {
        self.member.core.ended(outcome, self.begun.elapsed());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.member.core.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Passes a request on to a member as it is. `list` is the list that it requests.
pub(super) fn pass(
    member: Arc<MemberEntry>,
    list: Option<ListKind>,
    request: Request,
    context: Context,
) -> Reply {
    let service = member.core.service.clone();
    let pinned = list.filter(|_| member.core.pins.is_some());
    let pinned = pinned.map(|list| (list, CatalogKey::of(&context, &member.list_scope).caller()));
    service.call(request, context).relay(Passed { in_flight: InFlight::begin(member), pinned })
}

/// Counts a call that is passed on.
struct Passed {
    in_flight: InFlight,
    /// The list whose definitions are compared with pins, and its callers.
    pinned: Option<(ListKind, Caller)>,
}

impl Relay for Passed {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        self.in_flight.ended(&outcome);
        if let (Outcome::Result(page), Some((list, caller))) = (&outcome, self.pinned.take()) {
            let core = &self.in_flight.member().core;
            tokio::spawn(observe_page(core.clone(), list, caller, page.clone()));
        }
        outcome
    }
}
