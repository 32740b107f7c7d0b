//! Calls of a member whose answers are kept.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyport_layers::AnswerCache;
use anyport_protocol::Method;
use anyport_service::{Context, Outcome, Relay, Reply, Request, Service};

use super::{cache::CachedItem, endpoint::Target, in_flight::InFlight, member::MemberEntry};

/// A call of a member whose answer may be kept.
pub(super) struct CachedCall<'a> {
    pub(super) cache: &'a AnswerCache,
    pub(super) target: &'a Target,
    pub(super) method: Method,
}

impl CachedCall<'_> {
    /// Answers `request` from memory or by the member, if the answer may be kept.
    ///
    /// # Errors
    /// The request, if not.
    pub(super) fn answer(
        &self,
        service: &Arc<dyn Service>,
        request: Request,
        context: Context,
    ) -> Result<Reply, (Request, Context)> {
        let member = &self.target.member;
        let rule = member.cache.as_ref().and_then(|rules| {
            let item = CachedItem {
                own: &self.target.own,
                listed: self.target.listed.as_ref(),
                state: member.core.answers.number(),
                headers: &member.list_scope.headers,
            };
            rules.rule(&item, self.method, &request, &context)
        });
        let Some(rule) = rule else { return Err((request, context)) };
        let trail = context.trail().cloned();
        let is_sent = AtomicBool::new(false);
        let sent = Arc::new(Sent { member: member.clone(), service: service.clone(), is_sent });
        let reply = self.cache.answer(rule, sent.clone(), request, context);
        Ok(reply.map(move |outcome| {
            if !sent.is_sent.load(Ordering::Relaxed) {
                sent.member.core.answers.count();
                if let Some(trail) = trail {
                    trail.answered_from_cache(&sent.member.core.name);
                }
            }
            outcome
        }))
    }
}

/// A call that goes to a member unless its answer is known.
struct Sent {
    member: Arc<MemberEntry>,
    service: Arc<dyn Service>,
    is_sent: AtomicBool,
}

impl Service for Sent {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.is_sent.store(true, Ordering::Relaxed);
        let in_flight = InFlight::begin(self.member.clone());
        self.service.call(request, context).relay(Counted(in_flight))
    }
}

/// Counts a call until it is over.
struct Counted(InFlight);

impl Relay for Counted {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        self.0.ended(&outcome);
        self.0.member().core.answers.note_connections();
        outcome
    }
}
