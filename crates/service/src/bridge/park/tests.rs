//! A legacy server, played by the test, behind a park; the caller is a modern client. Time is paused.

use std::sync::Mutex;

use anyport_protocol::{
    Limits as Bounds, Revision,
    meta::{LogLevel, Meta},
};
use tokio::{
    sync::mpsc,
    time::{advance, sleep, timeout},
};

use super::*;
use crate::{
    Answer, Emitter, Notification, Principal, Question,
    seal::{Key, Sealer},
};

const SECOND: Duration = Duration::from_secs(1);
const FORM: &str = r#"{"message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}"#;
const SAMPLE: &str = r#"{"messages":[],"maxTokens":1}"#;
const ACCEPT: &str = r#"{"action":"accept","content":{"name":"Ada"}}"#;
const DECLINE: &str = r#"{"action":"decline"}"#;
const MESSAGE: &str = r#"{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}"#;

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Bounds::default()).unwrap()
}

/// The server: hands every call to the test.
struct Scripted(mpsc::UnboundedSender<Called>);

/// A call as the server sees it.
struct Called {
    request: Request,
    context: Context,
    emitter: Emitter,
    end: oneshot::Sender<Outcome>,
    /// What the server waits for when its call is cancelled: whether it was answered by then.
    watched: Watched,
}

#[derive(Clone, Default)]
struct Watched(Arc<Mutex<(Waiting, Vec<bool>)>>);

type Waiting = Vec<oneshot::Receiver<Answer>>;

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watched = self.0.0.lock().unwrap();
        let (open, answered) = &mut *watched;
        answered.extend(open.iter_mut().map(|answer| answer.try_recv().is_ok()));
    }
}

struct Watching(Watched);

impl Service for Scripted {
    fn call(&self, request: Request, context: Context) -> Reply {
        let (calls, watched) = (self.0.clone(), Watched::default());
        emit::reply(move |emitter| {
            let (end, ended) = oneshot::channel();
            let open = Watching(watched.clone());
            calls.send(Called { request, context, emitter, end, watched }).ok().unwrap();
            async move {
                let _open = open;
                ended.await.unwrap_or_else(|_| {
                    Outcome::Error(Error::internal("killed").with_reason(Reason::UpstreamLost))
                })
            }
        })
    }
}

impl Called {
    fn ask(&self, method: Method, params: &str) -> oneshot::Receiver<Answer> {
        let (question, answer) = Question::new(method, raw(params));
        self.emitter.push(Event::Question(question));
        answer
    }

    fn elicit(&self) -> oneshot::Receiver<Answer> {
        self.ask(Method::Elicit, FORM)
    }

    fn say(&self, method: Method, params: &str) {
        self.emitter.push(Event::Notification(Notification { method, params: raw(params) }));
    }

    fn finish(self, result: &str) {
        self.end.send(Outcome::Result(raw(result))).unwrap();
    }

    fn fail(self, error: Error) {
        self.end.send(Outcome::Error(error)).unwrap();
    }
}

struct World {
    park: Park<Scripted>,
    calls: mpsc::UnboundedReceiver<Called>,
    metrics: Metrics,
    capabilities: &'static str,
    principal: Principal,
}

/// What a client is asked.
struct Asked {
    state: String,
    requests: Raw,
}

fn world_with(limits: ParkLimits) -> World {
    let (send, calls) = mpsc::unbounded_channel();
    let metrics = Metrics::new();
    let seals = Seals::new(Sealer::new(&Key::from_bytes([7; 32])), "node", "up");
    World {
        park: Park::new(Scripted(send), seals, limits).metrics(&metrics),
        calls,
        metrics,
        capabilities: r#"{"elicitation":{},"sampling":{}}"#,
        principal: Principal::named("ada"),
    }
}

fn world() -> World {
    world_with(ParkLimits::default())
}

impl World {
    fn context(&self) -> Context {
        Context::new(self.principal.clone(), Revision::V2026_07_28).with_client(raw(self.capabilities), None)
    }

    fn call(&self, method: Method, params: &str) -> Reply {
        self.park.call(Request::new(method, raw(params)), self.context())
    }

