//! The three ways of a server request, on fakes: relayed inline, replayed for an inline caller, parked for a caller
//! that retries.
//!
//! Invariant: A replayed handler serves inline callers, and an inline server request can be parked for a
//! caller that retries.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyport_protocol::{Error, Limits, Method, Raw, Revision};

use super::*;
use anyport_metrics::Metrics;
use anyport_service::{
    Context, Event, Notification, Outcome, Principal, Reply, Request, ServerRequest, Service, emit,
};

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

fn call(params: &str) -> Request {
    Request::new(Method::ToolsCall, raw(params))
}

fn context(revision: Revision) -> Context {
    Context::new(Principal::local(), revision).with_client(raw(r#"{"elicitation":{},"sampling":{}}"#), None)
}

const LEGACY: Revision = Revision::V2025_11_25;
const MODERN: Revision = Revision::V2026_07_28;

/// Sends two requests, then one more, then answers with their answers. Records every request.
#[derive(Default)]
struct Replaying(Mutex<Vec<Request>>);

impl Service for Replaying {
    fn call(&self, request: Request, _: Context) -> Reply {
        let responses = request.params.member("inputResponses");
        let state = request.params.member("requestState").and_then(|state| state.as_string());
        self.0.lock().unwrap().push(request);
        let outcome = match state.as_deref() {
            None => Outcome::InputRequired(raw(
                r#"{"resultType":"input_required","requestState":"one","inputRequests":{
                    "name":{"method":"elicitation/create","params":{"message":"Who?","requestedSchema":{}}},
                    "city":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}}}"#,
            )),
            Some("one") => {
                assert!(responses.unwrap().member("city").is_some());
                Outcome::InputRequired(raw(
                    r#"{"resultType":"input_required","requestState":"two","inputRequests":{
                        "sure":{"method":"elicitation/create","params":{"message":"Sure?","requestedSchema":{}}}}}"#,
                ))
            }
            _ => Outcome::Result(responses.unwrap()),
        };
        Reply::ready(outcome)
    }
}

async fn question(reply: &mut Reply) -> ServerRequest {
    match reply.next().await {
        Event::ServerRequest(question) => question,
        event => panic!("{event:?}"),
    }
}

