//! -32042: a server of 2025-11-25 requires that URLs are visited before a call, and returns an error. Nothing is
//! parked: the call is repeated.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyport_protocol::{
    Error, Method, Raw,
    failure::Failure,
    json::Splice,
    jsonrpc::{Reason, code},
    session::parked::{Fault, check},
    types::ElicitAction,
};
use lru::LruCache;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Duration, timeout},
};

use super::{
    Refused,
    parked_calls::ParkedCalls,
    state_sealer::{Binding, Resume},
    task::input_required,
};
use anyport_service::Outcome;

/// Which of the elicitations that were given out are complete.
pub(super) struct Elicited {
    ids: Mutex<LruCache<String, bool>>,
    completed: watch::Sender<()>,
}

/// How many are remembered. Of one that is not, the retry waits its full time.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

impl Default for Elicited {
    fn default() -> Self {
        Self { ids: Mutex::new(LruCache::new(REMEMBERED)), completed: watch::Sender::default() }
    }
}

impl Elicited {
    fn lock(&self) -> MutexGuard<'_, LruCache<String, bool>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, id: &str) {
        self.lock().get_or_insert(id.to_owned(), || false);
    }

    /// An elicitation is complete.
    ///
    /// 2025-11-25, client/elicitation §Completion Notifications: clients "MUST ignore notifications referencing unknown or
    /// already-completed IDs".
    pub(super) fn complete(&self, id: &str) {
        if let Some(complete) = self.lock().get_mut(id) {
            *complete = true;
        }
        self.completed.send_replace(());
    }

    /// The elicitation that a notification with `params` names is complete.
    pub(super) fn complete_by(&self, params: &Raw) {
        if let Some(id) = params.member("elicitationId").and_then(|id| id.as_string()) {
            self.complete(&id);
        }
    }

    /// Waits until all are complete, or for `most`.
    pub(super) async fn wait(&self, elicitations: &[(String, String)], most: Duration) {
        let mut completed = self.completed.subscribe();
        let all = async { while !self.are_complete(elicitations) && completed.changed().await.is_ok() {} };
        let _ = timeout(most, all).await;
        let mut ids = self.lock();
        for (_, id) in elicitations {
            ids.pop(id);
        }
    }

    fn are_complete(&self, elicitations: &[(String, String)]) -> bool {
        let ids = self.lock();
        elicitations.iter().all(|(_, id)| ids.peek(id).copied().unwrap_or(false))
    }
}

/// The outcome for the client instead of -32042, after `round` rounds of URLs.
///
/// 2026-07-28, basic §Error Codes, has it as "2025-11-25 only": it is never passed on.
pub(super) fn ask(
    yard: &ParkedCalls,
    refused: &Refused,
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
    let limits = &yard.limits;
    if elicitations.len() > limits.questions {
        refused.count("questions");
        return invalid();
    }
    for (_, id) in &elicitations {
        yard.elicited.expect(id);
    }
    again(yard, refused, binding, round, questions, elicitations)
}

/// Asks for URLs to be visited, in the round after `round`.
pub(super) fn again(
    yard: &ParkedCalls,
    refused: &Refused,
    binding: &Binding,
    round: u32,
    questions: Raw,
    elicitations: Vec<(String, String)>,
) -> Outcome {
    let limits = &yard.limits;
    if round >= limits.rounds {
        refused.count("rounds");
        let message = format!("the call asked in more than {} rounds (rounds)", limits.rounds);
        return Outcome::Error(Error::internal(message).with_reason(Reason::Rounds));
    }
    let way = Resume::Urls { round: round + 1, questions: questions.clone(), elicitations };
    match yard.seals.seal(way, binding, yard.expiry()) {
        Ok(state) if state.len() > limits.state_bytes => {
            refused.count("state_bytes");
            invalid()
        }
        Ok(state) => Outcome::InputRequired(yard.signed(input_required(&questions, &state))),
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
    let why = "the server wants URLs to be visited (-32042), in a way that nobody can be asked";
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