    fn tool(&self) -> Reply {
        self.call(Method::ToolsCall, r#"{"name":"t","arguments":{"a":1,"b":2}}"#)
    }

    fn retry(&self, asked: &Asked, answers: &str) -> Reply {
        self.tool_with(r#"{"a":1,"b":2}"#, &asked.state, answers)
    }

    fn tool_with(&self, arguments: &str, state: &str, answers: &str) -> Reply {
        let state = Raw::string(state);
        self.call(
            Method::ToolsCall,
            &format!(
                r#"{{"name":"t","arguments":{arguments},"requestState":{state},"inputResponses":{answers}}}"#
            ),
        )
    }

    async fn called(&mut self) -> Called {
        self.calls.recv().await.unwrap()
    }

    /// A tool call that has asked one question.
    async fn parked(&mut self) -> (Called, oneshot::Receiver<Answer>, Asked) {
        let reply = self.tool();
        let called = self.called().await;
        let answer = called.elicit();
        (called, answer, asked(reply).await)
    }

    fn refused(&self, limit: &'static str) -> u64 {
        self.metrics.refusals(limit).value()
    }
}

async fn asked(reply: Reply) -> Asked {
    match reply.outcome().await {
        Outcome::InputRequired(required) => Asked {
            state: required.member("requestState").unwrap().as_string().unwrap().to_string(),
            requests: required.member("inputRequests").unwrap(),
        },
        outcome => panic!("{outcome:?}"),
    }
}

async fn result(reply: Reply) -> String {
    match reply.outcome().await {
        Outcome::Result(result) => result.to_string(),
        outcome => panic!("{outcome:?}"),
    }
}

async fn error(reply: Reply) -> Error {
    match reply.outcome().await {
        Outcome::Error(error) => error,
        outcome => panic!("{outcome:?}"),
    }
}

/// Whether the reply ended in -32602 for this reason, with words that say what to do.
async fn assert_refused(reply: Reply, reason: Reason) {
    let error = error(reply).await;
    assert_eq!((error.code, error.reason), (code::INVALID_PARAMS, Some(reason)), "{error}");
    assert!(error.message.contains("without requestState"), "{error}");
}

async fn told(answer: oneshot::Receiver<Answer>) -> String {
    answer.await.unwrap().unwrap().to_string()
}

fn keys(asked: &Asked) -> Vec<String> {
    asked.requests.members().map(|member| member.key().into_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn park_accept() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    assert_eq!(called.context.asking(), Asking::Live);
    assert_eq!(
        asked.requests.as_str(),
        format!(r#"{{"q1":{{"method":"elicitation/create","params":{FORM}}}}}"#)
    );
    assert_eq!(world.park.parked(), 1);
    let retry = world.retry(&asked, &format!(r#"{{"q1":{ACCEPT},"other":1}}"#));
    assert_eq!(told(answer).await, ACCEPT);
    called.finish(r#"{"done":true}"#);
    assert_eq!(result(retry).await, r#"{"done":true}"#);
    assert_eq!(world.park.parked(), 0);
}

#[tokio::test(start_paused = true)]
async fn park_decline() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    let retry = world.retry(&asked, &format!(r#"{{"q1":{DECLINE}}}"#));
    assert_eq!(told(answer).await, DECLINE);
    called.finish("{}");
    assert_eq!(result(retry).await, "{}");
}

#[tokio::test(start_paused = true)]
async fn park_on_prompt_and_read() {
    for (method, params) in [
        (Method::PromptsGet, r#""name":"p","arguments":{"x":"y"}"#),
        (Method::ResourcesRead, r#""uri":"file:///a""#),
    ] {
        let mut world = world();
        let reply = world.call(method, &format!("{{{params}}}"));
        let called = world.called().await;
        let answer = called.elicit();
        let asked = asked(reply).await;
        let state = Raw::string(&asked.state);
        let retry = world.call(
            method,
            &format!(r#"{{{params},"requestState":{state},"inputResponses":{{"q1":{DECLINE}}}}}"#),
        );
        assert_eq!(told(answer).await, DECLINE);
        called.finish("{}");
        assert_eq!(result(retry).await, "{}");
    }
}

#[tokio::test(start_paused = true)]
async fn park_two_in_parallel() {
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    let first = called.elicit();
    let asking = tokio::spawn(asked(reply));
    sleep(Duration::from_millis(15)).await;
    let second = called.ask(Method::CreateMessage, SAMPLE);
    let asked = asking.await.unwrap();
    assert_eq!(keys(&asked), ["q1", "q2"]);
    let retry = world.retry(&asked, &format!(r#"{{"q2":{MESSAGE},"q1":{ACCEPT}}}"#));
    assert_eq!((told(first).await, told(second).await), (ACCEPT.into(), MESSAGE.into()));
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_three_rounds() {
    let mut world = world();
    let (called, mut answer, mut question) = world.parked().await;
    for round in 1..=3 {
        assert_eq!(keys(&question), [format!("q{round}")]);
        let retry = world.retry(&question, &format!(r#"{{"q{round}":{ACCEPT}}}"#));
        assert_eq!(told(answer).await, ACCEPT);
        if round == 3 {
            called.finish("{}");
            result(retry).await;
            break;
        }
        answer = called.elicit();
        let next = asked(retry).await;
        assert_ne!(next.state, question.state);
        question = next;
    }
    assert_eq!(world.park.parked(), 0);
}

#[tokio::test(start_paused = true)]
async fn park_reasks_missing() {
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    let (first, mut second) = (called.elicit(), called.elicit());
    let both = asked(reply).await;
    // Nothing at all: the same questions again.
    let same = asked(world.retry(&both, "{}")).await;
    assert_eq!(same.requests, both.requests);
    let mut open = asked(world.retry(&same, &format!(r#"{{"q1":{ACCEPT}}}"#))).await;
    assert_eq!((keys(&open), told(first).await), (vec!["q2".to_owned()], ACCEPT.to_owned()));
    // What is wrong counts as what is missing, until it is too much; then the call still waits for a good answer.
    for _ in 0..2 {
        open = asked(world.retry(&open, r#"{"q2":{"action":"accept"}}"#)).await;
    }
    let refused = error(world.retry(&open, r#"{"q2":{"action":"accept"}}"#)).await;
    assert_eq!((refused.code, refused.reason), (code::INVALID_PARAMS, Some(Reason::Malformed)));
    assert_eq!(world.refused("reasks"), 1);
    assert!(second.try_recv().is_err());
    let retry = world.retry(&open, &format!(r#"{{"q2":{ACCEPT}}}"#));
    assert_eq!(told(second).await, ACCEPT);
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_reasks_against_schema() {
    let mut world = world();
    let (called, mut answer, first) = world.parked().await;
    let again = asked(world.retry(&first, r#"{"q1":{"action":"accept","content":{"name":7}}}"#)).await;
    assert_eq!(again.requests, first.requests);
    assert!(answer.try_recv().is_err());
    assert_refused(world.retry(&first, &format!(r#"{{"q1":{ACCEPT}}}"#)), Reason::Consumed).await;
    let retry = world.retry(&again, &format!(r#"{{"q1":{ACCEPT}}}"#));
    assert_eq!(told(answer).await, ACCEPT);
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_malformed() {
    let mut world = world();
    let (_called, mut answer, asked) = world.parked().await;
    for answers in ["[]", r#"{"q1":"yes"}"#, r#"{"q1":{"action":"perhaps"}}"#] {
        let error = error(world.retry(&asked, answers)).await;
        assert_eq!((error.code, error.reason), (code::INVALID_PARAMS, Some(Reason::Malformed)));
        assert!(answer.try_recv().is_err());
    }
    assert_eq!(world.park.parked(), 1);
    drop(world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#)));
    assert_eq!(told(answer).await, ACCEPT);
}

#[tokio::test(start_paused = true)]
async fn park_tampered() {
    let mut world = world();
    let (_called, mut answer, asked) = world.parked().await;
    let mut altered = asked.state.clone();
    let last = altered.pop().unwrap();
    altered.push(if last == 'A' { 'B' } else { 'A' });
    let long = "A".repeat((64 << 10) + 1);
    for state in [altered.as_str(), "", "x", long.as_str()] {
        assert_refused(world.tool_with(r#"{"a":1,"b":2}"#, state, "{}"), Reason::Tampered).await;
    }
    let params = r#"{"name":"t","arguments":{"a":1,"b":2},"requestState":7}"#;
    assert_refused(world.call(Method::ToolsCall, params), Reason::Tampered).await;
    assert_eq!(world.refused("state_bytes"), 1);
    assert!(answer.try_recv().is_err());
    assert_eq!(world.park.parked(), 1);
}

#[tokio::test(start_paused = true)]
async fn park_other_arguments() {
    let mut world = world();
    let (_called, _answer, asked) = world.parked().await;
    let answers = format!(r#"{{"q1":{ACCEPT}}}"#);
    assert_refused(world.tool_with(r#"{"a":1,"b":3}"#, &asked.state, &answers), Reason::Mismatch).await;
    let state = Raw::string(&asked.state);
    let other = format!(r#"{{"name":"u","arguments":{{"a":1,"b":2}},"requestState":{state}}}"#);
    assert_refused(world.call(Method::ToolsCall, &other), Reason::Mismatch).await;
    let other = format!(r#"{{"name":"t","arguments":{{"a":1,"b":2}},"requestState":{state}}}"#);
    assert_refused(world.call(Method::PromptsGet, &other), Reason::Mismatch).await;
    assert_eq!(world.park.parked(), 1);
}

#[tokio::test(start_paused = true)]
async fn park_key_order_is_equal() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    let retry = world.tool_with(r#"{ "b": 2.0, "a" : 1 }"#, &asked.state, &format!(r#"{{"q1":{ACCEPT}}}"#));
    assert_eq!(told(answer).await, ACCEPT);
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_earlier_round() {
    let mut world = world();
    let (called, answer, first) = world.parked().await;
    let retry = world.retry(&first, &format!(r#"{{"q1":{ACCEPT}}}"#));
    told(answer).await;
    let mut answer = called.elicit();
    asked(retry).await;
    assert_refused(world.retry(&first, &format!(r#"{{"q1":{ACCEPT}}}"#)), Reason::Consumed).await;
    assert_refused(world.retry(&first, &format!(r#"{{"q2":{ACCEPT}}}"#)), Reason::Consumed).await;
    assert!(answer.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn foreign_principal() {
    let mut world = world();
    let (_called, mut answer, asked) = world.parked().await;
    world.principal = Principal::named("eve");
    assert_refused(world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#)), Reason::Foreign).await;
    assert!(answer.try_recv().is_err());
    assert_eq!(world.park.parked(), 1);
}

#[tokio::test(start_paused = true)]
async fn park_retry_joins() {
    let mut world = world();
    let (mut called, answer, asked) = world.parked().await;
    let answers = format!(r#"{{"q1":{ACCEPT}}}"#);
    let (one, two) = (world.retry(&asked, &answers), world.retry(&asked, &answers));
    told(answer).await;
    drop(one);
    sleep(SECOND).await;
    assert!(!called.end.is_closed(), "one is still there");
    let three = world.retry(&asked, &answers);
    called.say(Method::ToolsChanged, "{}");
    called.finish(r#"{"n":1}"#);
    assert_eq!((result(two).await, result(three).await), (r#"{"n":1}"#.into(), r#"{"n":1}"#.into()));

    let (called2, answer, asked) = world.parked().await;
    called = called2;
    let (one, two) = (world.retry(&asked, &answers), world.retry(&asked, &answers));
    told(answer).await;
    drop((one, two));
    timeout(SECOND, called.end.closed()).await.unwrap();
    sleep(SECOND).await;
    assert_refused(world.retry(&asked, &answers), Reason::Cancelled).await;
}

#[tokio::test(start_paused = true)]
async fn park_retry_replays() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    let answers = format!(r#"{{"q1":{ACCEPT}}}"#);
    let retry = world.retry(&asked, &answers);
    told(answer).await;
    called.finish(r#"{"n":1}"#);
    result(retry).await;
    advance(SECOND * 29).await;
    let spaced = format!(r#"{{ "q1" : {ACCEPT} }}"#);
    assert_eq!(result(world.retry(&asked, &spaced)).await, r#"{"n":1}"#);
    advance(SECOND * 2).await;
    assert_refused(world.retry(&asked, &answers), Reason::Consumed).await;
}

#[tokio::test(start_paused = true)]
async fn park_does_not_replay_what_is_large() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    let answers = format!(r#"{{"q1":{ACCEPT}}}"#);
    let retry = world.retry(&asked, &answers);
    told(answer).await;
    called.finish(&format!(r#"{{"text":"{}"}}"#, "x".repeat(64 << 10)));
    result(retry).await;
    assert_refused(world.retry(&asked, &answers), Reason::Consumed).await;
}

#[tokio::test(start_paused = true)]
async fn park_other_answers_refused() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    let retry = world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#));
    told(answer).await;
    let other = format!(r#"{{"q1":{DECLINE}}}"#);
    assert_refused(world.retry(&asked, &other), Reason::Consumed).await;
    called.finish("{}");
    result(retry).await;
    assert_refused(world.retry(&asked, &other), Reason::Consumed).await;
}

#[tokio::test(start_paused = true)]
async fn park_ttl_cancels_first() {
    let mut world = world();
    let (mut called, answer, asked) = world.parked().await;
    called.watched.0.lock().unwrap().0.push(answer);
    sleep(SECOND * 599).await;
    assert!(!called.end.is_closed());
    timeout(SECOND * 2, called.end.closed()).await.unwrap();
    sleep(SECOND).await;
    let (mut open, answered) = std::mem::take(&mut *called.watched.0.lock().unwrap());
    assert_eq!(answered, [false], "the call is cancelled before its question is answered");
    let error = open.remove(0).try_recv().unwrap().unwrap_err();
    assert_eq!(error.code, code::INTERNAL_ERROR);
    assert_refused(world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#)), Reason::Expired).await;
    assert_eq!((world.park.parked(), world.refused("park_ttl")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn park_restart_says_start_over() {
    let mut before = world();
    let (_called, _answer, asked) = before.parked().await;
    let after = world();
    assert_refused(after.retry(&asked, "{}"), Reason::Lost).await;
    advance(SECOND * 601).await;
    assert_refused(after.retry(&asked, "{}"), Reason::Expired).await;
    let (send, _calls) = mpsc::unbounded_channel();
    let seals = Seals::new(Sealer::new(&Key::from_bytes([8; 32])), "node", "up");
    let rekeyed = World { park: Park::new(Scripted(send), seals, ParkLimits::default()), ..world() };
    assert_refused(rekeyed.retry(&asked, "{}"), Reason::Lost).await;
    assert_eq!(before.park.yard.seals.node_of(&asked.state).as_deref(), Some("node"));
}

#[tokio::test(start_paused = true)]
async fn park_limit_overload() {
    for (limits, limit) in [
        (ParkLimits { parked_per_principal: 1, ..ParkLimits::default() }, "parked_per_principal"),
        (ParkLimits { parked_total: 1, ..ParkLimits::default() }, "parked_total"),
    ] {
        let mut world = world_with(limits);
        let (_called, _answer, asked_first) = world.parked().await;
        let reply = world.tool();
        let mut called = world.called().await;
        let answer = called.elicit();
        let error = error(reply).await;
        assert_eq!((error.code, error.reason), (code::INTERNAL_ERROR, Some(Reason::Overloaded)));
        assert!(error.message.contains(limit));
        assert_eq!(answer.await.unwrap().unwrap_err().code, code::INTERNAL_ERROR);
        timeout(SECOND, called.end.closed()).await.unwrap();
        assert_eq!((world.refused(limit), world.park.parked()), (1, 1));
        // Who waits is not disturbed, and leaves room when it is through.
        drop(world.retry(&asked_first, &format!(r#"{{"q1":{ACCEPT}}}"#)));
        sleep(SECOND).await;
        world.parked().await;
    }
}

#[tokio::test(start_paused = true)]
async fn park_upstream_killed() {
    let mut world = world();
    let (called, _answer, asked) = world.parked().await;
    drop(called);
    sleep(SECOND).await;
    let parked = error(world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#))).await;
    assert_eq!((parked.code, parked.reason), (code::INTERNAL_ERROR, Some(Reason::UpstreamLost)));
    let reply = world.tool();
    drop(world.called().await);
    let attached = error(reply).await;
    assert_eq!((attached.code, attached.reason), (code::INTERNAL_ERROR, Some(Reason::UpstreamLost)));
    assert_eq!(world.park.parked(), 0);
}

#[tokio::test(start_paused = true)]
async fn park_server_times_out_first() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    sleep(SECOND * 60).await;
    called.finish(r#"{"isError":true}"#);
    assert_eq!(answer.await.unwrap().unwrap_err().code, code::INTERNAL_ERROR);
    sleep(SECOND * 60).await;
    let answers = format!(r#"{{"q1":{ACCEPT}}}"#);
    assert_eq!(result(world.retry(&asked, &answers)).await, r#"{"isError":true}"#);
    assert_eq!(result(world.retry(&asked, &answers)).await, r#"{"isError":true}"#);
    assert_refused(world.retry(&asked, "{}"), Reason::Consumed).await;
}

#[tokio::test(start_paused = true)]
async fn park_keeps_no_outcome_that_is_too_large() {
    let mut world = world_with(ParkLimits { parked_bytes: 1000, ..ParkLimits::default() });
    let (called, _answer, asked) = world.parked().await;
    called.finish(&format!(r#"{{"text":"{}"}}"#, "x".repeat(1000)));
    sleep(SECOND).await;
    let told = error(world.retry(&asked, "{}")).await;
    assert_eq!((told.reason, world.refused("parked_bytes")), (Some(Reason::TooLarge), 1));
    let reply = world.tool();
    let called = world.called().await;
    let long = called.ask(Method::Elicit, &format!(r#"{{"message":"{}"}}"#, "x".repeat(1000)));
    assert!(long.await.unwrap().unwrap_err().message.contains("parked_bytes"));
    called.finish("{}");
    result(reply).await;
}

#[tokio::test(start_paused = true)]
async fn park_bounds_questions_and_rounds() {
    let mut world = world_with(ParkLimits { questions: 2, rounds: 1, ..ParkLimits::default() });
    let reply = world.tool();
    let called = world.called().await;
    let (first, second, third) = (called.elicit(), called.elicit(), called.elicit());
    let asked = asked(reply).await;
    assert_eq!(keys(&asked), ["q1", "q2"]);
    assert!(third.await.unwrap().unwrap_err().message.contains("questions"));
    // In the last round what is missing cannot be asked again.
    let retry = world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#));
    assert_eq!(told(first).await, ACCEPT);
    assert!(second.await.unwrap().unwrap_err().message.contains("rounds"));
    assert!(called.elicit().await.unwrap().unwrap_err().message.contains("rounds"));
    called.finish("{}");
    result(retry).await;
    assert_eq!((world.refused("questions"), world.refused("rounds")), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn park_call_timeout_stands_still_while_it_is_parked() {
    let mut world = world_with(ParkLimits { call_timeout: Some(SECOND * 10), ..ParkLimits::default() });
    let reply = world.tool();
    let mut called = world.called().await;
    sleep(SECOND * 6).await;
    let answer = called.elicit();
    let asked = asked(reply).await;
    sleep(SECOND * 300).await;
    let retry = world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#));
    told(answer).await;
    sleep(SECOND * 3).await;
    assert!(!called.end.is_closed());
    let error = error(retry).await;
    assert_eq!((error.code, error.reason), (code::INTERNAL_ERROR, Some(Reason::Timeout)));
    timeout(SECOND, called.end.closed()).await.unwrap();
    assert_eq!(world.refused("call_timeout"), 1);
}

#[tokio::test(start_paused = true)]
async fn park_disconnect_sends_cancelled() {
    let mut world = world();
    let reply = world.tool();
    let mut called = world.called().await;
    let answer = called.elicit();
    sleep(Duration::from_millis(5)).await;
    drop(reply);
    timeout(SECOND, called.end.closed()).await.unwrap();
    assert_eq!(answer.await.unwrap().unwrap_err().code, code::INTERNAL_ERROR);
    assert_eq!(world.park.parked(), 0);
}

#[tokio::test(start_paused = true)]
async fn park_drain_ends_what_is_parked_and_nothing_else() {
    let mut world = world();
    let (mut called, answer, first) = world.parked().await;
    let running = world.tool();
    let other = world.called().await;
    world.park.drain();
    timeout(SECOND, called.end.closed()).await.unwrap();
    assert!(answer.await.unwrap().is_err());
    sleep(SECOND).await;
    assert_refused(world.retry(&first, "{}"), Reason::Cancelled).await;
    other.finish("{}");
    result(running).await;
    let late = world.tool();
    let called = world.called().await;
    let _answer = called.elicit();
    assert_eq!(error(late).await.reason, Some(Reason::ShuttingDown));
}

#[tokio::test(start_paused = true)]
async fn park_withdrawn_question_is_not_asked() {
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    let (first, second) = (called.elicit(), called.elicit());
    let both = asked(reply).await;
    drop(first);
    sleep(SECOND).await;
    let left = asked(world.retry(&both, "{}")).await;
    assert_eq!(keys(&left), ["q2"]);
    drop(second);
    sleep(SECOND).await;
    // A late answer is dropped; with no question left the retry waits for the outcome.
    let retry = world.retry(&left, &format!(r#"{{"q2":{ACCEPT}}}"#));
    sleep(SECOND).await;
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_more_questions_come_with_the_next_round() {
    let mut world = world();
    let (called, first, question) = world.parked().await;
    let second = called.elicit();
    sleep(SECOND).await;
    let next = asked(world.retry(&question, &format!(r#"{{"q1":{ACCEPT},"q2":{ACCEPT}}}"#))).await;
    assert_eq!((told(first).await, keys(&next)), (ACCEPT.into(), vec!["q2".to_owned()]));
    let retry = world.retry(&next, &format!(r#"{{"q2":{DECLINE}}}"#));
    assert_eq!(told(second).await, DECLINE);
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_outcome_while_gathering_comes_through() {
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    let answer = called.elicit();
    called.finish("{}");
    assert_eq!(result(reply).await, "{}");
    assert_eq!(answer.await.unwrap().unwrap_err().code, code::INTERNAL_ERROR);
}

#[tokio::test(start_paused = true)]
async fn park_tells_the_newest_progress_and_kept_logs_to_the_retry() {
    let mut world = world();
    let meta = |token: &str| Meta { progress_token: Some(raw(token)), ..Meta::default() };
    let context = world.context().with_log_level(Some(LogLevel::Debug));
    let request = Request::new(Method::ToolsCall, raw(r#"{"name":"t"}"#));
    let reply = world.park.call(request, context.with_meta(meta("\"one\"")).unwrap());
    let called = world.called().await;
    called.say(Method::Progress, r#"{"progressToken":"one","progress":1}"#);
    let _answer = called.elicit();
    let asked = asked(reply).await;
    for progress in [3, 2] {
        called.say(Method::Progress, &format!(r#"{{"progressToken":"one","progress":{progress}}}"#));
    }
    called.say(Method::LogMessage, &format!(r#"{{"level":"error","data":"{}"}}"#, "x".repeat(60 << 10)));
    called.say(Method::LogMessage, r#"{"level":"debug","data":1}"#);
    called.say(Method::LogMessage, &format!(r#"{{"level":"error","data":"{}"}}"#, "y".repeat(10 << 10)));
    sleep(SECOND).await;
    let params = Splice::new()
        .with("name", &raw("\"t\""))
        .with("requestState", &Raw::string(&asked.state))
        .with("inputResponses", &raw(&format!(r#"{{"q1":{ACCEPT}}}"#)))
        .finish();
    let context = world.context().with_log_level(Some(LogLevel::Warning)).with_meta(meta("2")).unwrap();
    let mut retry = world.park.call(Request::new(Method::ToolsCall, params), context);
    let Event::Notification(progress) = retry.next().await else { panic!() };
    assert_eq!(progress.params.as_str(), r#"{"progress":3,"progressToken":2}"#);
    let Event::Notification(log) = retry.next().await else { panic!() };
    assert!(log.params.as_str().contains("yyy"), "the oldest went, and what is below the level");
    called.say(Method::Progress, r#"{"progressToken":"one","progress":3}"#);
    called.say(Method::Progress, r#"{"progressToken":"one","progress":4}"#);
    let Event::Notification(progress) = retry.next().await else { panic!() };
    assert_eq!(progress.params.as_str(), r#"{"progress":4,"progressToken":2}"#);
    called.finish("{}");
    result(retry).await;
    assert_eq!(world.refused("parked_log_bytes"), 1);
}

#[tokio::test(start_paused = true)]
async fn undeclared_is_32021() {
    for (capabilities, method, params, refusal, required) in [
        ("{}", Method::Elicit, FORM, -32601, r#"{"elicitation":{"form":{}}}"#),
        ("{}", Method::CreateMessage, SAMPLE, -32601, r#"{"sampling":{}}"#),
        ("{}", Method::ListRoots, "{}", -32601, r#"{"roots":{}}"#),
        (
            r#"{"elicitation":{}}"#,
            Method::Elicit,
            r#"{"mode":"url","message":"m","url":"https://a.example"}"#,
            -32602,
            r#"{"elicitation":{"url":{}}}"#,
        ),
    ] {
        let mut world = World { capabilities, ..world() };
        let reply = world.tool();
        let called = world.called().await;
        let refused = called.ask(method, params).await.unwrap().unwrap_err();
        assert_eq!(refused.code, refusal);
        called.fail(refused);
        let error = error(reply).await;
        assert_eq!(error.code, code::MISSING_CLIENT_CAPABILITY);
        let data = format!(r#"{{"requiredCapabilities":{required}}}"#);
        assert_eq!(error.data.unwrap().as_str(), data);
        // A result passes: the server found another way.
        let reply = world.tool();
        let called = world.called().await;
        called.ask(method, params).await.unwrap().unwrap_err();
        called.finish("{}");
        result(reply).await;
    }
}

#[tokio::test(start_paused = true)]
async fn sampling_tools() {
    let tools = r#"{"messages":[],"maxTokens":1,"tools":[],"includeContext":"allServers","task":{"ttl":1},"_meta":{"progressToken":1,"a":2}}"#;
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    let refused = called.ask(Method::CreateMessage, tools).await.unwrap().unwrap_err();
    assert_eq!(refused.code, code::INVALID_PARAMS);
    drop((reply, called));
    world.capabilities = r#"{"sampling":{"tools":{}}}"#;
    let reply = world.tool();
    let called = world.called().await;
    let _answer = called.ask(Method::CreateMessage, tools);
    let params = asked(reply).await.requests.member("q1").unwrap().member("params").unwrap();
    assert_eq!(params.as_str(), r#"{"messages":[],"maxTokens":1,"tools":[],"_meta":{"a":2}}"#);
    world.capabilities = r#"{"sampling":{"tools":{},"context":{}}}"#;
    let reply = world.tool();
    let called = world.called().await;
    let _answer = called.ask(Method::CreateMessage, tools);
    let params = asked(reply).await.requests.member("q1").unwrap().member("params").unwrap();
    assert_eq!(params.member("includeContext").unwrap().as_str(), "\"allServers\"");
}

#[tokio::test(start_paused = true)]
async fn url_park() {
    let mut world = World { capabilities: r#"{"elicitation":{"url":{}}}"#, ..world() };
    let reply = world.tool();
    let called = world.called().await;
    let url = r#"{"mode":"url","message":"m","url":"https://a.example","elicitationId":"e"}"#;
    let answer = called.ask(Method::Elicit, url);
    let asked = asked(reply).await;
    let params = asked.requests.member("q1").unwrap().member("params").unwrap();
    assert_eq!(params.as_str(), r#"{"mode":"url","message":"m","url":"https://a.example"}"#);
    let retry = world.retry(&asked, r#"{"q1":{"action":"accept"}}"#);
    assert_eq!(told(answer).await, r#"{"action":"accept"}"#);
    called.finish("{}");
    result(retry).await;
}

fn url_error() -> Error {
    let data =
        r#"{"elicitations":[{"mode":"url","elicitationId":"e1","url":"https://a.example","message":"m"}]}"#;
    Error::new(code::URL_ELICITATION_REQUIRED, "visit").with_data(raw(data))
}

#[tokio::test(start_paused = true)]
async fn url_error_asks() {
    let mut world = World { capabilities: r#"{"elicitation":{"url":{}}}"#, ..world() };
    let reply = world.tool();
    world.called().await.fail(url_error());
    let first = asked(reply).await;
    assert_eq!(
        first.requests.as_str(),
        r#"{"q1":{"method":"elicitation/create","params":{"url":"https://a.example","message":"m","mode":"url"}}}"#
    );
    assert_eq!(world.park.parked(), 0);
    // What is missing is asked again.
    let again = asked(world.retry(&first, "{}")).await;
    assert_eq!(again.requests, first.requests);
    let declined = result(world.retry(&again, r#"{"q1":{"action":"decline"}}"#)).await;
    assert!(declined.contains(r#""isError":true"#));
    // The server's word that the user was there ends the wait, which is 30 s otherwise.
    let started = tokio::time::Instant::now();
    let retry = tokio::spawn(world.retry(&again, r#"{"q1":{"action":"accept"}}"#).outcome());
    sleep(SECOND * 5).await;
    assert!(world.calls.try_recv().is_err());
    world.park.completed("e1");
    let called = world.called().await;
    assert_eq!(started.elapsed(), SECOND * 5);
    assert_eq!(called.request.params.as_str(), r#"{"name":"t","arguments":{"a":1,"b":2}}"#);
    called.fail(url_error());
    let Outcome::InputRequired(required) = retry.await.unwrap() else { panic!() };
    assert!(required.member("inputRequests").unwrap().member("q1").is_none(), "keys are not used again");

    let last = Asked {
        state: required.member("requestState").unwrap().as_string().unwrap().to_string(),
        requests: required.member("inputRequests").unwrap(),
    };
    let key = keys(&last).remove(0);
    let started = tokio::time::Instant::now();
    let retry = tokio::spawn(world.retry(&last, &format!(r#"{{"{key}":{{"action":"accept"}}}}"#)).outcome());
    let called = world.called().await;
    assert_eq!(started.elapsed(), SECOND * 30);
    called.finish("{}");
    assert_eq!(retry.await.unwrap(), Outcome::Result(raw("{}")));

    let state = Raw::string(&last.state);
    let malformed = format!(
        r#"{{"name":"t","arguments":{{"a":1,"b":2}},"requestState":{state},"inputResponses":{{"{key}":1}}}}"#
    );
    assert_eq!(error(world.call(Method::ToolsCall, &malformed)).await.reason, Some(Reason::Malformed));
}

#[tokio::test(start_paused = true)]
async fn url_error_declined_on_a_read_is_an_error() {
    let mut world = World { capabilities: r#"{"elicitation":{"url":{}}}"#, ..world() };
    let reply = world.call(Method::ResourcesRead, r#"{"uri":"a:b"}"#);
    world.called().await.fail(url_error());
    let asked = asked(reply).await;
    let state = Raw::string(&asked.state);
    let params =
        format!(r#"{{"uri":"a:b","requestState":{state},"inputResponses":{{"q1":{{"action":"cancel"}}}}}}"#);
    assert_eq!(error(world.call(Method::ResourcesRead, &params)).await.reason, Some(Reason::Declined));
}

#[tokio::test(start_paused = true)]
async fn url_error_without_capability() {
    let mut world = world();
    let reply = world.tool();
    world.called().await.fail(url_error());
    let told = error(reply).await;
    assert_eq!(told.code, code::MISSING_CLIENT_CAPABILITY);
    assert_eq!(told.data.unwrap().as_str(), r#"{"requiredCapabilities":{"elicitation":{"url":{}}}}"#);
    // And one that names no URL, or comes where nobody can be asked, is not passed on either.
    for method in [Method::ToolsCall, Method::ToolsList] {
        let reply = world.call(method, r#"{"name":"t"}"#);
        world.called().await.fail(Error::new(code::URL_ELICITATION_REQUIRED, "visit"));
        assert_eq!(error(reply).await.reason, Some(Reason::InvalidUpstream));
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_that_may_not_ask_refuses_and_goes_on() {
    let mut world = world();
    let mut reply = world.call(Method::ToolsList, "{}");
    let called = world.called().await;
    assert_eq!(called.context.asking(), Asking::Retry);
    let answer = called.elicit();
    called.say(Method::ToolsChanged, "{}");
    assert!(matches!(reply.next().await, Event::Notification(_)));
    let refused = answer.await.unwrap().unwrap_err();
    assert_eq!(refused.code, code::METHOD_NOT_FOUND);
    assert_eq!(refused.message, "the client cannot be asked during tools/list");
    called.finish("{}");
    result(reply).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_asked_live_passes() {
    let mut world = world();
    let request = Request::new(Method::ToolsCall, raw(r#"{"name":"t","requestState":"its own"}"#));
    let context = Context::new(Principal::local(), Revision::V2025_11_25);
    let mut reply = world.park.call(request.clone(), context);
    let called = world.called().await;
    assert_eq!(called.request, request);
    let answer = called.elicit();
    let Event::Question(question) = reply.next().await else { panic!() };
    question.answerer.answer(Ok(raw(ACCEPT)));
    assert_eq!(told(answer).await, ACCEPT);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_asks_nothing_is_as_it_was() {
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    called.say(Method::ToolsChanged, r#"{"x":1}"#);
    let told = tokio::spawn(async move {
        let mut reply = reply;
        let Event::Notification(notification) = reply.next().await else { panic!() };
        (notification.params, reply.outcome().await)
    });
    sleep(SECOND).await;
    called.fail(Error::new(-5, "own"));
    let own = Outcome::Error(Error::new(-5, "own"));
    assert_eq!(told.await.unwrap(), (raw(r#"{"x":1}"#), own));
}
