//! Calls whose handlers can ask in one era alone: they are made in that one.

use std::task::{Context as Task, Poll, ready};

use anyport_protocol::{Method, progress::Increasing};
use anyport_service::{Context, Event, Outcome, Relay, Reply, Request};

use crate::{
    Upstream,
    asking_eras::Handler,
    deferred::deferred,
    era::Era,
    pool::{EraCalls, Pool},
    quirks::{self, Quirk},
    tool_listing::list_tools,
};

impl Upstream {
    /// The call `request`, which `reply` answers in the era `tried`: made again in the other era if it turns out that its
    /// handler can ask only there, and if repetition does no harm.
    pub(crate) fn in_other_era(&self, reply: Reply, tried: Era, request: Request, context: Context) -> Reply {
        match reply.into_ready() {
            Ok(outcome) => match quirks::of(tried, &outcome) {
                None => Reply::ready(outcome),
                Some(quirk) => self.again(outcome, quirk, request, context),
            },
            Err(reply) => {
                let call = Some((self.clone(), request, context));
                reply.relay(InOtherEra { call, tried, progress: Increasing::default() })
            }
        }
    }

    /// Calls in the era `era`, in which an SDK's error text said that the handler can ask. The handler is remembered if it does ask.
    pub(crate) fn to_ask_in(&self, era: Era, request: Request, context: Context) -> Reply {
        let Some(handler) = Handler::of(&request) else { return self.call_in(era, request, context) };
        let proof = Proof { pool: self.pool.clone(), handler: Some(handler), era };
        self.call_in(era, request, context).relay(proof)
    }

    /// Repeats a call that failed with `outcome` in the era in which `quirk` says that its handler can ask, if a repetition is safe.
    fn again(&self, outcome: Outcome, quirk: &Quirk, request: Request, context: Context) -> Reply {
        let (upstream, era, sdk) = (self.clone(), quirk.asks_in, quirk.sdk);
        deferred(async move {
            // Anybody's words may stand in the text of a failed tool.
            if !upstream.speaks(era, &context).await {
                return Reply::ready(outcome);
            }
            let name = request.name().unwrap_or_default();
            tracing::info!(upstream = upstream.name(), %name, ?era, sdk, "it can ask in one era alone, and is called in that one");
            if upstream.is_repeatable(era, &request, &context).await {
                return upstream.to_ask_in(era, request, context);
            }
            match Handler::of(&request) {
                Some(handler) => {
                    upstream.pool.0.asking_eras.try_era_on_next_call(handler, era);
                    Reply::ready(quirks::explained(outcome, era))
                }
                // The next call would fail as this one did.
                None => Reply::ready(outcome),
            }
        })
    }

    /// Whether the server speaks `era`; connects in it if that is unknown.
    async fn speaks(&self, era: Era, context: &Context) -> bool {
        if self.pool.eras().has(era).is_none() {
            // Why there is no connection is not what the caller asked.
            let _ = self.pool.up(context, era).await;
        }
        self.pool.eras().for_calls(era) == Some(era)
    }

    /// Whether a call may be made again in `era` that failed in the other one.
    async fn is_repeatable(&self, era: Era, request: &Request, context: &Context) -> bool {
        // Its handler has ended with its question. 2026-07-28, patterns/mrtr §Server Requirements: "Servers MUST NOT assume
        // that clients will fulfill the `inputRequests` or retry the original request."
        if era == Era::Modern {
            return true;
        }
        let tools = &self.pool.0.tools;
        if request.known() == Some(Method::ToolsCall) && !tools.has_listed(request) {
            let listing = EraCalls { pool: self.pool.clone(), era: era.other() };
            let context = context.clone().without_param_headers();
            // A tool that cannot be listed counts as one that is not idempotent.
            let _ = list_tools(&listing, &context, || tools.has_listed(request)).await;
        }
        tools.is_idempotent(request)
    }
}

/// A call under way in one era, which goes on in the other if its handler can ask only there.
struct InOtherEra {
    /// The call, until it has ended in the first era, or has asked there.
    call: Option<(Upstream, Request, Context)>,
    tried: Era,
    /// How far the caller knows the call to be, though it begins anew.
    progress: Increasing,
}

impl Relay for InOtherEra {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        outcome
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        loop {
            match ready!(reply.poll_event(task)) {
                Event::Outcome(outcome) => match (self.call.take(), quirks::of(self.tried, &outcome)) {
                    (Some((upstream, request, context)), Some(quirk)) => {
                        *reply = upstream.again(outcome, quirk, request, context);
                    }
                    _ => return Poll::Ready(Event::Outcome(outcome)),
                },
                // It can ask in this era, whatever it says later; and with the answer it may have done something.
                request @ Event::ServerRequest(_) => {
                    self.call = None;
                    return Poll::Ready(request);
                }
                Event::Notification(said) if !self.progress.admits(said.method, &said.params) => {}
                event => return Poll::Ready(event),
            }
        }
    }
}

/// Notes whether a call asks in the era in which its handler was said to.
struct Proof {
    pool: Pool,
    /// The handler, until the call has asked.
    handler: Option<Handler>,
    era: Era,
}

impl Proof {
    fn record_asked(&mut self) {
        if let Some(handler) = self.handler.take() {
            self.pool.0.asking_eras.record_asked(handler, self.era);
        }
    }
}

impl Relay for Proof {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        match (&outcome, &self.handler) {
            (Outcome::InputRequired(_), _) => self.record_asked(),
            // What became of a call that was lost is unknown.
            (Outcome::Failed(_), _) | (_, None) => {}
            (_, Some(handler)) => self.pool.0.asking_eras.forget_unless_asked(handler),
        }
        outcome
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        Poll::Ready(match ready!(reply.poll_event(task)) {
            Event::Outcome(outcome) => Event::Outcome(self.outcome(outcome)),
            request @ Event::ServerRequest(_) => {
                self.record_asked();
                request
            }
            event => event,
        })
    }
}
