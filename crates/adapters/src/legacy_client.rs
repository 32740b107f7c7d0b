use std::{
    collections::HashMap,
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_protocol::{
    Error, Method, Raw, failure::Failure, json::Splice, jsonrpc::Reason, limits, progress::Increasing,
};
use tokio::{sync::oneshot, time};
use tower_layer::Layer;

use crate::input_required::{InputRequest, input_requests};
use anyport_metrics::{Counter, Metrics};
use anyport_service::{
    Answer, Backoff, Context, Emitter, Event, InputMode, Outcome, Relay, Reply, Request, ServerRequest,
    Service, emit,
};

/// Serves callers with inline requests from a service that answers `input_required`.
///
/// Callers that retry by themselves pass through. For an inline caller the adapter sends the server requests, then
/// calls again with the answers and the state, until the call is complete. So a replayed handler serves clients of
/// every revision.
#[derive(Clone, Debug)]
pub struct LegacyClientAdapter<S> {
    inner: Arc<S>,
    limits: LegacyClientLimits,
    refused: Refused,
}

/// Counters of refusals.
#[derive(Clone, Debug, Default)]
struct Refused {
    rounds: Counter,
    questions: Counter,
    ask_timeout: Counter,
}

limits! {
    /// The limits of the rounds of one call; the names are those of the configuration.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct LegacyClientLimits {
        /// The number of rounds of server requests in one call.
        #[default(10)]
        #[limit(
            Count "rounds",
            beyond = "the call ends with an error; of a parked call, the server's request gets -32603"
        )]
        pub rounds: u32,
        /// The number of server requests in one round.
        #[default(16)]
        #[limit(Count "questions", note = " a round", beyond = "the same")]
        pub questions: usize,
        /// The time that an answer may take.
        #[default(10 minutes)]
        #[limit(Seconds "ask_timeout", beyond = "the call ends with an error")]
        pub ask_timeout: Duration,
    }
}

/// Serves clients of older revisions from a service that asks by `input_required`: makes a [`LegacyClientAdapter`].
#[derive(Clone, Debug)]
pub struct LegacyClientLayer {
    limits: LegacyClientLimits,
    refused: Refused,
}

impl LegacyClientLayer {
    /// Bounds the dialogues by `limits`. What they refuse is counted in `metrics`.
    pub fn new(limits: LegacyClientLimits, metrics: &Metrics) -> Self {
        Self { limits, refused: Refused::of(metrics) }
    }
}

impl<S> Layer<S> for LegacyClientLayer {
    type Service = LegacyClientAdapter<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LegacyClientAdapter { inner: Arc::new(inner), limits: self.limits, refused: self.refused.clone() }
    }
}

impl Refused {
    fn of(metrics: &Metrics) -> Self {
        Self {
            rounds: metrics.refusals("rounds"),
            questions: metrics.refusals("questions"),
            ask_timeout: metrics.refusals("ask_timeout"),
        }
    }
}

impl<S: Service> LegacyClientAdapter<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, limits: LegacyClientLimits) -> Self {
        Self { inner: Arc::new(inner), limits, refused: Refused::default() }
    }

    /// Counts what the limits refuse in `metrics`.
    #[must_use]
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.refused = Refused::of(metrics);
        self
    }
}

impl<S: Service> Service for LegacyClientAdapter<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let may_ask = request.known().is_some_and(Method::may_ask);
        if context.input_mode() == InputMode::InputRequired || !may_ask {
            return self.inner.call(request, context);
        }
        match self.inner.call(request.clone(), context.clone()).into_ready() {
            Ok(outcome) if !matches!(outcome, Outcome::InputRequired(_)) => Reply::ready(outcome),
            Ok(outcome) => self.dialogue(request, context).reply(outcome, Increasing::default()),
            Err(reply) => {
                let dialogue = Some(Box::new(self.dialogue(request, context)));
                reply.relay(FirstRound { dialogue, progress: Increasing::default() })
            }
        }
    }
}

impl<S: Service> LegacyClientAdapter<S> {
    fn dialogue(&self, request: Request, context: Context) -> Dialogue<S> {
        let (inner, refused) = (self.inner.clone(), self.refused.clone());
        Dialogue { inner, limits: self.limits, refused, request, context }
    }
}

/// The first round of a call. Most calls have no other, so its events pass without a queue of their own.
struct FirstRound<S> {
    /// Taken by the second round.
    dialogue: Option<Box<Dialogue<S>>>,
    progress: Increasing,
}

impl<S: Service> Relay for FirstRound<S> {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        outcome
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        loop {
            match std::task::ready!(reply.poll_event(task)) {
                Event::Outcome(outcome @ Outcome::InputRequired(_))
                    if let Some(dialogue) = self.dialogue.take() =>
                {
                    *reply = dialogue.reply(outcome, std::mem::take(&mut self.progress));
                }
                Event::Notification(notification)
                    if self.dialogue.is_some()
                        && !self.progress.admits(notification.method, &notification.params) => {}
                event => return Poll::Ready(event),
            }
        }
    }
}

