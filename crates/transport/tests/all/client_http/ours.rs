//! Our client and our server.
//!
//! Invariant: Our client works with our server over HTTP in every revision: server requests, logs, progress,
//! cancellation, resumption, sessions.

use anyport_protocol::{Limits as MessageLimits, Method, Raw, Revision, meta::LogLevel};
use anyport_service::{Context, Event, InputMode, Outcome, Principal, Reply, Request, Service as _};
use anyport_transport::{
    client::{ConnectError, ConnectOptions, Connection, Target, connect, http::Endpoint},
    http::Config,
};
use serde_json::{Value, json};

use crate::common::{Server, refused, within};

const ALL: [Revision; 5] = [
    Revision::V2024_11_05,
    Revision::V2025_03_26,
    Revision::V2025_06_18,
    Revision::V2025_11_25,
    Revision::V2026_07_28,
];

pub(crate) fn opening(revision: Option<Revision>) -> ConnectOptions {
    ConnectOptions::default().revision(revision).capabilities(json!({"roots": {}, "elicitation": {}}))
}

pub(crate) async fn open(endpoint: &Endpoint, opening: &ConnectOptions) -> Result<Connection, ConnectError> {
    connect(&Target::Http(endpoint.clone()), opening).await
}

pub(crate) fn context() -> Context {
    let capabilities: Raw = json!({"roots": {}, "elicitation": {}}).into();
    Context::new(Principal::local(), Revision::NEWEST)
        .with_input_mode(InputMode::Inline)
        .with_client(capabilities, None)
}

pub(crate) fn tool(name: &str, arguments: Value) -> Request {
    let params: Raw = json!({"name": name, "arguments": arguments}).into();
    Request::new(Method::ToolsCall, params)
}

pub(crate) fn call(connection: &Connection, name: &str, arguments: Value) -> Reply {
    connection.call(tool(name, arguments), context())
}

