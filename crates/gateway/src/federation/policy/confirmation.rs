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
use anyport_service::{Context, Event, Outcome, Relay, Reply, Request, Service, visible_text::is_visible};
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

/// The state that a request brings.
enum Brought {
    None,
    /// One of a member, from before there was a rule.
    Other(String),
    Ours(Round),
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

/// What a question shows: the number of arguments, and of characters of a name, a URI, and a value.
const ARGUMENTS: usize = 20;
const NAME: usize = 200;
const VALUE: usize = 200;

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
        let state = match self.rounds.of(&request, context)? {
            // Answers count only to the question that this state was sent with: a request can bring any.
            Brought::None => return Err(self.ask(context, None)?),
            Brought::Other(state) => return Err(self.ask(context, Some(state))?),
            Brought::Ours(Round { is_confirmed: true, state }) => {
                return Ok(for_member(request, false, state.as_deref()));
            }
            Brought::Ours(Round { is_confirmed: false, state }) => state,
        };
        let answers = request.params.member("inputResponses");
        let answer = answers.as_ref().and_then(|answers| answers.member(KEY));
        let action = answer.and_then(|answer| answer.member("action")).and_then(|action| action.as_string());
        match action.as_deref() {
            Some("accept") => Ok(for_member(request, true, state.as_deref())),
            // 2026-07-28, patterns/mrtr §Server Requirements: where answers are missing, a server "SHOULD respond with a new
            // `InputRequiredResult`".
            None => Err(self.ask(context, state)?),
            Some(_) => {
                let declined = Error::internal("the user did not confirm the call");
                Err(declined.with_reason(Reason::Declined).into())
            }
        }
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
    fn of(&self, request: &Request, context: &Context) -> Result<Brought, Error> {
        let Some(token) = request.params.member("requestState").and_then(|state| state.as_string()) else {
            return Ok(Brought::None);
        };
        let (sealer, owner) = (&self.endpoint.shared.sealer, context.principal().to_string());
        match RequestState::<Round>::open(sealer, PURPOSE, &token, &owner, &self.request) {
            Ok(opened) if opened.expires <= now() => Err(refused(StateRefused::Expired)),
            Ok(opened) => Ok(Brought::Ours(opened.payload)),
            // It is kept for when the user has confirmed.
            Err(StateRefused::Tampered) => Ok(Brought::Other(token.to_string())),
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
    let (name, server) = (shown(name, NAME), shown(server, NAME));
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    match method {
        Method::ResourcesRead => format!("{server}: may the resource {name} be read?{reason}"),
        Method::PromptsGet => format!("{server}: may the prompt {name} be used?{reason}"),
        _ => format!("{server}: may the tool {name} be called with {}?{reason}", shown_arguments(arguments)),
    }
}

/// The arguments, each cut by itself: a long one hides no other.
fn shown_arguments(arguments: &Raw) -> String {
    let all: Vec<String> = arguments
        .members()
        .map(|member| format!("{}: {}", shown(&member.key(), NAME), shown(member.value, VALUE)))
        .collect();
    let rest = match all.len().checked_sub(ARGUMENTS) {
        Some(rest) if rest > 0 => format!(", and {rest} more"),
        _ => String::new(),
    };
    format!("{{{}{rest}}}", all[..all.len().min(ARGUMENTS)].join(", "))
}

/// `text` on one line, without characters that change how the rest is shown, and cut after `most` of them.
fn shown(text: &str, most: usize) -> String {
    let plain = text.chars().take(most).map(|character| {
        let is_plain = character == ' '
            || !(character.is_control() || character.is_whitespace() || !is_visible(character));
        if is_plain { character.to_string() } else { character.escape_unicode().to_string() }
    });
    let plain: String = plain.collect();
    match text.chars().count().checked_sub(most) {
        Some(rest) if rest > 0 => format!("{plain}… ({rest} characters more)"),
        _ => plain,
    }
}
