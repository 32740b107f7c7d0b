//! The answers of a test to server requests, checked as a client checks those of its user.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyport_protocol::{
    Method, Raw,
    types::{CreateMessageRequestParams, ElicitRequest, ElicitRequestParams, JsonObject, ListRootsRequest},
};
use anyport_server::Question as _;
use anyport_service::{Context, Reply, Request, Service, sync::Lock};
use serde_json::Value;

use crate::{Lost, Question, Refusal};

/// The function that answers server requests.
pub(super) type Answerer = dyn FnMut(&Question) -> Result<Value, Refusal> + Send;

/// The number of rounds of server requests in one call, as for clients of older revisions.
pub(super) const MAX_ROUNDS: u32 = 10;

/// Answers server requests by the test's function. The first request that remains without a good answer is the fault of
/// the call.
#[derive(Clone)]
pub(super) struct Answering(Arc<Shared>);

struct Shared {
    answerer: Lock<Box<Answerer>>,
    /// The rounds of the running call, as its server counts them.
    rounds: AtomicUsize,
    fault: Lock<Option<Lost>>,
}

impl Answering {
    pub(super) fn new(answerer: Box<Answerer>) -> Self {
        let (answerer, fault) = (Lock::new(answerer), Lock::default());
        Self(Arc::new(Shared { answerer, rounds: AtomicUsize::new(0), fault }))
    }

    /// Begins a call.
    pub(super) fn begin(&self) {
        self.0.rounds.store(0, Ordering::Relaxed);
        self.0.fault.lock().take();
    }

    /// Takes the fault of the call, which has ended.
    pub(super) fn fault(&self) -> Option<Lost> {
        self.0.fault.lock().take()
    }

    /// The answer to `question`.
    ///
    /// # Errors
    /// What a server that can receive it gets, if there is no good answer.
    pub(super) fn answer(&self, question: &Question) -> Result<Value, Refusal> {
        let round = question.round.max(self.0.rounds.load(Ordering::Relaxed));
        let answered = match round < MAX_ROUNDS as usize {
            false => Err(Lost::Rounds { question: question.to_string(), rounds: MAX_ROUNDS }),
            true => (self.0.answerer.lock())(question)
                .map_err(|refusal| Lost::Unanswered { question: question.to_string(), refusal })
                .and_then(|answer| checked(question, answer)),
        };
        answered.map_err(|fault| {
            let refusal = Refusal::new(-1, fault.to_string());
            self.0.fault.lock().get_or_insert(fault);
            refusal
        })
    }

    /// Counts the rounds of calls to `service`, for a client whose revision does not know of rounds.
    pub(super) fn counting(&self, service: Arc<dyn Service>) -> impl Service + use<> {
        Counting { service, answering: self.clone() }
    }
}

/// Counts the rounds of calls.
struct Counting {
    service: Arc<dyn Service>,
    answering: Answering,
}

impl Service for Counting {
    fn call(&self, request: Request, context: Context) -> Reply {
        if request.params.member("inputResponses").is_some() {
            self.answering.0.rounds.fetch_add(1, Ordering::Relaxed);
        }
        self.service.call(request, context)
    }
}

/// `answer` as a client sends it: with the defaults of the form's fields, and only if it fits the request.
///
/// 2026-07-28, elicitation §Form Mode Security: "Clients SHOULD validate all responses against the provided schema".
fn checked(question: &Question, mut answer: Value) -> Result<Value, Lost> {
    let fault = match Method::named(&question.method) {
        Some(Method::Elicit) => {
            let Ok(params) = serde_json::from_value::<ElicitRequestParams>(question.params.clone()) else {
                return Ok(answer);
            };
            fill_in(&question.params, &mut answer);
            let request = ElicitRequest { params, ..ElicitRequest::url("", "") };
            request.read(&Raw::from(answer.clone())).err()
        }
        Some(Method::CreateMessage) => {
            CreateMessageRequestParams::default().read(&Raw::from(answer.clone())).err()
        }
        Some(Method::ListRoots) => ListRootsRequest::default().read(&Raw::from(answer.clone())).err(),
        _ => None,
    };
    match fault {
        None => Ok(answer),
        Some(fault) => Err(Lost::Answer { question: question.to_string(), answer, fault: fault.to_string() }),
    }
}

/// Completes an accepted form by the defaults of its fields.
fn fill_in(params: &Value, answer: &mut Value) {
    if answer["action"] != "accept" {
        return;
    }
    let fields = params["requestedSchema"]["properties"].as_object().into_iter().flatten();
    let defaults: JsonObject =
        fields.filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone()))).collect();
    let Some(content) = answer.get_mut("content").and_then(Value::as_object_mut) else { return };
    for (name, default) in defaults {
        content.entry(name).or_insert(default);
    }
}
