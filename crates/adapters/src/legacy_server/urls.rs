//! -32042: a server of 2025-11-25 requires that URLs are visited before a call, and returns an error. Nothing is
//! parked: the call is repeated.

use anyport_protocol::{
    Error, Method, Raw,
    failure::Failure,
    json::Splice,
    jsonrpc::{Reason, code},
    session::parked::{Fault, check},
    types::ElicitAction,
};
use serde_json::json;

use super::{
    counters::Counters,
    parked_calls::ParkedCalls,
    state_sealer::{Binding, Resume},
    task::input_required,
};
use anyport_service::{Context, Outcome};

/// The outcome of a call for the client of `context`: -32042 becomes a request to visit the URLs.
pub(super) fn outcome(
    calls: &ParkedCalls,
    counters: &Counters,
    outcome: Outcome,
    binding: &Binding,
    context: &Context,
    round: u32,
) -> Outcome {
    match outcome {
        Outcome::Error(error) if error.code == code::URL_ELICITATION_REQUIRED => {
            let visits = context.profile().elicitation_url;
            ask(calls, counters, binding, visits, round, &error)
        }
        outcome => outcome,
    }
}

/// The outcome for the client instead of -32042, after `round` rounds of URLs.
///
/// 2026-07-28, basic §Error Codes, has it as "2025-11-25 only": it is never passed on.
fn ask(
    calls: &ParkedCalls,
    counters: &Counters,
    binding: &Binding,
    visits: bool,
    round: u32,
    error: &Error,
) -> Outcome {
    let Some((questions, elicitations)) = read(error, round) else { return invalid() };
    if !visits {
        let required = Raw::from(json!({"elicitation": {"url": {}}}));
        return Outcome::Error(Error::missing_capability(&required));
    }
    let limits = &calls.limits;
    if elicitations.len() > limits.questions {
        counters.refused("questions");
        return invalid();
    }
    for (_, id) in &elicitations {
        calls.elicitations.expect(id);
    }
    again(calls, counters, binding, round, questions, elicitations)
}

/// Asks for URLs to be visited, in the round after `round`.
pub(super) fn again(
    calls: &ParkedCalls,
    counters: &Counters,
    binding: &Binding,
    round: u32,
    questions: Raw,
    elicitations: Vec<(String, String)>,
) -> Outcome {
    let limits = &calls.limits;
    if round >= limits.rounds {
        counters.refused("rounds");
        let message = format!("the call asked in more than {} rounds (rounds)", limits.rounds);
        return Outcome::Error(Error::internal(message).with_reason(Reason::Rounds));
    }
    let way = Resume::Urls { round: round + 1, questions: questions.clone(), elicitations };
    match calls.seals.seal(way, binding, calls.expiry()) {
        Ok(state) if state.len() > limits.state_bytes => {
            counters.refused("state_bytes");
            invalid()
        }
        Ok(state) => Outcome::InputRequired(calls.signed(input_required(&questions, &state))),
        Err(error) => Outcome::Error(error),
    }
}

/// The client's answers to the URLs.
pub(super) enum Visited {
    /// All of them were accepted.
    All,
    /// It left some out.
    NotAll,
    /// It declined one, or sent what is no answer.
    No(Outcome),
}

/// Reads the answers of a retry.
pub(super) fn visited(
    binding: &Binding,
    questions: &Raw,
    elicitations: &[(String, String)],
    answers: Option<&Raw>,
) -> Visited {
    for (key, _) in elicitations {
        let params = questions.member(key).and_then(|question| question.member("params"));
        let Some(answer) = answers.and_then(|answers| answers.member(key)) else { return Visited::NotAll };
        let read = check(Method::Elicit, &params.unwrap_or(Raw::EMPTY_OBJECT), &answer);
        if let Err(Fault::Malformed(why) | Fault::Unfit(why)) = read {
            let error = Error::invalid_params(format!("inputResponses: {key:?} {why}"));
            return Visited::No(Outcome::Error(error.with_reason(Reason::Malformed)));
        }
        let action = answer.member("action").and_then(|action| action.decode::<ElicitAction>().ok());
        if action != Some(ElicitAction::Accept) {
            return Visited::No(declined(binding));
        }
    }
    Visited::All
}

/// A failed tool is a result for the model; prompts and reads can only fail with an error.
fn declined(binding: &Binding) -> Outcome {
    let text = format!("the user declined to visit what {:.128} needs", binding.name);
    if binding.method != Method::ToolsCall {
        return Outcome::Error(Error::internal(text).with_reason(Reason::Declined));
    }
    let result = json!({
        "resultType": "complete",
        "content": [{"type": "text", "text": text}],
        "isError": true,
    });
    Outcome::Result(result.into())
}

/// Whether this error may not reach a client that retries.
pub(super) fn is_url_error(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Error(error) if error.code == code::URL_ELICITATION_REQUIRED)
}

/// The server sends its client to URLs in a way that breaks the protocol.
pub(super) fn invalid() -> Outcome {
    let why = "the server requires visits to URLs (-32042) where no elicitation can ask for them";
    Outcome::from(Failure::InvalidPeer(why.into()))
}

/// The questions of the error, and the elicitation of each. Keys are not used again in later rounds.
fn read(error: &Error, round: u32) -> Option<(Raw, Vec<(String, String)>)> {
    let all: Vec<Raw> = error.data.as_ref()?.member("elicitations")?.decode().ok()?;
    let (mut questions, mut elicitations) = (Splice::new(), Vec::new());
    let method = Raw::string(Method::Elicit.as_str());
    for (index, elicitation) in all.iter().enumerate() {
        let id = elicitation.member("elicitationId")?.as_string()?;
        elicitation.member("url")?.as_string()?;
        let key = match round {
            0 => format!("q{}", index + 1),
            round => format!("q{}_{round}", index + 1),
        };
        let own = |name: &str| !matches!(name, "elicitationId" | "mode");
        let params = Splice::retain(elicitation, own).with("mode", &Raw::string("url")).finish();
        let question = Splice::new().with("method", &method).with("params", &params).finish();
        questions = questions.with(&key, &question);
        elicitations.push((key, id.to_string()));
    }
    (!elicitations.is_empty()).then(|| (questions.finish(), elicitations))
}
