//! One member of a federation by itself.

use std::{fmt, sync::Arc};

use anyport_protocol::Method;
use anyport_service::{Context, Outcome, Relay, Reply, Request, Service, emit};

use super::{
    catalog::CatalogKey, held::HeldItem, in_flight, list_kind::ListKind, member::MemberEntry,
    reading::observe_page,
};

/// A member of a federation as its service is by itself: all of its items, under its own names. Its calls are counted, and what they
/// say about the member is noted, as for calls through the federation. Its lists are compared with its pins; they show what is
/// quarantined, and calls of that are refused. See [`Federation::member`](super::Federation::member).
///
/// It stays with the service that it was made for when that is replaced by another one of the same name.
#[derive(Clone)]
pub struct MemberService(Arc<MemberEntry>);

impl MemberService {
    pub(super) fn new(member: Arc<MemberEntry>) -> Self {
        Self(member)
    }

    /// Calls an item, unless it is held back.
    fn call_if_accepted(&self, kind: ListKind, request: Request, context: Context) -> Reply {
        let member = self.0.clone();
        emit::reply(|emitter| async move {
            if let Some(pins) = &member.core.pins {
                pins.loaded().await;
            }
            let held = request.name().and_then(|own| HeldItem::of_any_caller(&member, kind, &own));
            match held {
                Some(held) => Outcome::Error(held.refusal(kind)),
                None => emitter.relay(in_flight::pass(member, None, request, context)).await,
            }
        })
    }

    /// Requests a list, and compares it with the pins before the caller has it: a call that comes next knows what has changed.
    fn list(&self, kind: ListKind, request: Request, context: Context) -> Reply {
        let member = self.0.clone();
        let caller = CatalogKey::of(&context, &member.list_scope).caller();
        emit::reply(|emitter| async move {
            let reply = member.core.service.call(request, context).relay(Noted(member.clone()));
            let outcome = emitter.relay(reply).await;
            if let Outcome::Result(page) = &outcome {
                observe_page(member.core.clone(), kind, caller, page.clone()).await;
            }
            outcome
        })
    }
}

impl Service for MemberService {
    fn call(&self, request: Request, context: Context) -> Reply {
        let method = request.known();
        if self.0.core.pins.is_some() {
            let called = match method {
                Some(Method::ToolsCall) => Some(ListKind::Tools),
                Some(Method::PromptsGet) => Some(ListKind::Prompts),
                Some(Method::ResourcesRead) => Some(ListKind::Resources),
                _ => None,
            };
            if let Some(kind) = called.filter(|_| self.0.core.is_strict()) {
                return self.call_if_accepted(kind, request, context);
            }
            if let Some(kind) = method.and_then(ListKind::of) {
                return self.list(kind, request, context);
            }
        }
        match method {
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
