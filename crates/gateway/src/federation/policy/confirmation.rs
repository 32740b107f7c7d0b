//! The user confirms a call before it goes on.
//!
//! A modern client is asked by `input_required`, and one of a legacy session inline, by `LegacyClientAdapter`. That the user has
//! confirmed is in the `requestState` that its client brings back, with the state of the member if that asks, too. It holds for these
//! arguments alone.

use std::{
    sync::Arc,
    task::{Context as Task, Poll, ready},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyport_protocol::{Error, Method, Raw, json::Splice, jsonrpc::Reason};
use anyport_seal::{RequestIdentity, RequestState, Sealer, StateRefused};
use anyport_service::{Context, Event, Outcome, Relay, Reply, Request, Service};
use serde::{Deserialize, Serialize};

use crate::federation::{endpoint::Endpoint, forward::Forward};

/// A call that goes on once the user has confirmed it.
pub(super) struct Confirm {
    rounds: Rounds,
    forward: Forward,
    question: String,
}

/// The states of one call.
#[derive(Clone)]
struct Rounds {
    endpoint: Arc<Endpoint>,
    request: RequestIdentity,
    timeout: Duration,
}

/// What is remembered from round to round.
#[derive(Serialize, Deserialize)]
struct Round {
    is_confirmed: bool,
    /// The state of the member, once it has asked.
    state: Option<String>,
}

/// The purpose of sealed rounds.
const PURPOSE: &str = "confirmation of a call";

/// The key of the question among the input requests.
const KEY: &str = "confirm";

/// The number of characters of the arguments that the question shows.
const SHOWN: usize = 1_000;

impl Confirm {
    /// Asks, for at most `timeout`, whether the item `name` is to be called with `arguments`. `reason`: why that is asked.
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        forward: Forward,
        timeout: Duration,
        reason: Option<&str>,
        name: &str,
        arguments: &Raw,
    ) -> Self {
        let target = &forward.target;
        let request = RequestIdentity::new(&*target.member.core.name, forward.method, &*target.own);
        let request = request.with_arguments(Some(arguments.as_str()));
        let question = question(forward.method, name, &target.member.title, arguments, reason);
        Self { rounds: Rounds { endpoint, request, timeout }, forward, question }
    }

    /// Asks the user. `state` is kept for the member.
    fn ask(&self, context: &Context, state: Option<String>) -> Result<Outcome, Error> {
        if !context.profile().elicitation_form {
            let message = format!(
                "the policy of this gateway has the user confirm this call, and this client cannot ask: it declares no form \
                 elicitation. {}",
                self.question
            );
            return Err(Error::internal(message).with_reason(Reason::Forbidden));
        }
        let state =
            self.rounds.sealed(context.principal().to_string(), Round { is_confirmed: false, state })?;
        let schema =
            Splice::new().with("type", &Raw::string("object")).with("properties", &Raw::EMPTY_OBJECT);
        let params = Splice::new()
            .with("message", &Raw::string(&self.question))
            .with("requestedSchema", &schema.finish());
        let elicitation = Splice::new()
            .with("method", &Raw::string(Method::Elicit.as_str()))
            .with("params", &params.finish());
        let required = Splice::new()
            .with("resultType", &Raw::string("input_required"))
            .with("inputRequests", &Splice::new().with(KEY, &elicitation.finish()).finish())
            .with("requestState", &state)
            .with("_meta", &self.rounds.endpoint.meta);
        Ok(Outcome::InputRequired(required.finish()))
    }

    /// The call, once it is confirmed; else what is answered.
    fn confirmed(&self, request: Request, context: &Context) -> Result<Request, Outcome> {
        let Round { is_confirmed, state } = self.rounds.of(&request, context)?;
        let answers = request.params.member("inputResponses").filter(|_| !is_confirmed);
        let answer = answers.as_ref().and_then(|answers| answers.member(KEY));
        let action = answer.and_then(|answer| answer.member("action")).and_then(|action| action.as_string());
        match action.as_deref() {
            _ if is_confirmed => {}
            Some("accept") => {}
            // 2026-07-28, patterns/mrtr §Server Requirements: where answers are missing, a server "SHOULD respond with a new
            // `InputRequiredResult`".
            None => return Err(self.ask(context, state)?),
            Some(_) => {
                let declined = Error::internal("the user did not confirm the call");
                return Err(declined.with_reason(Reason::Declined).into());
            }
        }
        Ok(for_member(request, !is_confirmed, state.as_deref()))
    }
}

