//! Connections to services of this process in every revision, and one whose server is the test.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_metrics::Metrics;
use anyport_protocol::{
    Limits, Method, Raw, Revision,
    meta::{LogLevel, Meta},
};
use anyport_service::{
    Context, Event, InputMode, Notification, Outcome, PeerEvent, Principal, Reply, Request, ServerRequest,
    Service, emit,
};
use bytes::Bytes;

use super::{
    CloseReason, ConnectError, ConnectOptions, Connection, Target, connect,
    connection::Transport,
    duplex::{Duplex, Outbox, by_hand},
};
use crate::{BufferLimits, BufferedBytes, dialogue::Frame};

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

fn capabilities() -> Raw {
    raw(r#"{"elicitation":{"form":{}},"sampling":{},"roots":{}}"#)
}

/// A caller of the newest revision that declared everything and can be asked live.
fn caller() -> Context {
    Context::new(Principal::local(), Revision::NEWEST)
        .with_client(capabilities(), Some(raw(r#"{"name":"c","version":"1"}"#)))
        .with_input_mode(InputMode::Inline)
}

fn tool(name: &str) -> Request {
    Request::new(Method::ToolsCall, raw(&format!(r#"{{"name":"{name}","arguments":{{"n": 1.50}}}}"#)))
}

/// A server with a tool for each thing that a call can do.
#[derive(Clone, Default)]
struct Tour {
    waiting: Arc<AtomicUsize>,
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service for Tour {
    fn call(&self, request: Request, context: Context) -> Reply {
        let method = request.known();
        if method == Some(Method::Discover) {
            return Reply::ready(Ok(raw(
                r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"logging":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"tour","version":"1"}}}"#,
            )));
        }
        let name = request.name().unwrap_or_default();
        let params = request.params.raw().clone();
        let waiting = self.waiting.clone();
        emit::reply(|emitter| async move {
            match &*name {
                "progress" => {
                    let Some(token) = context.progress_token() else { return done("no token") };
                    let params = raw(&format!(r#"{{"progressToken":{token},"progress":1}}"#));
                    emitter
                        .emit(Event::Notification(Notification { method: Method::Progress, params }))
                        .await;
                    done("progressed")
                }
                "log" => {
                    let params = raw(r#"{"level":"info","data":"said"}"#);
                    if context.log_level().is_some_and(|level| level <= LogLevel::Info) {
                        let log = Notification { method: Method::LogMessage, params };
                        emitter.emit(Event::Notification(log)).await;
                    }
                    done("logged")
                }
                "ask" if context.input_mode() == InputMode::InputRequired => Outcome::InputRequired(raw(
                    r#"{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{}}}}},"requestState":"s"}"#,
                )),
                "ask" | "sample" => {
                    let (method, params) = if name == "ask" {
                        (
                            Method::Elicit,
                            raw(r#"{"message":"m","requestedSchema":{"type":"object","properties":{}}}"#),
                        )
                    } else {
                        (Method::CreateMessage, raw(r#"{"messages":[],"maxTokens":1}"#))
                    };
                    let (question, answer) = ServerRequest::new(method, params);
                    emitter.emit(Event::ServerRequest(question)).await;
                    match answer.await {
                        Ok(Ok(answer)) => done(answer.as_str()),
                        Ok(Err(error)) => done(&error.message),
                        Err(_) => done("no answer"),
                    }
                }
                "wait" => {
                    waiting.fetch_add(1, Ordering::SeqCst);
                    let _waiting = Waiting(waiting);
                    std::future::pending().await
                }
                _ => done(&format!("echo {params}")),
            }
        })
    }
}

fn done(text: &str) -> Outcome {
    let text = Raw::string(text);
    Outcome::Result(raw(&format!(
        r#"{{"resultType":"complete","content":[{{"type":"text","text":{text}}}]}}"#
    )))
}

async fn tour(revision: Revision) -> (Connection, Tour) {
    let tour = Tour::default();
    let opening = ConnectOptions::default().revision(revision).capabilities(capabilities());
    let connection = connect(&Target::Service(Arc::new(tour.clone())), &opening).await.unwrap();
    assert_eq!(connection.revision(), revision);
    (connection, tour)
}

fn text(event: Event) -> String {
    match event {
        Event::Outcome(Outcome::Result(result)) => result.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_revision_is_spoken_and_told_in_the_newest_vocabulary() {
    for revision in Revision::ALL {
        let (connection, _) = tour(revision).await;
        assert!(connection.discovered().as_str().contains(r#""name":"tour""#), "{revision}");
        let result = text(connection.call(tool("echo"), caller()).next().await);
        assert!(result.contains(r#"\"arguments\":{\"n\": 1.50}"#), "{revision}: {result}");
        assert!(result.contains(r#""resultType":"complete""#), "{revision}: {result}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_that_both_know_is_found() {
    let target = Target::Service(Arc::new(Tour::default()));
    let connection = connect(&target, &ConnectOptions::default()).await.unwrap();
    assert_eq!(connection.revision(), Revision::NEWEST);
}

#[tokio::test(start_paused = true)]
async fn progress_comes_back_under_the_callers_token() {
    for revision in Revision::ALL {
        let (connection, _) = tour(revision).await;
        let meta = Meta { progress_token: Some(raw(r#""th\u0065irs""#)), ..Meta::default() };
        let mut reply = connection.call(tool("progress"), caller().with_meta(meta).unwrap());
        let Event::Notification(progress) = reply.next().await else { panic!("{revision}") };
        assert!(progress.params.as_str().ends_with(r#""progressToken":"th\u0065irs"}"#), "{revision}");
        assert!(text(reply.next().await).contains("progressed"));
        let mut silent = connection.call(tool("progress"), caller());
        assert!(text(silent.next().await).contains("no token"), "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn logs_come_to_who_wants_them() {
    for revision in Revision::ALL {
        let (connection, _) = tour(revision).await;
        let mut reply = connection.call(tool("log"), caller().with_log_level(Some(LogLevel::Debug)));
        let Event::Notification(log) = reply.next().await else { panic!("{revision}") };
        assert_eq!(log.method, Method::LogMessage);
        assert!(text(reply.next().await).contains("logged"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_server_asks_live_and_a_modern_one_by_result() {
    for revision in Revision::ALL {
        let (connection, _) = tour(revision).await;
        let name = if revision < Revision::V2025_06_18 { "sample" } else { "ask" };
        let mut reply = connection.call(tool(name), caller());
        match reply.next().await {
            Event::ServerRequest(question) => {
                assert!(!revision.is_stateless());
                question.responder.answer(Ok(raw(r#"{"action":"decline","role":"user","model":"m"}"#)));
                assert!(text(reply.next().await).contains("decline"), "{revision}");
            }
            Event::Outcome(Outcome::InputRequired(result)) => {
                assert!(revision.is_stateless() && result.as_str().contains(r#""requestState":"s""#));
            }
            other => panic!("{revision}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_a_reply_cancels_the_call_at_the_server() {
    for revision in Revision::ALL {
        let (connection, tour) = tour(revision).await;
        let mut reply = connection.call(tool("wait"), caller());
        let idle = tokio::time::timeout(Duration::from_secs(1), reply.next()).await;
        assert!(idle.is_err() && tour.waiting.load(Ordering::SeqCst) == 1);
        drop(reply);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(tour.waiting.load(Ordering::SeqCst), 0, "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn close_ends_open_calls_and_says_so() {
    let (connection, _) = tour(Revision::NEWEST).await;
    let mut reply = connection.call(tool("wait"), caller());
    connection.clone().close().await;
    let Event::Outcome(outcome) = reply.next().await else { panic!() };
    let error = refused(outcome);
    assert_eq!(error.data.unwrap().as_str(), r#"{"reason":"upstream_lost"}"#);
    assert!(matches!(connection.closed().await, CloseReason::Closed));
    let late = connection.call(tool("echo"), caller()).into_ready().unwrap();
    assert!(refused(late).message.contains("closed"));
}

#[tokio::test(start_paused = true)]
async fn a_demanded_revision_that_the_server_lacks_is_refused() {
    struct Mute;
    impl Service for Mute {
        fn call(&self, _: Request, _: Context) -> Reply {
            Reply::pending(futures_util::stream::pending())
        }
    }
    let target = Target::Service(Arc::new(Mute));
    let modern = ConnectOptions::default().revision(Revision::NEWEST);
    let error = connect(&target, &modern).await.unwrap_err();
    assert!(error.to_string().contains("did not answer server/discover within 10s"), "{error}");
    let error = connect(&target, &ConnectOptions::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Silent(_)), "{error}");
}

/// A connection whose server is the test. Its negotiation took the id 1.
struct ByHand {
    connection: Arc<Duplex>,
    outbox: Outbox,
}

impl ByHand {
    fn new(revision: Revision) -> Self {
        let (connection, outbox) = by_hand(revision, ConnectOptions::default());
        Self { connection, outbox }
    }

    fn hear(&self, text: &str) {
        self.connection.receive(Frame::Message(Bytes::copy_from_slice(text.as_bytes())));
    }

    async fn sent(&mut self) -> String {
        String::from_utf8(self.outbox.next().await.unwrap().to_vec()).unwrap()
    }

    /// Makes a call and takes its request from what is sent.
    async fn call(&mut self, name: &str, context: Context) -> Reply {
        let reply = self.connection.call(tool(name), context);
        assert!(self.sent().await.contains("tools/call"));
        reply
    }
}

const ASK: &str = r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{}}}}"#;

#[tokio::test(start_paused = true)]
async fn ping_is_answered_and_other_requests_refused() {
    let mut server = ByHand::new(Revision::V2025_11_25);
    server.hear(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    assert_eq!(server.sent().await, r#"{"jsonrpc":"2.0","id":"p","result":{}}"#);
    server.hear(r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list"}"#);
    assert!(server.sent().await.contains("-32601"));
    server.hear(ASK);
    assert!(server.sent().await.contains(r#""code":-32603,"message":"no call is open"#));
    let mut modern = ByHand::new(Revision::NEWEST);
    for request in [
        ASK,
        r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"x","params":null}"#,
    ] {
        modern.hear(request);
    }
    assert_eq!(modern.connection.unexpected(), 3);
    assert!(modern.outbox.waiting().is_none(), "2026-07-28: the client MUST NOT write responses");
}

/// Invariant: A server request on a shared connection goes to the call that it belongs to. It is never
/// guessed among several callers.
#[tokio::test(start_paused = true)]
async fn two_callers_are_never_mixed_up() {
    let mut server = ByHand::new(Revision::V2025_11_25);
    let named = |name: &'static str| {
        Context::new(Principal::named(name), Revision::NEWEST).with_client(capabilities(), None)
    };
    let mut one = server.call("a", named("one")).await;
    let two = server.call("b", named("two")).await;
    server.hear(ASK);
    assert!(server.sent().await.contains("several callers"));
    drop(two);
    let cancelled = server.sent().await;
    assert!(cancelled.contains("notifications/cancelled"));
    // The server may be at work on the cancelled call until it has answered it.
    server.hear(ASK);
    assert!(server.sent().await.contains("several callers"));
    let cancelled: serde_json::Value = serde_json::from_str(&cancelled).unwrap();
    let answer = serde_json::json!({"jsonrpc": "2.0", "id": cancelled["params"]["requestId"], "result": {"content": []}});
    server.hear(&answer.to_string());
    server.hear(ASK);
    assert!(matches!(one.next().await, Event::ServerRequest(_)));
    // The question was dropped unanswered.
    assert!(server.sent().await.contains("nobody answers elicitation/create"));
}

#[tokio::test(start_paused = true)]
async fn undeclared_is_32021() {
    let mut server = ByHand::new(Revision::V2025_11_25);
    let context = Context::new(Principal::local(), Revision::NEWEST);
    let mut reply = server.call("a", context).await;
    server.hear(ASK);
    assert!(server.sent().await.contains("-32601"));
    server.hear(r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32603,"message":"it cannot ask"}}"#);
    let Event::Outcome(outcome) = reply.next().await else { panic!() };
    let error = refused(outcome);
    assert_eq!(error.code, -32021);
    assert!(error.data.unwrap().as_str().contains(r#""elicitation":{"form":{}}"#));
}

#[tokio::test(start_paused = true)]
async fn a_question_may_be_withdrawn_and_ends_with_its_call() {
    let mut server = ByHand::new(Revision::V2025_11_25);
    let mut reply = server.call("a", caller()).await;
    server.hear(ASK);
    let Event::ServerRequest(mut question) = reply.next().await else { panic!() };
    server.hear(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q"}}"#);
    question.responder.withdrawn().await;
    server.hear(&ASK.replace("\"q\"", "\"r\""));
    let Event::ServerRequest(question) = reply.next().await else { panic!() };
    drop(reply);
    assert!(server.sent().await.contains(r#""method":"notifications/cancelled""#));
    let refused = server.sent().await;
    assert!(refused.contains(r#""id":"r""#) && refused.contains("is over"), "{refused}");
    drop(question);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_waits_for_a_person_hears_of_progress() {
    let mut server = ByHand::new(Revision::V2025_11_25);
    let mut reply = server.call("a", caller()).await;
    let with_token = ASK.replace(r#""message""#, r#""_meta":{"progressToken":"t"},"message""#);
    server.hear(&with_token);
    let Event::ServerRequest(question) = reply.next().await else { panic!() };
    assert!(!question.params.as_str().contains("progressToken"));
    for told in 1..=2 {
        let expected = format!(r#""params":{{"progressToken":"t","progress":{told}}}"#);
        assert!(server.sent().await.contains(&expected));
    }
    question.responder.answer(Ok(raw(r#"{"action":"cancel"}"#)));
    assert_eq!(server.sent().await, r#"{"jsonrpc":"2.0","id":"q","result":{"action":"cancel"}}"#);
}

#[tokio::test(start_paused = true)]
async fn roots_held_then_refused_or_given_to_the_next_call() {
    let mut server = ByHand::new(Revision::V2025_11_25);
    let roots = r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#;
    server.hear(roots);
    let refused = server.sent().await;
    assert!(refused.contains(r#""id":7"#) && refused.contains("no call is open"), "{refused}");
    server.hear(roots);
    let mut reply = server.call("a", caller()).await;
    let Event::ServerRequest(question) = reply.next().await else { panic!() };
    question.responder.answer(Ok(raw(r#"{"roots":[]}"#)));
    assert_eq!(server.sent().await, r#"{"jsonrpc":"2.0","id":7,"result":{"roots":[]}}"#);
}

#[tokio::test(start_paused = true)]
async fn level_raised_before_call_and_lowered_later() {
    let mut server = ByHand::new(Revision::V2025_11_25);
    let mut reply = server.connection.call(tool("a"), caller().with_log_level(Some(LogLevel::Debug)));
    assert!(server.sent().await.ends_with(r#""method":"logging/setLevel","params":{"level":"debug"}}"#));
    let waits = tokio::time::timeout(Duration::from_secs(1), reply.next()).await;
    assert!(waits.is_err() && server.outbox.waiting().is_none(), "the call waits for the level");
    server.hear(r#"{"jsonrpc":"2.0","id":3,"result":{}}"#);
    server.hear(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#);
    assert!(matches!(reply.next().await, Event::Notification(log) if log.method == Method::LogMessage));
    assert!(tokio::time::timeout(Duration::from_secs(1), reply.next()).await.is_err());
    assert!(server.sent().await.contains(r#""id":2,"method":"tools/call""#));
    server.hear(r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#);
    assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))));
    assert!(server.sent().await.ends_with(r#""params":{"level":"warning"}}"#));
}

#[tokio::test(start_paused = true)]
async fn logs_that_nobody_can_be_named_for_are_said_outside_any_call() {
    let mut server = ByHand::new(Revision::NEWEST);
    let mut events = server.connection.peer().subscribe();
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
    let wants = || caller().with_log_level(Some(LogLevel::Info));
    let (_one, _two) = (server.call("a", wants()).await, server.call("b", wants()).await);
    server.hear(log);
    assert!(
        matches!(events.next().await, Some(PeerEvent::Notification(method, _)) if method == Method::LogMessage.as_str())
    );
    server.hear(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    assert!(
        matches!(events.next().await, Some(PeerEvent::Notification(method, _)) if method == Method::ToolsChanged.as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_open_takes_no_log_from_the_only_call() {
    let mut server = ByHand::new(Revision::NEWEST);
    let wants = || caller().with_log_level(Some(LogLevel::Info));
    let listen = Request::new(Method::Listen, raw(r#"{"notifications":{"toolsListChanged":true}}"#));
    let _subscription = server.connection.call(listen, wants());
    assert!(server.sent().await.contains("subscriptions/listen"));
    let mut reply = server.call("a", wants()).await;
    server.hear(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#);
    let Event::Notification(log) = reply.next().await else { panic!("the log is not the call's") };
    assert_eq!(log.method, Method::LogMessage);
}

#[tokio::test(start_paused = true)]
async fn garbage_is_passed_over_and_a_broken_answer_ends_its_call() {
    let mut server = ByHand::new(Revision::V2025_03_26);
    let mut reply = server.call("a", caller()).await;
    for line in ["Listening on stdio", "{", "[]", r#"{"jsonrpc":"2.0","id":2,"method":5}"#, "\u{0}"] {
        server.hear(line);
    }
    server.hear(r#"{"jsonrpc":"2.0","id":99,"result":{}}"#);
    assert_eq!(server.connection.unexpected(), 5);
    // What asks for an answer gets one.
    assert!(server.sent().await.starts_with(r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32600,"#));
    server.hear(r#"{"jsonrpc":"2.0","id":2,"error":{"code":1.5,"message":"x"}}"#);
    let Event::Outcome(outcome) = reply.next().await else { panic!() };
    let error = refused(outcome);
    assert!(error.data.unwrap().as_str().contains("invalid_upstream"));
    // No JSON, but it can be seen whose answer it was to be.
    let mut reply = server.call("a", caller()).await;
    server.hear(r#"{"jsonrpc":"2.0","id":3,"result":{"content":NaN}}"#);
    let Event::Outcome(outcome) = reply.next().await else { panic!() };
    let error = refused(outcome);
    assert!(error.data.unwrap().as_str().contains("invalid_upstream"));
    let (mut one, mut two) = (server.call("a", caller()).await, server.call("b", caller()).await);
    server.hear(r#"[{"jsonrpc":"2.0","id":5,"result":{"content":[3]}},5,{"jsonrpc":"2.0","id":4,"result":{"content":[2]}}]"#);
    assert!(text(one.next().await).contains("[2]") && text(two.next().await).contains("[3]"));
    assert_eq!(server.connection.unexpected(), 6);
}

/// Invariant: A response in an array reaches its call in every revision, and the array is counted as
/// malformed.
#[tokio::test(start_paused = true)]
async fn an_array_is_taken_apart_and_is_counted_where_there_are_none() {
    for revision in Revision::ALL {
        let mut server = ByHand::new(revision);
        let (mut one, mut two) = (server.call("a", caller()).await, server.call("b", caller()).await);
        server.hear(
            r#"[{"jsonrpc":"2.0","id":3,"result":{"content":[2]}},{"jsonrpc":"2.0","id":"p","method":"ping"},{"jsonrpc":"2.0","id":2,"result":{"content":[1]}}]"#,
        );
        assert!(text(one.next().await).contains("[1]") && text(two.next().await).contains("[2]"));
        let counted = match revision {
            Revision::V2025_03_26 => 0,
            // The ping is counted, too: 2026-07-28 forbids it and its answer.
            Revision::V2026_07_28 => 2,
            _ => 1,
        };
        match revision.is_stateless() {
            true => assert!(server.outbox.waiting().is_none()),
            false => {
                assert!(server.sent().await.starts_with(r#"{"jsonrpc":"2.0","id":"p","#), "{revision}");
            }
        }
        assert_eq!(server.connection.unexpected(), counted, "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_an_array_what_asks_is_answered_and_a_broken_answer_ends_its_call() {
    let mut server = ByHand::new(Revision::V2025_03_26);
    let (mut one, mut two) = (server.call("a", caller()).await, server.call("b", caller()).await);
    // The server's own request has the id of one of ours, and params that none may have.
    server.hear(
        r#"[{"jsonrpc":"2.0","id":2,"method":"roots/list","params":null},{"jsonrpc":"2.0","id":3,"result":1,"error":2}]"#,
    );
    assert!(server.sent().await.starts_with(r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32600,"#));
    let Event::Outcome(outcome) = two.next().await else { panic!() };
    let error = refused(outcome);
    assert!(error.data.unwrap().as_str().contains("invalid_upstream"));
    server.hear(r#"[{"jsonrpc":"2.0","id":2,"result":{"content":[1]}}]"#);
    assert!(text(one.next().await).contains("[1]"));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_read_costs_no_memory() {
    let mut server = ByHand::new(Revision::NEWEST);
    let meta = Meta { progress_token: Some(raw("1")), ..Meta::default() };
    let mut reply = server.call("a", caller().with_meta(meta).unwrap()).await;
    for step in 1..=10_000 {
        server.hear(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":2,"progress":{step}}}}}"#
        ));
    }
    server.hear(r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#);
    let mut heard = Vec::new();
    while let Event::Notification(progress) = reply.next().await {
        heard.push(progress.params.to_string());
    }
    assert_eq!(heard.len(), ConnectOptions::default().call_queue);
    assert!(heard.last().unwrap().contains("10000"), "the newest is kept: {:?}", heard.last());
}

/// Invariant: A client that does not read slows its server down, and costs no memory.
#[tokio::test(start_paused = true)]
async fn large_events_that_nobody_reads_are_bounded_by_their_bytes() {
    let mut server = ByHand::new(Revision::NEWEST);
    let meta = Meta { progress_token: Some(raw("1")), ..Meta::default() };
    let mut reply = server.call("a", caller().with_meta(meta).unwrap()).await;
    let message = "x".repeat(100_000);
    for step in 1..=100 {
        server.hear(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":2,"progress":{step},"message":"{message}"}}}}"#
        ));
    }
    server.hear(r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#);
    let mut heard = Vec::new();
    while let Event::Notification(progress) = reply.next().await {
        heard.push(progress.params.to_string());
    }
    assert_eq!(heard.len(), 2, "256 KB");
    assert!(heard[1].contains(r#""progress":100"#), "the newest is kept");
}

#[tokio::test(start_paused = true)]
async fn open_requests_and_what_waits_to_be_sent_are_bounded() {
    let opening = ConnectOptions::default().max_open_requests(2).send_queue(10);
    let (connection, _outbox) = by_hand(Revision::NEWEST, opening);
    let first = connection.call(tool("a"), caller());
    let error = refused(connection.call(tool("b"), caller()).into_ready().unwrap());
    assert!(error.message.contains("send_queue") && error.data.unwrap().as_str().contains("overloaded"));
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn one_call_too_many_is_refused_and_counted() {
    let metrics = Metrics::new();
    let buffers = BufferedBytes::new(BufferLimits::default(), &metrics);
    let opening = ConnectOptions::default().max_open_requests(1).buffers(buffers);
    let (connection, _outbox) = by_hand(Revision::NEWEST, opening);
    let first = connection.call(tool("a"), caller());
    let error = refused(connection.call(tool("b"), caller()).into_ready().unwrap());
    assert!(
        error.message.contains("max_open_requests") && error.data.unwrap().as_str().contains("overloaded")
    );
    assert_eq!(metrics.refusals("max_open_requests").value(), 1);
    drop(first);
}

/// The error of a call that failed, as it is written.
pub(crate) fn refused(outcome: Outcome) -> anyport_protocol::Error {
    match outcome {
        Outcome::Error(error) => error,
        Outcome::Failed(failure) => failure.to_error(),
        outcome => panic!("{outcome:?}"),
    }
}
