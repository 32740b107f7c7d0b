//! Calls of a member whose answers are kept.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyport_layers::AnswerCache;
use anyport_protocol::Method;
use anyport_service::{Context, Outcome, Relay, Reply, Request, Service, TraceHeaders};

use super::{
    cache::CachedItem,
    catalog::Catalog,
    endpoint::{Endpoint, Target},
    in_flight::InFlight,
    member::MemberEntry,
};

/// A call of a member whose answer may be kept.
pub(super) struct CachedCall<'a> {
    pub(super) cache: &'a AnswerCache,
    pub(super) target: &'a Target,
    pub(super) method: Method,
    pub(super) endpoint: &'a Endpoint,
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
        let catalog = self.endpoint.view(&context).catalog(member);
        let context = without_baggage(context);
        let trail = context.trail().cloned();
        let is_sent = AtomicBool::new(false);
        let sent = Arc::new(Sent { member: member.clone(), catalog, service: service.clone(), is_sent });
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

/// The context without the `baggage` of the HTTP request, which telemetry would send to the member: each request of a client can have
/// another one, and an answer that is given to the next must not depend on it.
fn without_baggage(context: Context) -> Context {
    match context.trace_headers() {
        Some(headers) if headers.baggage.is_some() => {
            let headers = TraceHeaders { baggage: None, ..headers.clone() };
            context.with_trace_headers(Some(Box::new(headers)))
        }
        _ => context,
    }
}

/// A call that goes to a member unless its answer is known.
struct Sent {
    member: Arc<MemberEntry>,
    /// What the member offers to the caller.
    catalog: Option<Arc<Catalog>>,
    service: Arc<dyn Service>,
    is_sent: AtomicBool,
}

impl Service for Sent {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.is_sent.store(true, Ordering::Relaxed);
        // An answer is kept for as long as the member notifies of changes, which it does while the catalog is used.
        self.catalog.iter().for_each(Catalog::touch);
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
