//! Serves callers that retry from a service with inline requests.

mod attached_request;
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
    limits,
    session::{
        client::ServerIdentity,
        parked::{CallRecord, Limits},
    },
};
use bytestring::ByteString;
use tokio::sync::oneshot;

pub(super) use self::state_sealer::StateOwner;
pub use self::state_sealer::StateSealer;
use self::{
    attached_request::{AttachedRequest, Command, caller},
    only_outcome::OnlyOutcome,
    parked_calls::ParkedCalls,
    state_sealer::{Binding, Opened, Resume, digest, tampered},
    urls::Visited,
};
use anyport_metrics::{Counter, Metrics};
use anyport_service::{Context, Event, InputMode, Outcome, Relay, Reply, Request, Service, emit};

/// Serves callers that retry from a service with inline requests: a connection to a server of 2025-11-25 or earlier.
///
/// Inline callers pass through, and so does a call that only has an outcome. A call that sends anything else, to a caller
/// that retries, stays open in a task of its own while the caller answers its requests as `input_required`; the retry
/// delivers the answers, and receives what the call then leads to.
/// The service may send inline requests, and has no deadline: a layer around the adapter bounds each request of the
/// dialogue by itself, and [`ParkLimits::call_timeout`] the whole call.
///
/// A server request must be an event of the reply of its call, whatever the caller declared: a request without the
/// client's capability is refused here, and if the call then ends with an error, that error becomes -32021.
#[derive(Debug)]
pub struct LegacyServerAdapter<S> {
    inner: Arc<S>,
    yard: Arc<ParkedCalls>,
    refused: Refused,
}

limits! {
    /// The limits of parked calls; the names are those of the configuration.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ParkLimits {
        /// The time in which further server requests are collected before the caller receives them.
        #[default(20 ms)]
        pub batch_window: Duration,
        /// The time that a parked call waits for its caller's retry.
        #[default(10 minutes)]
        #[limit(Seconds "park_ttl", beyond = "the call is cancelled; a retry gets -32602 `expired`")]
        pub park_ttl: Duration,
        /// The number of parked calls of one principal.
        #[default(32)]
        #[limit(
            Count "parked_per_principal",
            beyond = "the call that would be parked is cancelled: -32603 `overloaded`"
        )]
        pub parked_per_principal: usize,
        /// The number of parked calls in all. As many ended ones are remembered.
        #[default(1_024)]
        #[limit(Count "parked_total", beyond = "the same")]
        pub parked_total: usize,
        /// The size in bytes of the server requests, and of the waiting outcome, of one parked call.
        #[default(1 MiB)]
        #[limit(
            Bytes "parked_bytes", note = " a call",
            beyond = "a server request is refused; an outcome is dropped, and the retry gets -32603 `too_large`"
        )]
        pub parked_bytes: usize,
        /// The number of server requests that are open at once.
        #[default(16)]
        #[limit(Count "questions", note = " a round", beyond = "the server's request gets -32603")]
        pub questions: usize,
        /// The number of rounds of server requests in one call.
        #[default(10)]
        #[limit(Count "rounds", beyond = "the server's request gets -32603")]
        pub rounds: u32,
        /// How often a server request is repeated if its answer is missing or does not fit.
        #[default(3)]
        #[limit(Count "max_reprompts", beyond = "-32602 `malformed`; a valid answer is still accepted")]
        pub max_reprompts: u32,
        /// The time in which the same retry gets the same outcome once more.
        #[default(30 s)]
        #[limit(Seconds "replay", note = ", outcomes up to 64 KiB", beyond = "-32602 `consumed`")]
        pub replay: Duration,
        /// The size of a `requestState` in bytes.
        #[default(64 KiB)]
        #[limit(Bytes "state_bytes", beyond = "-32602 `tampered`")]
        pub state_bytes: usize,
        /// The time that a call may run. The time in which it is parked does not count.
        #[default("none: as long as its caller waits" = None)]
        #[set(into)]
        pub call_timeout: Option<Duration>,
        /// The time that a call which needs URLs to be visited waits for the server's report of the visit.
        #[default(30 s)]
        #[limit(
            Seconds "elicitation_wait",
            beyond = "the call is made although the server has not reported that the URL was visited"
        )]
        pub elicitation_wait: Duration,
    }
}

impl ParkLimits {
    fn call(&self) -> Limits {
        let Self {
            batch_window,
            park_ttl,
            parked_bytes,
            questions,
            rounds,
            max_reprompts,
            replay,
            call_timeout,
            ..
        } = *self;
        Limits {
            batch_window,
            park_ttl,
            parked_bytes,
            questions,
            rounds,
            max_reprompts,
            replay,
            call_timeout,
        }
    }
}