struct Dialogue<S> {
    inner: Arc<S>,
    limits: LegacyClientLimits,
    refused: Refused,
    request: Request,
    context: Context,
}

impl<S: Service> Dialogue<S> {
    /// Goes on after the `first` round, which has sent this `progress`.
    fn reply(self, first: Outcome, progress: Increasing) -> Reply {
        emit::reply(|emitter| async move {
            let outcome = self.run(Reply::ready(first), progress, &emitter).await;
            outcome.unwrap_or_else(|error| error)
        })
    }

    /// Both arms are outcomes: `Err` is the one that ends the call early.
    async fn run(
        mut self,
        mut reply: Reply,
        mut progress: Increasing,
        emitter: &Emitter,
    ) -> Result<Outcome, Outcome> {
        let (mut rounds, mut silent) = (0, 0);
        let mut visited = Visited::default();
        loop {
            let required = match relay(&mut reply, emitter, &mut progress).await {
                Outcome::InputRequired(required) => required,
                outcome if rounds > 0 => return Ok(stale(outcome)),
                outcome => return Ok(outcome),
            };
            if rounds == self.limits.rounds {
                break;
            }
            rounds += 1;
            let questions = self.questions(&required)?;
            let state = required.member("requestState");
            if questions.is_empty() {
                time::sleep(SILENT.after(silent)).await;
                silent += 1;
            } else {
                silent = 0;
            }
            let begun = time::Instant::now();
            let (again, questions): (Vec<_>, Vec<_>) =
                questions.into_iter().partition(|(_, method, params)| visited.again(*method, params));
            if questions.is_empty() && !again.is_empty() {
                time::sleep(visited.patience()).await;
            }
            let asked = questions.clone();
            let answers = self.ask(questions, emitter).await?;
            let answers = visited.note(&asked, answers.finish(), &again);
            // A person's time is not the server's.
            self.context = self.context.with_deadline_moved(begun.elapsed());
            let request = self.retry(answers, state.as_ref());
            reply = self.inner.call(request, self.context.clone());
        }
        self.refused.rounds.increment();
        let message = format!("the call asked in more than {} rounds (rounds)", self.limits.rounds);
        Err(self.end(Error::internal(message).with_reason(Reason::Rounds)))
    }

    /// The questions of a round, checked: the inner service must only ask what the client declared.
    fn questions(&self, required: &Raw) -> Result<Vec<InputRequest>, Outcome> {
        let questions = input_requests(required, &self.context.profile())?;
        if questions.len() > self.limits.questions {
            self.refused.questions.increment();
            let message = format!("more than {} questions in one round (questions)", self.limits.questions);
            return Err(Outcome::from(Failure::InvalidPeer(message)));
        }
        Ok(questions)
    }

    /// Puts all questions at once, and gives the answers in their order. The first that ends the call does so at once;
    /// returning drops the receivers, which withdraws what is still open.
    async fn ask(&self, questions: Vec<InputRequest>, emitter: &Emitter) -> Result<Splice, Outcome> {
        let mut open = Vec::with_capacity(questions.len());
        for (_, method, params) in &questions {
            let (question, answer) = ServerRequest::new(*method, params.clone());
            emitter.emit(Event::ServerRequest(question)).await;
            open.push(Some(answer));
        }
        // A time beyond the clock's range is no limit.
        let deadline = time::Instant::now().checked_add(self.limits.ask_timeout);
        let mut answers = vec![Raw::NULL; questions.len()];
        while open.iter().any(Option::is_some) {
            let next = poll_fn(|task| first(&mut open, task));
            let (place, answer) = match deadline {
                Some(deadline) => time::timeout_at(deadline, next).await.map_err(|_| self.too_late())?,
                None => next.await,
            };
            answers[place] = match answer {
                Ok(answer) => answer,
                // An elicitation can be refused in words of its own: `cancel`.
                Err(error) if questions[place].1 == Method::Elicit && error.reason.is_none() => cancel(),
                Err(error) => return Err(self.end(refused(error))),
            };
        }
        let answers = questions.iter().zip(&answers);
        Ok(answers.fold(Splice::new(), |all, ((key, ..), answer)| all.with(key, answer)))
    }

    /// An answer did not come in time.
    fn too_late(&self) -> Outcome {
        self.refused.ask_timeout.increment();
        let message = format!("no answer within {} s (ask_timeout)", self.limits.ask_timeout.as_secs());
        self.end(Error::internal(message).with_reason(Reason::Timeout))
    }

