//! Serves callers that retry from a service with inline requests.

mod attached_request;
mod counters;
mod elicitations;
mod limits;
mod only_outcome;
mod parked_calls;
mod state_sealer;
mod task;
mod urls;

use std::{
    sync::Arc,
    task::{Context as Task, Poll, ready},
    time::Duration,
};

use anyport_protocol::{
    Error, Method, Raw,
    json::Splice,
    jsonrpc::{Reason, code},
    session::{client::ServerIdentity, parked::CallRecord},
};
use bytestring::ByteString;
use tokio::sync::oneshot;

pub(super) use self::state_sealer::StateOwner;
use self::{
    attached_request::{AttachedRequest, Command, caller, outcome_of_call},
    counters::Counters,
    only_outcome::OnlyOutcome,
    parked_calls::ParkedCalls,
    state_sealer::{Binding, Opened, Resume, tampered},
    urls::Visited,
};
pub use self::{limits::ParkLimits, state_sealer::StateSealer};
use anyport_metrics::Metrics;
use anyport_seal::digest;
use anyport_service::{Context, Event, InputMode, Outcome, Relay, Reply, Request, Service, emit};

/// Serves callers that retry from a service with inline requests: a connection to a server of 2025-11-25 or earlier.
///
/// Inline callers pass through, and so does a call that only has an outcome. A call that sends anything else, to a caller
/// that retries, stays open in a task of its own while the caller answers its requests as `input_required`; the retry
/// delivers the answers, and receives what the call then leads to.
/// The service may send inline requests, and has no deadline: a layer around the adapter bounds each request of the
/// dialogue by itself, and [`ParkLimits::call_timeout_max`] the whole call.
///
/// A server request must be an event of the reply of its call, whatever the caller declared: a request without the
/// client's capability is refused here, and if the call then ends with an error, that error becomes -32021.
#[derive(Debug)]
pub struct LegacyServerAdapter<S> {
    inner: Arc<S>,
    calls: Arc<ParkedCalls>,
    counters: Counters,
}

impl<S: Service> LegacyServerAdapter<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, seals: StateSealer, limits: ParkLimits) -> Self {
        Self {
            inner: Arc::new(inner),
            calls: Arc::new(ParkedCalls::new(seals, limits)),
            counters: Counters::new(&Metrics::new()),
        }
    }

    /// Counts what the limits refuse, and how many calls are parked (`anyport_parked_calls`), in `metrics`.
    #[must_use]
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.counters = Counters::new(metrics);
        self
    }

    /// An elicitation of the server's is complete: it said so outside of any call, by
    /// `notifications/elicitation/complete`. A call that waits for it goes on.
    pub fn completed(&self, elicitation_id: &str) {
        self.calls.elicitations.complete(elicitation_id);
    }

    /// Whether this `requestState` was sealed here: it leads to a call that is or was parked, or to one that begins afresh once
    /// URLs were visited.
    pub fn has_sealed(&self, state: &Raw) -> bool {
        let state = state.as_string().unwrap_or_default();
        state.len() <= self.calls.limits.state_bytes && self.calls.seals.node_of(&state).is_some()
    }

    /// The server's identity, which requests in its stead carry. May change with each connection.
    pub fn identify(&self, identity: Option<ServerIdentity>) {
        self.calls.identify(identity);
    }

    /// Ends parked calls, and parks no more: the program stops. Calls with an attached request continue.
    pub fn drain(&self) {
        let mut lot = self.calls.lot();
        lot.close();
        for handle in lot.open() {
            let _ = handle.send(Command::Drain);
        }
    }
}

impl<S> Clone for LegacyServerAdapter<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), calls: self.calls.clone(), counters: self.counters.clone() }
    }
}

impl<S: Service> Service for LegacyServerAdapter<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        if context.input_mode() == InputMode::Inline {
            return self.inner.call(request, context);
        }
        let method = match request.known() {
            Some(method) if method.may_ask() => method,
            _ => return self.unasked(request, context),
        };
        let binding = Binding::of(context.principal(), method, &request);
        match request.params.member("requestState") {
            None => self.open(fresh(request), context, binding, 0),
            Some(state) => self.retry(request, context, binding, &state),
        }
    }
}

/// How a call begins and goes on.
impl<S: Service> LegacyServerAdapter<S> {
    /// Calls, after `round` rounds in which URLs were visited.
    fn open(&self, request: Request, context: Context, binding: Binding, round: u32) -> Reply {
        let live = context.clone().with_input_mode(InputMode::Inline).with_deadline_moved(Duration::MAX);
        let began = self.calls.now();
        let reply = self.inner.call(request, live);
        reply.relay(OnlyOutcome::new(
            (self.calls.clone(), self.counters.clone()),
            binding,
            context,
            round,
            began,
        ))
    }