impl Service for Confirm {
    fn call(&self, request: Request, context: Context) -> Reply {
        let request = match self.confirmed(request, &context) {
            Ok(request) => request,
            Err(outcome) => return Reply::ready(outcome),
        };
        let relay = Confirmed { rounds: self.rounds.clone(), owner: context.principal().to_string() };
        self.forward.clone().call(&self.rounds.endpoint, request, context).relay(relay)
    }
}

impl Rounds {
    /// The round that a request belongs to.
    ///
    /// # Errors
    /// -32602 for a state of another caller, of other arguments, or of long ago.
    fn of(&self, request: &Request, context: &Context) -> Result<Round, Error> {
        let Some(token) = request.params.member("requestState").and_then(|state| state.as_string()) else {
            return Ok(Round { is_confirmed: false, state: None });
        };
        let (sealer, owner) = (&self.endpoint.shared.sealer, context.principal().to_string());
        match RequestState::<Round>::open(sealer, PURPOSE, &token, &owner, &self.request) {
            Ok(opened) if opened.expires <= now() => Err(refused(StateRefused::Expired)),
            Ok(opened) => Ok(opened.payload),
            // That of a member, from before there was a rule: it is kept for when the user has confirmed.
            Err(StateRefused::Tampered) => Ok(Round { is_confirmed: false, state: Some(token.to_string()) }),
            Err(why) => Err(refused(why)),
        }
    }

    /// A round, as its owner brings it back.
    fn sealed(&self, owner: String, round: Round) -> Result<Raw, Error> {
        let timeout = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let expires = now().saturating_add(timeout);
        let state = RequestState { owner, request: self.request.clone(), expires, payload: round };
        Ok(Raw::string(&state.seal(&self.endpoint.shared.sealer, PURPOSE)?))
    }
}

/// Keeps in the states of a member that the user has confirmed.
struct Confirmed {
    rounds: Rounds,
    owner: String,
}

impl Relay for Confirmed {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        let Outcome::InputRequired(required) = outcome else { return outcome };
        let state = required
            .member("requestState")
            .and_then(|state| state.as_string())
            .map(|state| state.to_string());
        match self.rounds.sealed(self.owner.clone(), Round { is_confirmed: true, state }) {
            Ok(state) => {
                let required = Splice::retain(&required, |key| key != "requestState");
                Outcome::InputRequired(required.with("requestState", &state).finish())
            }
            Err(error) => Outcome::Error(error),
        }
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        Poll::Ready(match ready!(reply.poll_event(task)) {
            Event::Outcome(outcome) => Event::Outcome(self.outcome(outcome)),
            event => event,
        })
    }
}

/// A request as its member knows it: with the state of that, and without the answer that was for us.
fn for_member(request: Request, was_answered: bool, state: Option<&str>) -> Request {
    let is_ours = |key: &str| key == "requestState" || (was_answered && key == "inputResponses");
    let params = Splice::retain(request.params.raw(), |key| !is_ours(key));
    let params =
        state.into_iter().fold(params, |params, state| params.with("requestState", &Raw::string(state)));
    Request { method: request.method, params: params.finish().into() }
}

/// A request without the state of an earlier round, for a call that is not confirmed any more.
pub(super) fn removed(sealer: &Sealer, request: Request) -> Request {
    let token = request.params.member("requestState").and_then(|state| state.as_string());
    let opened = token.and_then(|token| RequestState::<Round>::open_unverified(sealer, PURPOSE, &token).ok());
    match opened.map(|opened| opened.payload) {
        Some(Round { is_confirmed, state }) => for_member(request, !is_confirmed, state.as_deref()),
        None => request,
    }
}

fn refused(why: StateRefused) -> Error {
    Error::invalid_params(format!("the requestState {why}; call again without requestState"))
        .with_reason(why.reason())
}

/// The time of day, in milliseconds since 1970.
fn now() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What the user is asked.
fn question(method: Method, name: &str, server: &str, arguments: &Raw, reason: Option<&str>) -> String {
    let text = arguments.as_str();
    let shown: String = text.chars().take(SHOWN).collect();
    let rest = if shown.len() < text.len() { " (and more)" } else { "" };
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    match method {
        Method::ResourcesRead => format!("{server}: may the resource {name} be read?{reason}"),
        Method::PromptsGet => format!("{server}: may the prompt {name} be used?{reason}"),
        _ => format!("{server}: may the tool {name} be called with {shown}{rest}?{reason}"),
    }
}