    /// The original request once more, with the answers and the state as they came.
    fn retry(&self, answers: Raw, state: Option<&Raw>) -> Request {
        let own = |key: &str| !matches!(key, "inputResponses" | "requestState");
        let mut params = Splice::retain(self.request.params.raw(), own).with("inputResponses", &answers);
        if let Some(state) = state {
            params = params.with("requestState", state);
        }
        Request { method: self.request.method.clone(), params: params.finish().into() }
    }

    /// A failed tool is a result for the model; prompts and reads can only fail with an error.
    fn end(&self, error: Error) -> Outcome {
        if self.request.known() != Some(Method::ToolsCall) {
            return Outcome::Error(error);
        }
        let text = serde_json::json!({
            "resultType": "complete",
            "content": [{"type": "text", "text": error.message}],
            "isError": true,
        });
        Outcome::Result(text.into())
    }
}

/// Marks a result as stale: its caller does not see that the request was retried.
///
/// 2026-07-28, caching §Cache Key: results of requests "carrying `inputResponses` or `requestState` [...] MUST NOT be
/// cached, as they depend on inputs that are not part of the cache key".
fn stale(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Result(result) if result.member("ttlMs").is_some() => {
            let zero = Raw::from(serde_json::Value::from(0));
            Outcome::Result(Splice::retain(&result, |key| key != "ttlMs").with("ttlMs", &zero).finish())
        }
        outcome => outcome,
    }
}

/// The URLs that the user agreed to visit in this call.
///
/// A server that requests the same URL again checks whether it has been visited. (2026-07-28 has no notification of
/// that, unlike 2025-11-25.) The user has accepted, and is not asked at each check.
#[derive(Default)]
struct Visited {
    /// By the URL: how often the answer was given without asking.
    reused: HashMap<String, u32>,
    rounds: u32,
}

/// How often an acceptance is repeated before the user is asked again.
const REUSES: u32 = 3;

impl Visited {
    /// Whether the user agreed to this already, not too many rounds ago.
    fn again(&mut self, method: Method, params: &Raw) -> bool {
        let Some(reused) = url(method, params).and_then(|url| self.reused.get_mut(&url)) else {
            return false;
        };
        *reused += 1;
        *reused <= REUSES
    }

    /// The wait before the acceptance is repeated: 1 s, doubled every time.
    fn patience(&mut self) -> Duration {
        self.rounds += 1;
        Duration::from_secs(1 << (self.rounds - 1).min(REUSES))
    }

    /// Records the accepted URLs of `asked`, and adds the repeated acceptances of `again`.
    fn note(&mut self, asked: &[InputRequest], answers: Raw, again: &[InputRequest]) -> Raw {
        for (key, method, params) in asked {
            let Some(url) = url(*method, params) else { continue };
            let action = answers.member(key).and_then(|answer| answer.member("action"));
            if action.is_some_and(|action| action.as_str() == "\"accept\"") {
                self.reused.insert(url, 0);
                self.rounds = 0;
            } else {
                self.reused.remove(&url);
            }
        }
        let accept = Raw::from(serde_json::json!({"action": "accept"}));
        let all = Splice::retain(&answers, |_| true);
        again.iter().fold(all, |all, (key, ..)| all.with(key, &accept)).finish()
    }
}

/// The URL that a question sends the user to, if it does.
fn url(method: Method, params: &Raw) -> Option<String> {
    let url = params.member("url").filter(|_| method == Method::Elicit)?;
    Some(url.as_string()?.to_string())
}

/// Forwards all events except the outcome, and except progress that an earlier round has sent.
///
/// Progress starts again in every round. For an inline caller all rounds are one request, and 2025-11-25, progress
/// §Progress Flow: "The `progress` value MUST increase with each notification".
async fn relay(reply: &mut Reply, emitter: &Emitter, progress: &mut Increasing) -> Outcome {
    loop {
        match reply.next().await {
            Event::Outcome(outcome) => return outcome,
            Event::Notification(notification)
                if !progress.admits(notification.method, &notification.params) => {}
            event => emitter.emit(event).await,
        }
    }
}

/// The next answer that is there, and of which question it is.
fn first(open: &mut [Option<oneshot::Receiver<Answer>>], task: &mut Task<'_>) -> Poll<(usize, Answer)> {
    for (place, receiver) in open.iter_mut().enumerate() {
        if let Some(waiting) = receiver
            && let Poll::Ready(answer) = Pin::new(waiting).poll(task)
        {
            *receiver = None;
            let gone = |_| Err(Error::internal("the client went away").with_reason(Reason::ClientRefused));
            return Poll::Ready((place, answer.unwrap_or_else(gone)));
        }
    }
    Poll::Pending
}

fn refused(error: Error) -> Error {
    if error.reason.is_some() {
        return error;
    }
    Error::internal(format!("the client refused: {}", error.message)).with_reason(Reason::ClientRefused)
}

fn cancel() -> Raw {
    serde_json::json!({"action": "cancel"}).into()
}

/// How long a server is left alone that asks nothing and wants to be called again.
const SILENT: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(5) };