    /// Goes on with the call that a state leads to.
    fn retry(&self, request: Request, context: Context, binding: Binding, state: &Raw) -> Reply {
        let token = state.as_string().unwrap_or_default();
        if token.len() > self.calls.limits.state_bytes {
            self.counters.refused("state_bytes");
            return Reply::error(tampered(&binding.name));
        }
        let opened = match self.calls.seals.open(&token, &binding) {
            Ok(opened) => opened,
            Err(error) => return Reply::error(error),
        };
        match opened.way {
            Resume::Parked { call, round } => self.attach(&request, context, binding, opened, (call, round)),
            Resume::Urls { .. } if self.calls.is_late(&opened) => {
                let ended = CallRecord::Abandoned(Reason::Expired);
                Reply::ready(ended.answer(self.calls.now(), 0, [0; 32], &binding.name))
            }
            Resume::Urls { round, questions, elicitations } => {
                self.visited(request, context, binding, (round, questions, elicitations))
            }
        }
    }

    /// Attaches a retry to its call.
    fn attach(
        &self,
        request: &Request,
        context: Context,
        binding: Binding,
        opened: Opened,
        (call, round): (u128, u32),
    ) -> Reply {
        let adapter = self.clone();
        let answers = request.params.member("inputResponses");
        let digest = digest(answers.as_ref().map_or("{}", Raw::as_str));
        emit::reply(move |emitter| {
            let (end, ended) = oneshot::channel();
            let request = AttachedRequest::new(&context, emitter, end);
            let retry = Command::Retry { round, answers, digest, caller: caller(&context), request };
            let over = adapter.calls.send(call, &opened, &binding, retry);
            async move {
                let outcome = match over {
                    Some(outcome) => outcome.into(),
                    None => outcome_of_call(ended).await,
                };
                urls::outcome(&adapter.calls, &adapter.counters, outcome, &binding, &context, round)
            }
        })
    }

    /// Calls afresh, once the URLs were visited.
    fn visited(
        &self,
        request: Request,
        context: Context,
        binding: Binding,
        (round, questions, elicitations): (u32, Raw, Vec<(String, String)>),
    ) -> Reply {
        let answers = request.params.member("inputResponses");
        match urls::visited(&binding, &questions, &elicitations, answers.as_ref()) {
            Visited::No(Outcome::Result(told)) => Reply::ready(Outcome::Result(self.calls.signed(told))),
            Visited::No(outcome) => Reply::ready(outcome),
            Visited::NotAll => {
                let asked =
                    urls::again(&self.calls, &self.counters, &binding, round, questions, elicitations);
                Reply::ready(asked)
            }
            Visited::All => {
                let adapter = self.clone();
                emit::reply(move |emitter| async move {
                    adapter
                        .calls
                        .elicitations
                        .wait(&elicitations, adapter.calls.limits.elicitation_wait)
                        .await;
                    let reply = adapter.open(fresh(request), context, binding, round);
                    emitter.relay(reply).await
                })
            }
        }
    }

    /// A call that cannot deliver server requests.
    fn unasked(&self, request: Request, context: Context) -> Reply {
        let method = request.method.clone();
        self.inner.call(request, context).relay(Unasked { method, calls: self.calls.clone() })
    }
}

/// Refuses the server requests of a reply.
///
/// 2026-07-28, patterns/mrtr §Supported Requests: "Servers MUST NOT send `InputRequiredResult` responses on any other
/// client requests."
struct Unasked {
    method: ByteString,
    calls: Arc<ParkedCalls>,
}

impl Relay for Unasked {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        if urls::is_url_error(&outcome) { urls::invalid() } else { outcome }
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        loop {
            return Poll::Ready(match ready!(reply.poll_event(task)) {
                Event::ServerRequest(request) => {
                    let message = format!("the client cannot be asked during {:.64}", self.method);
                    request.responder.answer(Err(Error::new(code::METHOD_NOT_FOUND, message)));
                    continue;
                }
                Event::Notification(told) if told.method == Method::ElicitationComplete => {
                    self.calls.elicitations.complete_by(&told.params);
                    continue;
                }
                Event::Outcome(outcome) => Event::Outcome(self.outcome(outcome)),
                event => event,
            });
        }
    }
}

/// The request without what belongs to a dialogue: the server does not know of one.
fn fresh(request: Request) -> Request {
    let hop = |key: &str| matches!(key, "inputResponses" | "requestState");
    if !request.params.members().any(|member| hop(&member.key())) {
        return request;
    }
    let params = Splice::retain(request.params.raw(), |key| !hop(key)).finish();
    Request { method: request.method, params: params.into() }
}

#[cfg(test)]
mod tests;
