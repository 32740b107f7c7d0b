//! Callers that go away at the wrong moment, and servers that do what they may not, or cost as much as they can.
//!
//! Invariant: A server can make a client store or open only a bounded amount.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use anyport_protocol::Method;
use anyport_service::{Outcome, Request, Service as _};
use anyport_transport::client::{ConnectOptions, Connection, http::Endpoint};
use serde_json::json;

use super::{
    ours::{call, context, open, opening, text},
    script::{Asked, Script, answer, events, json as body, legacy, modern, response},
};
use crate::common::within;

async fn to(script: &Script, opening: &ConnectOptions) -> Connection {
    let endpoint = Endpoint::new(&script.url()).unwrap().without_proxy();
    within(open(&endpoint, opening)).await.unwrap()
}

async fn outcome(connection: &Connection) -> Outcome {
    within(call(connection, "echo", json!({"text": "a"})).outcome()).await
}

fn is(asked: &Asked, method: &str, session: &str) -> bool {
    asked.method() == method && asked.header("mcp-session-id") == Some(session)
}

/// The one who finds the session forgotten opens another for everybody, also when it goes away while it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_goes_away_leaves_no_half_open_session() {
    let sessions = AtomicUsize::new(0);
    let (half_open, mut is_half_open) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let script = Script::start(move |asked| {
        if asked.method() == "initialize" {
            sessions.fetch_add(1, Ordering::SeqCst);
        }
        if is(asked, "notifications/initialized", "s2") {
            half_open.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        let current = format!("s{}", sessions.load(Ordering::SeqCst));
        legacy(asked, &current).unwrap_or_else(|| match is(asked, "tools/call", "s1") {
            true => response("404 Not Found", &["Content-Length: 0"], ""),
            false => body(&answer(asked, "x")),
        })
    })
    .await;
    let connection = to(&script, &opening(None)).await;
    let subscribe = Request::new(Method::Subscribe, anyport_protocol::Raw::from(json!({"uri": "test://a"})));
    within(connection.call(subscribe, context()).outcome()).await;

    let gone = connection.clone();
    let gone = tokio::spawn(async move { outcome(&gone).await });
    within(is_half_open.recv()).await.unwrap();
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();

    assert_eq!(text(&outcome(&connection).await), "x");
    // It may be told after that call, by the one who opened the session.
    let told = async {
        while !script.asked().iter().any(|asked| is(asked, "resources/subscribe", "s2")) {
            tokio::task::yield_now().await;
        }
    };
    within(told).await;
    assert_eq!(sessions_opened(&script), 2);
}

fn sessions_opened(script: &Script) -> usize {
    script.asked().iter().filter(|asked| asked.method() == "initialize").count()
}

#[tokio::test]
async fn a_server_that_asks_without_end_and_takes_no_answer_costs_a_bounded_number_of_connections() {
    let script = Script::start(|asked| match asked.verb.as_str() {
        "GET" => {
            let ping =
                |id: usize| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n\n");
            events(&(0..500).map(ping).collect::<String>())
        }
        // Answers are taken, and their connections stay open.
        "POST" if asked.body["result"].is_object() => String::new(),
        _ => legacy(asked, "s").unwrap_or_else(|| body(&answer(asked, "x"))),
    })
    .await;
    let opening = opening(None).max_open_requests(5).max_open_questions(3);
    let connection = to(&script, &opening).await;
    let answers = || script.asked().iter().filter(|asked| asked.body["result"].is_object()).count();
    let all = async {
        while answers() < 8 {
            tokio::task::yield_now().await;
        }
    };
    within(all).await;
    // Calls go on, and nothing is added meanwhile.
    for _ in 0..10 {
        assert_eq!(text(&outcome(&connection).await), "x");
    }
    assert_eq!(answers(), 8);
}

#[tokio::test]
async fn a_stream_that_ends_each_time_at_once_is_not_asked_for_without_a_pause() {
    let script =
        Script::start(|asked| legacy(asked, "s").unwrap_or_else(|| events("id: 1\nretry: 0\ndata:\n\n")))
            .await;
    let connection = to(&script, &opening(None)).await;
    let patience = Duration::from_millis(400);
    let waited = tokio::time::timeout(patience, call(&connection, "echo", json!({})).outcome()).await;
    assert!(waited.is_err());
    let resumed = script.asked().iter().filter(|asked| asked.header("last-event-id").is_some()).count();
    assert!((1..=8).contains(&resumed), "{resumed}");
}

/// 2026-07-28, streamable-http §Sending Messages: "The client MUST NOT send JSON-RPC responses."
#[tokio::test]
async fn a_modern_server_that_asks_gets_no_response_and_the_call_goes_on() {
    let script = Script::start(|asked| {
        modern(asked).unwrap_or_else(|| {
            let ask =
                |id: &str, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}});
            let said = [ask("p", "ping"), ask("e", "elicitation/create"), answer(asked, "x")];
            events(&said.map(|message| format!("data: {message}\n\n")).concat())
        })
    })
    .await;
    let connection = to(&script, &opening(None)).await;
    for _ in 0..3 {
        assert_eq!(text(&outcome(&connection).await), "x");
    }
    connection.close().await;
    assert!(script.asked().iter().all(|asked| asked.body["method"].is_string()), "{:?}", script.asked());
}