/// The text of a result.
pub(crate) fn text(outcome: &Outcome) -> String {
    let Outcome::Result(result) = outcome else { panic!("{outcome:?}") };
    let result: Value = result.decode().unwrap();
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

async fn to(server: &Server, path: &str, revision: Option<Revision>) -> Connection {
    let endpoint = Endpoint::new(&format!("http://{}{path}", server.address)).unwrap().without_proxy();
    within(open(&endpoint, &opening(revision))).await.unwrap()
}

async fn of(revision: Revision) -> (Server, Connection) {
    let server = Server::start(Config::default()).await;
    let connection = to(&server, "/mcp", Some(revision)).await;
    assert_eq!(connection.revision(), revision);
    (server, connection)
}

#[tokio::test]
async fn a_call_is_answered_in_every_revision() {
    for revision in ALL {
        let (_server, connection) = of(revision).await;
        let outcome = within(call(&connection, "echo", json!({"text": "grüß"})).outcome()).await;
        assert_eq!(text(&outcome), "grüß", "{revision}");
        let discovered: Value = connection.discovered().decode().unwrap();
        assert_eq!(discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "fake", "{revision}");
        let discover = Request::new(Method::Discover, Raw::EMPTY_OBJECT);
        let Outcome::Result(again) = within(connection.call(discover, context()).outcome()).await else {
            panic!()
        };
        assert!(again.member("capabilities").is_some(), "{revision}: {again}");
        let unknown = within(call(&connection, "no-such", json!({})).outcome()).await;
        assert!(matches!(&unknown, Outcome::Error(error) if error.code == -32602), "{revision}: {unknown:?}");
        within(connection.close()).await;
    }
}

#[tokio::test]
async fn the_newest_revision_is_found_by_trying() {
    let server = Server::start(Config::default()).await;
    assert_eq!(to(&server, "/mcp", None).await.revision(), Revision::NEWEST);
    let config = Config::default().supported([Revision::V2025_06_18, Revision::V2025_03_26]);
    let old = Server::start(config).await;
    assert_eq!(to(&old, "/mcp", None).await.revision(), Revision::V2025_06_18);
}

#[tokio::test]
async fn http_with_sse_is_found_by_trying() {
    let server = Server::start(Config::default().sse(true)).await;
    let connection = to(&server, "/sse", None).await;
    assert!(!connection.revision().is_stateless());
    let outcome = within(call(&connection, "echo", json!({"text": "old"})).outcome()).await;
    assert_eq!(text(&outcome), "old");
    assert_eq!(text(&asked(&connection).await), r#"{"roots":[]};{"roots":[]}"#);
    within(connection.close()).await;
}

/// Calls the tool that asks two questions, and answers them.
async fn asked(connection: &Connection) -> Outcome {
    let mut reply = call(connection, "ask", json!({"questions": 2}));
    let mut questions = 0;
    loop {
        match within(reply.next()).await {
            Event::ServerRequest(question) => {
                assert_eq!(question.method, Method::ListRoots);
                questions += 1;
                question.responder.answer(Ok(json!({"roots": []}).into()));
            }
            Event::Outcome(outcome) => {
                assert_eq!(questions, 2);
                return outcome;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn questions_of_older_servers_are_asked_while_the_call_is_open() {
    for revision in &ALL[..4] {
        let (_server, connection) = of(*revision).await;
        assert_eq!(text(&asked(&connection).await), r#"{"roots":[]};{"roots":[]}"#, "{revision}");
    }
}

#[tokio::test]
async fn log_messages_come_before_the_outcome() {
    for revision in ALL {
        let (_server, connection) = of(revision).await;
        let context = context().with_log_level(Some(LogLevel::Info));
        let mut reply = connection.call(tool("say", json!({"count": 3, "wait": false})), context);
        let mut said = 0;
        let outcome = loop {
            match within(reply.next()).await {
                Event::Notification(notification) => {
                    assert_eq!(notification.method, Method::LogMessage, "{revision}");
                    said += 1;
                }
                Event::Outcome(outcome) => break outcome,
                other => panic!("{revision}: {other:?}"),
            }
        };
        assert_eq!((text(&outcome).as_str(), said), ("said", 3), "{revision}");
    }
}

#[tokio::test]
async fn a_caller_that_wants_no_log_hears_none() {
    for revision in ALL {
        let (_server, connection) = of(revision).await;
        let mut reply = call(&connection, "say", json!({"count": 3, "wait": false}));
        let event = within(reply.next()).await;
        assert!(matches!(event, Event::Outcome(_)), "{revision}: {event:?}");
    }
}

#[tokio::test]
async fn dropping_a_reply_cancels_the_call_in_every_revision() {
    for revision in ALL {
        let (server, connection) = of(revision).await;
        let mut reply = call(&connection, "wait", json!({}));
        tokio::select! {
            event = reply.next() => panic!("{event:?}"),
            _ = server.fake.until(|counts| counts.running == 1) => {}
        }
        drop(reply);
        server.fake.until(|counts| counts.cancelled == 1).await;
        let outcome = within(call(&connection, "echo", json!({"text": "on"})).outcome()).await;
        assert_eq!(text(&outcome), "on", "{revision}");
    }
}

#[tokio::test]
async fn a_stream_that_the_server_hangs_up_is_resumed() {
    let (server, connection) = of(Revision::V2025_11_25).await;
    server.fake.release(1);
    let outcome = within(call(&connection, "hangup", json!({})).outcome()).await;
    assert_eq!(text(&outcome), "back");
}

#[tokio::test]
async fn what_changes_outside_any_call_is_spoken() {
    let (server, connection) = of(Revision::V2025_11_25).await;
    let mut events = connection.peer().subscribe();
    // The session's own listening begins when it is initialized.
    server.fake.until(|counts| counts.listening == 1).await;
    server.fake.tools_changed();
    let event = within(events.next()).await.unwrap();
    assert_eq!(event.into_notification().unwrap().method, Method::ToolsChanged);
}

#[tokio::test]
async fn a_large_answer_arrives_and_a_larger_one_is_refused_by_the_limits_name() {
    let server = Server::start(Config::default()).await;
    let url = format!("http://{}/mcp", server.address);
    let endpoint = Endpoint::new(&url).unwrap().without_proxy();
    let large = within(open(&endpoint, &opening(None))).await.unwrap();
    let outcome = within(call(&large, "big", json!({"bytes": 3_000_000})).outcome()).await;
    assert_eq!(text(&outcome).len(), 3_000_000);
    let small = within(open(&endpoint.answer_max(10_000), &opening(None))).await.unwrap();
    let outcome = within(call(&small, "big", json!({"bytes": 20_000})).outcome()).await;
    let error = refused(outcome);
    assert!(error.message.contains("answer_max"), "{error}");
    assert!(MessageLimits::default().bytes > 20_000);
}

#[tokio::test]
async fn a_session_is_given_back_at_the_end() {
    let config = |max_sessions| {
        let limits = anyport_transport::http::Limits::default().max_sessions(max_sessions);
        Config::default().limits(limits)
    };
    let server = Server::start(config(1)).await;
    for _ in 0..3 {
        let connection = to(&server, "/mcp", Some(Revision::V2025_06_18)).await;
        within(connection.close()).await;
    }
}
