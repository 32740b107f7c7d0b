//! One member of a federation by itself.

use std::{fmt, sync::Arc};

use anyport_protocol::Method;
use anyport_service::{Context, Outcome, Relay, Reply, Request, Service};

use super::{in_flight, member::MemberEntry};

/// A member of a federation as its service is by itself: all of its items, under its own names. Its calls are counted, and what they
/// say about the member is noted, as for calls through the federation. See [`Federation::member`](super::Federation::member).
///
/// It stays with the service that it was made for when that is replaced by another one of the same name.
#[derive(Clone)]
pub struct MemberService(Arc<MemberEntry>);

impl MemberService {
    pub(super) fn new(member: Arc<MemberEntry>) -> Self {
        Self(member)
    }
}

impl Service for MemberService {
    fn call(&self, request: Request, context: Context) -> Reply {
        match request.known() {
            Some(Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead | Method::Complete) => {
                in_flight::pass(self.0.clone(), None, request, context)
            }
            _ => self.0.core.service.call(request, context).relay(Noted(self.0.clone())),
        }
    }
}

/// Notes what the end of a request says about the member.
struct Noted(Arc<MemberEntry>);

impl Relay for Noted {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        self.0.core.health.note(&outcome);
        outcome
    }
}

impl fmt::Debug for MemberService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemberService").field(&self.0.core.name).finish()
    }
}