async fn outcome(reply: &mut Reply) -> Outcome {
    match reply.next().await {
        Event::Outcome(outcome) => outcome,
        event => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn shim_asks_in_parallel_and_replays() {
    let inner = Arc::new(Replaying::default());
    let shim = LegacyClientAdapter::new(inner.clone(), LegacyClientLimits::default());
    let mut reply = shim.call(call(r#"{"name":"t","x":1}"#), context(LEGACY));
    let (name, city) = (question(&mut reply).await, question(&mut reply).await);
    assert_eq!((name.method, city.method), (Method::Elicit, Method::CreateMessage));
    city.responder.answer(Ok(raw(r#"{"role":"assistant"}"#)));
    name.responder.answer(Ok(raw(r#"{"action":"accept"}"#)));
    question(&mut reply).await.responder.answer(Ok(raw(r#"{"action":"decline"}"#)));
    assert_eq!(outcome(&mut reply).await, Outcome::Result(raw(r#"{"sure":{"action":"decline"}}"#)));
    let requests = inner.0.lock().unwrap();
    assert_eq!(
        requests[1].params.raw().as_str(),
        r#"{"name":"t","x":1,"inputResponses":{"name":{"action":"accept"},"city":{"role":"assistant"}},"requestState":"one"}"#
    );
}

#[tokio::test]
async fn shim_lets_a_caller_that_retries_pass() {
    let shim = LegacyClientAdapter::new(Arc::new(Replaying::default()), LegacyClientLimits::default());
    let ready = shim.call(call("{}"), context(MODERN)).into_ready().unwrap();
    assert!(matches!(ready, Outcome::InputRequired(_)));
}

#[tokio::test]
async fn shim_elicitation_error_is_cancel() {
    let shim = LegacyClientAdapter::new(Arc::new(Replaying::default()), LegacyClientLimits::default());
    let mut reply = shim.call(call("{}"), context(LEGACY));
    let (name, city) = (question(&mut reply).await, question(&mut reply).await);
    name.responder.answer(Err(Error::internal("no")));
    city.responder.answer(Ok(raw("{}")));
    let sure = question(&mut reply).await;
    sure.responder.answer(Err(Error::internal("no")));
    assert_eq!(outcome(&mut reply).await, Outcome::Result(raw(r#"{"sure":{"action":"cancel"}}"#)));
}

#[tokio::test]
async fn shim_sampling_error_is_tool_error_and_withdraws_the_others() {
    let shim = LegacyClientAdapter::new(Arc::new(Replaying::default()), LegacyClientLimits::default());
    let mut reply = shim.call(call("{}"), context(LEGACY));
    let (name, city) = (question(&mut reply).await, question(&mut reply).await);
    name.responder.answer(Ok(raw(r#"{"action":"accept"}"#)));
    city.responder.answer(Err(Error::new(-1, "user said no")));
    let Outcome::Result(result) = outcome(&mut reply).await else { panic!() };
    assert_eq!(result.member("isError").unwrap().as_str(), "true");
    assert!(result.as_str().contains("user said no"));
}

#[tokio::test(start_paused = true)]
async fn shim_ends_at_the_first_refusal_however_long_the_others_would_take() {
    let shim = LegacyClientAdapter::new(Arc::new(Replaying::default()), LegacyClientLimits::default());
    let mut reply = shim.call(call("{}"), context(LEGACY));
    let (mut name, city) = (question(&mut reply).await, question(&mut reply).await);
    city.responder.answer(Err(Error::new(-1, "user said no")));
    let end = tokio::time::timeout(Duration::from_secs(1), outcome(&mut reply)).await;
    let Ok(Outcome::Result(result)) = end else { panic!("{end:?}") };
    assert!(result.as_str().contains("user said no"));
    name.responder.withdrawn().await;
}

#[tokio::test(start_paused = true)]
async fn shim_ask_timeout() {
    let metrics = Metrics::new();
    let shim = LegacyClientAdapter::new(Arc::new(Replaying::default()), LegacyClientLimits::default())
        .metrics(&metrics);
    let mut reply = shim.call(call("{}"), context(LEGACY));
    let (name, mut city) = (question(&mut reply).await, question(&mut reply).await);
    let Outcome::Result(result) = outcome(&mut reply).await else { panic!() };
    assert!(result.as_str().contains("ask_timeout"));
    assert_eq!(metrics.refusals("ask_timeout").value(), 1);
    city.responder.withdrawn().await;
    assert!(name.responder.is_withdrawn());
}

/// Reports progress 1, sends a request, and reports progress 2 after its answer.
struct Telling;

impl Service for Telling {
    fn call(&self, request: Request, _: Context) -> Reply {
        emit::reply(|emitter| async move {
            let answered = request.params.member("inputResponses").is_some();
            for progress in 1..=if answered { 2 } else { 1 } {
                let params = raw(&format!(r#"{{"progressToken":"t","progress":{progress}}}"#));
                emitter.emit(Event::Notification(Notification { method: Method::Progress, params })).await;
            }
            let asking = r#"{"resultType":"input_required","requestState":"s","inputRequests":{
                "q":{"method":"elicitation/create","params":{"message":"?","requestedSchema":{}}}}}"#;
            if answered { Outcome::Result(raw("{}")) } else { Outcome::InputRequired(raw(asking)) }
        })
    }
}

#[tokio::test]
async fn shim_progress_increases_over_all_rounds() {
    let shim = LegacyClientAdapter::new(Telling, LegacyClientLimits::default());
    let mut reply = shim.call(call("{}"), context(LEGACY));
    let mut told = Vec::new();
    loop {
        match reply.next().await {
            Event::Notification(Notification { params, .. }) => told.push(params.member("progress").unwrap()),
            Event::ServerRequest(question) => question.responder.answer(Ok(raw(r#"{"action":"decline"}"#))),
            event => break assert!(matches!(event, Event::Outcome(Outcome::Result(_)))),
        }
    }
    assert_eq!(told, [raw("1"), raw("2")]);
}

/// Asks for ever.
struct Insatiable;

impl Service for Insatiable {
    fn call(&self, _: Request, _: Context) -> Reply {
        let required = raw(r#"{"resultType":"input_required","requestState":"again"}"#);
        Reply::ready(Outcome::InputRequired(required))
    }
}

#[tokio::test(start_paused = true)]
async fn shim_round_limit() {
    let metrics = Metrics::new();
    let shim = LegacyClientAdapter::new(Insatiable, LegacyClientLimits::default()).metrics(&metrics);
    let Outcome::Result(result) = shim.call(call("{}"), context(LEGACY)).outcome().await else { panic!() };
    assert!(result.as_str().contains("rounds"));
    assert_eq!(metrics.refusals("rounds").value(), 1);
}

#[tokio::test]
async fn shim_refuses_what_the_client_never_declared() {
    let shim = LegacyClientAdapter::new(Arc::new(Replaying::default()), LegacyClientLimits::default());
    let undeclared = Context::new(Principal::local(), LEGACY);
    let Outcome::Failed(failure) = shim.call(call("{}"), undeclared).outcome().await else { panic!() };
    assert!(matches!(*failure, anyport_protocol::failure::Failure::InvalidPeer(_)), "{failure}");
}

/// Asks once, and then says in how many seconds its caller stops waiting.
struct Hurried;

impl Service for Hurried {
    fn call(&self, request: Request, context: Context) -> Reply {
        if request.params.member("inputResponses").is_none() {
            return Telling.call(request, context);
        }
        let left = context.deadline().unwrap() - tokio::time::Instant::now();
        Reply::ready(Outcome::Result(raw(&left.as_secs().to_string())))
    }
}

#[tokio::test(start_paused = true)]
async fn shim_moves_the_deadline_on_while_a_person_thinks() {
    let shim = LegacyClientAdapter::new(Hurried, LegacyClientLimits::default());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    let mut reply = shim.call(call("{}"), context(LEGACY).with_deadline(deadline));
    let Event::Notification(_) = reply.next().await else { panic!() };
    let question = question(&mut reply).await;
    let person = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(300)).await;
        question.responder.answer(Ok(raw("{}")));
    });
    assert_eq!(outcome(&mut reply).await, Outcome::Result(raw("30")));
    person.await.unwrap();
}

/// Sends requests inline, as a legacy server does.
struct Live;

impl Service for Live {
    fn call(&self, _: Request, _: Context) -> Reply {
        emit::reply(|emitter| async move {
            let (question, answer) = ServerRequest::new(Method::Elicit, Raw::EMPTY_OBJECT);
            emitter.emit(Event::ServerRequest(question)).await;
            match answer.await {
                Ok(Ok(answer)) => Outcome::Result(answer),
                _ => Outcome::Error(Error::internal("unanswered")),
            }
        })
    }
}

/// A park in miniature: holds the open call and its question until the caller retries.
#[derive(Default)]
struct LegacyServerAdapter(Arc<Mutex<Option<(Reply, ServerRequest)>>>);

impl Service for LegacyServerAdapter {
    fn call(&self, request: Request, context: Context) -> Reply {
        let (held, parked) = (self.0.lock().unwrap().take(), self.0.clone());
        let mut reply = match (held, request.params.member("inputResponses")) {
            (Some((reply, question)), Some(answers)) => {
                question.responder.answer(Ok(answers.member("q1").unwrap()));
                reply
            }
            _ => Live.call(request, context),
        };
        Reply::future(async move {
            match reply.next().await {
                Event::Outcome(outcome) => outcome,
                Event::ServerRequest(question) => {
                    *parked.lock().unwrap() = Some((reply, question));
                    Outcome::InputRequired(raw(r#"{"resultType":"input_required","requestState":"parked"}"#))
                }
                event => panic!("{event:?}"),
            }
        })
    }
}

#[tokio::test]
async fn a_live_question_can_be_parked_for_a_caller_that_retries() {
    let park = LegacyServerAdapter::default();
    let first = park.call(call("{}"), context(MODERN)).outcome().await;
    assert!(matches!(first, Outcome::InputRequired(_)));
    let retry = call(r#"{"inputResponses":{"q1":{"action":"accept"}},"requestState":"parked"}"#);
    let second = park.call(retry, context(MODERN)).outcome().await;
    assert_eq!(second, Outcome::Result(raw(r#"{"action":"accept"}"#)));
}

#[tokio::test]
async fn shim_without_a_limit_on_answers_waits() {
    let limits = LegacyClientLimits::default().ask_timeout(Duration::MAX);
    let mut reply = LegacyClientAdapter::new(Replaying::default(), limits).call(call("{}"), context(LEGACY));
    for answer in [r#"{"action":"accept"}"#, r#"{"role":"assistant"}"#, r#"{"action":"accept"}"#] {
        question(&mut reply).await.responder.answer(Ok(raw(answer)));
    }
    assert!(matches!(outcome(&mut reply).await, Outcome::Result(_)));
}