impl<S: Service> LegacyServerAdapter<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, seals: StateSealer, limits: ParkLimits) -> Self {
        Self {
            inner: Arc::new(inner),
            yard: Arc::new(ParkedCalls::new(seals, limits)),
            refused: Refused::default(),
        }
    }

    /// Counts what the limits refuse in `metrics`.
    #[must_use]
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.refused = Refused(LIMITS.iter().map(|limit| (*limit, metrics.refusals(limit))).collect());
        self
    }

    /// An elicitation of the server's is complete: it said so outside of any call, by
    /// `notifications/elicitation/complete`. A call that waits for it goes on.
    pub fn completed(&self, elicitation_id: &str) {
        self.yard.elicited.complete(elicitation_id);
    }

    /// The server's identity, which requests in its stead carry. May change with each connection.
    pub fn identify(&self, identity: Option<ServerIdentity>) {
        self.yard.identify(identity);
    }

    /// How many calls have a place among those that are parked.
    pub fn parked(&self) -> usize {
        self.yard.lot().taken()
    }

    /// Ends parked calls, and parks no more: the program stops. Calls with an attached request continue.
    pub fn drain(&self) {
        let mut lot = self.yard.lot();
        lot.close();
        for handle in lot.open() {
            let _ = handle.send(Command::Drain);
        }
    }
}

impl<S> Clone for LegacyServerAdapter<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), yard: self.yard.clone(), refused: self.refused.clone() }
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
        let began = self.yard.now();
        let reply = self.inner.call(request, live);
        reply.relay(OnlyOutcome::new(self.clone(), binding, context, round, began))
    }

    /// Goes on with the call that a state leads to.
    fn retry(&self, request: Request, context: Context, binding: Binding, state: &Raw) -> Reply {
        let token = state.as_string().unwrap_or_default();
        if token.len() > self.yard.limits.state_bytes {
            self.refused.count("state_bytes");
            return Reply::error(tampered(&binding.name));
        }
        let opened = match self.yard.seals.open(&token, &binding) {
            Ok(opened) => opened,
            Err(error) => return Reply::error(error),
        };
        match opened.way {
            Resume::Parked { call, round } => self.attach(&request, context, binding, opened, (call, round)),
            Resume::Urls { .. } if self.yard.is_late(&opened) => {
                let ended = CallRecord::Abandoned(Reason::Expired);
                Reply::ready(ended.answer(self.yard.now(), 0, [0; 32], &binding.name))
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
        let park = self.clone();
        let answers = request.params.member("inputResponses");
        let digest = digest(answers.as_ref());
        emit::reply(move |emitter| {
            let (end, ended) = oneshot::channel();
            let guest = AttachedRequest::new(&context, emitter, end);
            let retry = Command::Retry { round, answers, digest, caller: caller(&context), guest };
            let over = park.yard.send(call, &opened, &binding, retry);
            async move {
                let outcome = match over {
                    Some(outcome) => outcome.into(),
                    None => ended_with(ended).await,
                };
                park.told(outcome, &binding, &context, round)
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
            Visited::No(Outcome::Result(told)) => Reply::ready(Outcome::Result(self.yard.signed(told))),
            Visited::No(outcome) => Reply::ready(outcome),
            Visited::NotAll => {
                let asked = urls::again(&self.yard, &self.refused, &binding, round, questions, elicitations);
                Reply::ready(asked)
            }
            Visited::All => {
                let park = self.clone();
                emit::reply(move |emitter| async move {
                    park.yard.elicited.wait(&elicitations, park.yard.limits.elicitation_wait).await;
                    let reply = park.open(fresh(request), context, binding, round);
                    emitter.relay(reply).await
                })
            }
        }
    }

    /// The outcome for the client.
    fn told(&self, outcome: Outcome, binding: &Binding, context: &Context, round: u32) -> Outcome {
        match outcome {
            Outcome::Error(error) if error.code == code::URL_ELICITATION_REQUIRED => {
                let visits = context.profile().elicitation_url;
                urls::ask(&self.yard, &self.refused, binding, visits, round, &error)
            }
            outcome => outcome,
        }
    }

    /// A call that cannot deliver server requests.
    fn unasked(&self, request: Request, context: Context) -> Reply {
        let method = request.method.clone();
        self.inner.call(request, context).relay(Unasked { method, yard: self.yard.clone() })
    }
}

/// Refuses the server requests of a reply.
///
/// 2026-07-28, patterns/mrtr §Supported Requests: "Servers MUST NOT send `InputRequiredResult` responses on any other
/// client requests."
struct Unasked {
    method: ByteString,
    yard: Arc<ParkedCalls>,
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
                    self.yard.elicited.complete_by(&told.params);
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

/// A message of a call's task to an attached request.
async fn ended_with(ended: oneshot::Receiver<Outcome>) -> Outcome {
    ended.await.unwrap_or_else(|_| Outcome::Error(Error::internal("the call ended without an answer")))
}

/// Counters of refusals.
#[derive(Clone, Debug, Default)]
struct Refused(Arc<[(&'static str, Counter)]>);

/// Every limit that refuses something.
const LIMITS: &[&str] = &[
    "parked_per_principal",
    "parked_total",
    "parked_bytes",
    "parked_log_bytes",
    "park_ttl",
    "questions",
    "rounds",
    "max_reprompts",
    "state_bytes",
    "call_timeout",
];

impl Refused {
    fn count(&self, limit: &str) {
        if let Some((_, counter)) = self.0.iter().find(|(name, _)| *name == limit) {
            counter.increment();
        }
    }
}

impl std::fmt::Debug for ParkedCalls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParkedCalls").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
