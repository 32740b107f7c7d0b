//! Servers that do what real ones are known to do.
//!
//! Invariant: A server's mistakes over HTTP become errors that name them, and a request is repeated only if
//! it was refused unread.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyport_protocol::{
    Error, Method, Revision,
    failure::{CloseReason, Failure},
    meta::LogLevel,
    param_header::ParamHeaders,
};
use anyport_service::{Outcome, PeerEvent, Request, Service as _};
use anyport_transport::client::{ConnectError, Connection, http::Endpoint};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    ours::{call, context, open, opening, text, tool},
    script::{Asked, STALLS, Script, answer, events, json as body, legacy, modern, response},
};
use crate::common::within;

async fn to(script: &Script) -> Result<Connection, ConnectError> {
    let endpoint = Endpoint::new(&script.url()).unwrap().without_proxy();
    within(open(&endpoint, &opening(None))).await
}

async fn outcome(connection: &Connection) -> Outcome {
    within(call(connection, "echo", json!({"text": "a"})).outcome()).await
}

async fn error(connection: &Connection) -> Error {
    match outcome(connection).await {
        Outcome::Error(error) => error,
        Outcome::Failed(failure) => failure.to_error(),
        other => panic!("{other:?}"),
    }
}

fn calls(script: &Script) -> Vec<Asked> {
    script.asked().into_iter().filter(|asked| asked.method() == "tools/call").collect()
}

#[tokio::test]
async fn a_forgotten_session_is_opened_anew_once_and_the_refused_request_sent_again() {
    let sessions = AtomicUsize::new(0);
    let script = Script::start(move |asked| {
        if asked.method() == "initialize" {
            sessions.fetch_add(1, Ordering::SeqCst);
        }
        let session = format!("s{}", sessions.load(Ordering::SeqCst));
        legacy(asked, &session).unwrap_or_else(|| match asked.header("mcp-session-id") {
            Some("s2") => body(&answer(asked, "again")),
            _ => response("404 Not Found", &["Content-Length: 0"], ""),
        })
    })
    .await;
    let connection = to(&script).await.unwrap();
    assert_eq!(connection.revision(), Revision::V2025_11_25);
    // All at once: one new session is enough for them.
    let (a, b, c) = tokio::join!(outcome(&connection), outcome(&connection), outcome(&connection));
    for outcome in [a, b, c] {
        assert_eq!(text(&outcome), "again");
    }
    let opened: Vec<_> = script.asked().into_iter().filter(|asked| asked.method() == "initialize").collect();
    assert_eq!(opened.len(), 2);
    assert!(opened.iter().all(|asked| asked.header("mcp-session-id").is_none()));
    assert!(calls(&script).iter().all(|asked| asked.header("mcp-protocol-version") == Some("2025-11-25")));
}

#[tokio::test]
async fn a_session_that_stays_forgotten_is_told() {
    let script = Script::start(|asked| {
        legacy(asked, "s").unwrap_or_else(|| response("404 Not Found", &["Content-Length: 0"], ""))
    })
    .await;
    let connection = to(&script).await.unwrap();
    let error = error(&connection).await;
    assert!(error.message.contains("404"), "{error}");
    assert_eq!(calls(&script).len(), 2);
}

#[tokio::test]
async fn a_cut_stream_with_event_ids_is_resumed() {
    let script = Script::start(|asked| {
        legacy(asked, "s").unwrap_or_else(|| match asked.header("last-event-id") {
            None => events("id: 1\nretry: 1\ndata:\n\n"),
            Some("1") => events("id: 2\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n"),
            // The request's id is not known here; it is the third of the connection.
            Some("2") => events(
                "id: 3\ndata: {\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"on\"}]}}\n\n",
            ),
            other => panic!("{other:?}"),
        })
    })
    .await;
    let connection = to(&script).await.unwrap();
    assert_eq!(text(&outcome(&connection).await), "on");
    assert_eq!(calls(&script).len(), 1);
}

#[tokio::test]
async fn a_cut_stream_without_event_ids_leaves_the_outcome_unknown() {
    for era in [modern, (|asked: &Asked| legacy(asked, "s")) as fn(&Asked) -> Option<String>] {
        let script = Script::start(move |asked| {
            era(asked).unwrap_or_else(|| {
                events("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\ndata: {\"half")
            })
        })
        .await;
        let connection = to(&script).await.unwrap();
        let error = error(&connection).await;
        assert_eq!(error.data.unwrap().as_str(), r#"{"reason":"outcome_unknown"}"#);
        assert_eq!(calls(&script).len(), 1, "never asked twice");
    }
}

#[tokio::test]
async fn what_is_no_mcp_is_told_as_such() {
    type Wrong = fn(&Asked) -> String;
    let cases: [(Wrong, &str); 5] = [
        (|_| response("200 OK", &["Content-Type: text/html"], "<html>"), "text/html"),
        (|_| response("200 OK", &["Content-Type: application/json"], "{\"half"), "message is no JSON-RPC"),
        (|_| response("200 OK", &["Content-Type: application/json"], "[]"), "message is no JSON-RPC"),
        (|_| events("data: nonsense\n\n"), "message is no JSON-RPC"),
        (|_| response("202 Accepted", &[], ""), "202"),
    ];
    for (wrong, words) in cases {
        let script = Script::start(move |asked| modern(asked).unwrap_or_else(|| wrong(asked))).await;
        let connection = to(&script).await.unwrap();
        let error = error(&connection).await;
        assert_eq!(error.data.as_ref().unwrap().as_str(), r#"{"reason":"invalid_upstream"}"#, "{error}");
        assert!(error.message.contains(words), "{error}");
        // And no MCP at all.
        let script = Script::start(wrong).await;
        let error = to(&script).await.unwrap_err();
        assert!(error.to_string().contains(words) || error.to_string().contains("refused"), "{error}");
    }
}

/// Only 2025-03-26 has arrays; in 2025-11-25 the answer in one is taken all the same.
///
/// Invariant: A response in an array reaches its call in every revision, and the array is counted as
/// malformed.
#[tokio::test]
async fn what_an_array_holds_is_taken_whatever_the_server_speaks() {
    for chosen in ["2025-03-26", "2025-11-25"] {
        let script = Script::start(move |asked| {
            legacy(asked, "s").map(|said| said.replace("2025-11-25", chosen)).unwrap_or_else(|| {
                let log = json!({"jsonrpc": "2.0", "method": "x/told", "params": {}});
                let array = json!([5, log, answer(asked, "done")]);
                match asked.body["params"]["name"].as_str() {
                    Some("json") => body(&array),
                    Some("events") => events(&format!("data: {array}\n\n")),
                    // The only message that could be the answer is none.
                    _ => body(
                        &json!([log, {"jsonrpc": "2.0", "id": asked.body["id"], "result": 1, "error": 2}]),
                    ),
                }
            })
        })
        .await;
        let connection = to(&script).await.unwrap();
        for name in ["json", "events"] {
            let outcome = within(call(&connection, name, json!({})).outcome()).await;
            let Outcome::Result(result) = outcome else { panic!("{chosen}: {outcome:?}") };
            assert!(result.as_str().contains("done"), "{chosen}: {result}");
        }
        let error = error(&connection).await;
        assert!(error.message.contains("the server's message is no JSON-RPC"), "{chosen}: {error}");
        assert!(error.data.unwrap().as_str().contains("invalid_upstream"));
    }
}

#[tokio::test]
async fn an_endless_event_is_given_up_at_the_limit() {
    let script =
        Script::start(|asked| modern(asked).unwrap_or_else(|| events(&"data: 0123456789\n".repeat(9000))))
            .await;
    let endpoint = Endpoint::new(&script.url()).unwrap().without_proxy().answer_max(50_000);
    let connection = within(open(&endpoint, &opening(None))).await.unwrap();
    let error = error(&connection).await;
    assert!(error.message.contains("50000 bytes (answer_max)"), "{error}");
}

#[tokio::test]
async fn an_unauthorized_or_broken_server_says_nothing_of_its_era() {
    for (status, words) in [("401 Unauthorized", "Authorization"), ("502 Bad Gateway", "502")] {
        let script = Script::start(move |_| response(status, &["WWW-Authenticate: Bearer"], "")).await;
        let error = to(&script).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(script.asked().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn only_old_versions_in_the_refusal_lead_to_initialize() {
    let script = Script::start(|asked| match asked.method() {
        "server/discover" => response(
            "400 Bad Request",
            &["Content-Type: application/json"],
            &json!({"jsonrpc": "2.0", "id": asked.body["id"], "error": {"code": -32022, "message": "no",
                "data": {"supported": ["2025-03-26"], "requested": "2026-07-28"}}})
            .to_string(),
        ),
        "initialize" => {
            assert_eq!(asked.body["params"]["protocolVersion"], "2025-03-26");
            body(&json!({"jsonrpc": "2.0", "id": asked.body["id"],
                "result": {"protocolVersion": "2025-03-26", "capabilities": {}}}))
        }
        _ => legacy(asked, "s").unwrap_or_else(|| body(&answer(asked, "old"))),
    })
    .await;
    let connection = to(&script).await.unwrap();
    assert_eq!(text(&outcome(&connection).await), "old");
    let asked = calls(&script).remove(0);
    assert_eq!(asked.header("mcp-protocol-version"), None, "that header came with 2025-06-18");
    assert_eq!(asked.header("mcp-session-id"), None);
}

#[tokio::test]
async fn modern_requests_carry_their_headers() {
    let script = Script::start(|asked| modern(asked).unwrap_or_else(|| body(&answer(asked, "x")))).await;
    let connection = to(&script).await.unwrap();
    let mut params = ParamHeaders::default();
    params.push("region".into(), b"us-west1".to_vec());
    let reply = connection.call(tool("grüß", json!({})), context().with_param_headers(params));
    within(reply.outcome()).await;
    let asked = calls(&script).remove(0);
    assert_eq!(asked.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(asked.header("mcp-method"), Some("tools/call"));
    assert_eq!(asked.header("mcp-name"), Some("=?base64?Z3LDvMOf?="));
    assert_eq!(asked.header("mcp-param-region"), Some("us-west1"));
    assert_eq!(asked.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(asked.body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
}

#[tokio::test]
async fn the_callers_own_progress_token_comes_back() {
    let script = Script::start(|asked| {
        modern(asked).unwrap_or_else(|| {
            let token = &asked.body["params"]["_meta"]["progressToken"];
            let progress = |value: u32| {
                let params = json!({"progressToken": token, "progress": value});
                format!(
                    "data: {}\n\n",
                    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
                )
            };
            let answer = format!("data: {}\n\n", answer(asked, "x"));
            events(&[progress(1), progress(1), progress(2), answer].concat())
        })
    })
    .await;
    let connection = to(&script).await.unwrap();
    let meta =
        anyport_protocol::meta::Meta { progress_token: Some(json!("mine").into()), ..Default::default() };
    let mut reply = connection.call(tool("x", json!({})), context().with_meta(meta).unwrap());
    let mut heard = Vec::new();
    while let anyport_service::Event::Notification(notification) = within(reply.next()).await {
        heard.push(notification.params.to_string());
    }
    assert_eq!(
        heard,
        [r#"{"progress":1,"progressToken":"mine"}"#, r#"{"progress":2,"progressToken":"mine"}"#]
    );
    assert_ne!(calls(&script)[0].body["params"]["_meta"]["progressToken"], "mine");
}

#[tokio::test]
async fn a_silent_probe_ends_at_its_time_and_initialize_follows() {
    let script = Script::start(|asked| match asked.method() {
        "server/discover" => String::new(),
        _ => legacy(asked, "s").unwrap_or_else(|| body(&answer(asked, "x"))),
    })
    .await;
    let endpoint = Endpoint::new(&script.url()).unwrap().without_proxy();
    let mut opening = opening(None);
    opening.probe_timeout = Duration::from_millis(20);
    let connection = within(open(&endpoint, &opening)).await.unwrap();
    assert_eq!(text(&outcome(&connection).await), "x");
}

#[tokio::test]
async fn an_address_of_another_origin_is_not_posted_to() {
    let script = Script::start(|asked| match asked.verb.as_str() {
        "GET" => events("event: endpoint\ndata: http://127.0.0.1:1/steal\n\n"),
        _ => response("404 Not Found", &["Content-Length: 0"], ""),
    })
    .await;
    let error = to(&script).await.unwrap_err();
    assert!(error.to_string().contains("another origin"), "{error}");
}

#[tokio::test]
async fn a_new_session_has_the_subscriptions_of_the_old_one() {
    let sessions = AtomicUsize::new(0);
    let script = Script::start(move |asked| {
        if asked.method() == "initialize" {
            sessions.fetch_add(1, Ordering::SeqCst);
        }
        let current = format!("s{}", sessions.load(Ordering::SeqCst));
        legacy(asked, &current).unwrap_or_else(|| match (asked.method(), asked.header("mcp-session-id")) {
            ("tools/call", Some("s1")) => response("404 Not Found", &["Content-Length: 0"], ""),
            _ => body(&answer(asked, "x")),
        })
    })
    .await;
    let connection = to(&script).await.unwrap();
    for (method, uri) in
        [(Method::Subscribe, "test://a"), (Method::Subscribe, "test://b"), (Method::Unsubscribe, "test://a")]
    {
        let request = Request::new(method, anyport_protocol::Raw::from(json!({"uri": uri})));
        let outcome = within(connection.call(request, context()).outcome()).await;
        assert!(matches!(outcome, Outcome::Result(_)), "{outcome:?}");
    }
    assert_eq!(text(&outcome(&connection).await), "x");
    let again: Vec<_> = script
        .asked()
        .into_iter()
        .filter(|asked| {
            asked.method() == "resources/subscribe" && asked.header("mcp-session-id") == Some("s2")
        })
        .map(|asked| asked.body["params"]["uri"].clone())
        .collect();
    assert_eq!(again, ["test://b"]);
}

#[tokio::test]
async fn a_session_that_is_forgotten_between_calls_is_opened_anew_for_its_subscriptions() {
    let sessions = AtomicUsize::new(0);
    let script = Script::start(move |asked| {
        if asked.method() == "initialize" {
            sessions.fetch_add(1, Ordering::SeqCst);
        }
        let current = format!("s{}", sessions.load(Ordering::SeqCst));
        let session = asked.header("mcp-session-id");
        match (asked.verb.as_str(), asked.header("last-event-id")) {
            // Each stream is cut once something was said on it.
            ("GET", None) if session == Some("s1") => events("id: 1\nretry: 500\ndata: \n\n"),
            ("GET", Some(_)) => response("404 Not Found", &["Content-Length: 0"], ""),
            _ => legacy(asked, &current).unwrap_or_else(|| body(&answer(asked, "x"))),
        }
    })
    .await;
    let connection = to(&script).await.unwrap();
    let mut told = connection.peer().subscribe();
    let request = Request::new(Method::Subscribe, anyport_protocol::Raw::from(json!({"uri": "test://a"})));
    assert!(matches!(within(connection.call(request, context()).outcome()).await, Outcome::Result(_)));
    assert!(matches!(within(told.next()).await, Some(PeerEvent::Silent)), "the new session has no stream");
    assert!(matches!(within(told.next()).await, Some(PeerEvent::Lagged(0))), "what may have changed");
    let again = script.asked().into_iter().filter(|asked| {
        asked.method() == "resources/subscribe" && asked.header("mcp-session-id") == Some("s2")
    });
    assert_eq!(again.count(), 1);
}

#[tokio::test]
async fn a_session_with_another_server_ends_the_connection_and_the_call_was_not_sent() {
    let opened = AtomicUsize::new(0);
    let script = Script::start(move |asked| match asked.method() {
        "initialize" => {
            let nth = opened.fetch_add(1, Ordering::SeqCst).to_string();
            legacy(asked, &nth).unwrap().replace("\"script\"", &format!("\"script {nth}\""))
        }
        _ => legacy(asked, "0").unwrap_or_else(|| response("404 Not Found", &["Content-Length: 0"], "")),
    })
    .await;
    let connection = to(&script).await.unwrap();
    let outcome = outcome(&connection).await;
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(*failure, Failure::NotSent(_)), "{failure:?}");
    assert!(matches!(within(connection.peer().closed()).await, CloseReason::Replaced(_)));
}

/// A connection to an older server that logs, which `call` answers calls for, and the levels that it is told.
async fn logging(
    call: impl Fn(&Asked) -> String + Send + Sync + 'static,
) -> (Script, Connection, UnboundedReceiver<String>) {
    let (levels, told) = tokio::sync::mpsc::unbounded_channel();
    let script = Script::start(move |asked| match asked.method() {
        "initialize" => body(&json!({"jsonrpc": "2.0", "id": asked.body["id"],
            "result": {"protocolVersion": "2025-11-25", "capabilities": {"logging": {}}}})),
        "logging/setLevel" => {
            levels.send(asked.body["params"]["level"].as_str().unwrap().to_owned()).unwrap();
            body(&answer(asked, ""))
        }
        "tools/call" => call(asked),
        _ => legacy(asked, "s").unwrap_or_else(|| body(&answer(asked, "x"))),
    })
    .await;
    let mut opening = opening(None);
    opening.log_hold = Duration::from_millis(20);
    let endpoint = Endpoint::new(&script.url()).unwrap().without_proxy();
    let connection = within(open(&endpoint, &opening)).await.unwrap();
    (script, connection, told)
}

#[tokio::test]
async fn the_level_of_a_log_is_raised_for_who_wants_it_and_lowered_afterwards() {
    let (_script, connection, mut lowered) = logging(|asked| body(&answer(asked, "x"))).await;
    let context = context().with_log_level(Some(LogLevel::Debug));
    within(connection.call(tool("x", json!({})), context).outcome()).await;
    assert_eq!(within(lowered.recv()).await.unwrap(), "debug");
    assert_eq!(within(lowered.recv()).await.unwrap(), "warning");
}

#[tokio::test]
async fn the_level_of_a_log_stays_for_as_long_as_a_call_wants_it() {
    // It goes on for as long as its caller waits.
    let (_script, connection, mut told) = logging(|_| String::new()).await;
    let mut reply = connection.call(tool("x", json!({})), context().with_log_level(Some(LogLevel::Debug)));
    let early = tokio::time::timeout(Duration::from_millis(300), async {
        tokio::select! {
            _ = reply.next() => panic!("it is answered"),
            () = async {
                assert_eq!(told.recv().await.unwrap(), "debug");
                told.recv().await.unwrap();
            } => {}
        }
    });
    assert!(early.await.is_err(), "it was lowered while the call was open");
    drop(reply);
    assert_eq!(within(told.recv()).await.unwrap(), "warning");
}

#[tokio::test]
async fn when_the_stream_of_http_with_sse_ends_the_connection_is_over() {
    let script = Script::start(|asked| match (asked.verb.as_str(), asked.method()) {
        ("GET", _) => events(
            "event: endpoint\ndata: /post\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{}}}\n\n",
        ),
        _ if asked.target == "/post" => response("202 Accepted", &[], ""),
        _ => response("405 Method Not Allowed", &["Content-Length: 0"], ""),
    })
    .await;
    let connection = to(&script).await.unwrap();
    assert_eq!(connection.revision(), Revision::V2024_11_05);
    let end = within(connection.closed()).await;
    assert!(end.to_string().contains("stream is over"), "{end}");
    // A call on a connection that is over was never sent.
    let Outcome::Failed(failure) = outcome(&connection).await else { panic!() };
    assert!(matches!(*failure, anyport_protocol::failure::Failure::NotSent(_)), "{failure:?}");
}

/// Whether the server has the stream of a session, at first, and once that has ended.
async fn streams(
    first: impl Fn() -> String + Send + Sync + 'static,
    then: &'static str,
) -> (Script, Connection) {
    let asked_for = AtomicUsize::new(0);
    let script = Script::start(move |asked| match asked.verb.as_str() {
        "GET" if asked_for.fetch_add(1, Ordering::Relaxed) == 0 => first(),
        "GET" => response(then, &["Content-Length: 0"], ""),
        _ => legacy(asked, "s").unwrap_or_default(),
    })
    .await;
    let connection = to(&script).await.unwrap();
    (script, connection)
}

/// Invariant: A server whose session has no stream for notifications is known as such, whatever it has declared.
#[tokio::test]
async fn a_server_without_a_stream_for_notifications_is_silent() {
    let refused = || response("405 Method Not Allowed", &["Content-Length: 0"], "");
    let (_script, connection) = streams(refused, "405 Method Not Allowed").await;
    assert!(connection.peer().is_silent());
    let stays = || events(&format!("id: 1\nretry: 60\ndata: \n\n{STALLS}"));
    let (_script, connection) = streams(stays, "405 Method Not Allowed").await;
    assert!(!connection.peer().is_silent());
}

#[tokio::test]
async fn a_server_whose_stream_is_lost_for_good_is_silent_from_then_on() {
    for then in ["403 Forbidden", "503 Service Unavailable"] {
        let ends = || events("retry: 10\nid: 1\ndata: \n\n");
        let (script, connection) = streams(ends, then).await;
        let mut events = connection.peer().subscribe();
        assert!(matches!(within(events.next()).await, Some(PeerEvent::Silent)), "{then}");
        assert!(connection.peer().is_silent());
        let tries = script.asked().iter().filter(|asked| asked.verb == "GET").count();
        assert_eq!(
            tries,
            if then.starts_with("403") { 2 } else { 4 },
            "{then}: one that may come back is asked again"
        );
    }
}

#[tokio::test]
async fn a_server_whose_stream_comes_back_is_heard_again() {
    let asked_for = AtomicUsize::new(0);
    let script = Script::start(move |asked| match asked.verb.as_str() {
        "GET" => match asked_for.fetch_add(1, Ordering::Relaxed) {
            0 => events("retry: 10\nid: 1\ndata: \n\n"),
            1..=3 => response("503 Service Unavailable", &["Content-Length: 0"], ""),
            _ => events(&format!("id: 2\ndata: \n\n{STALLS}")),
        },
        _ => legacy(asked, "s").unwrap_or_default(),
    })
    .await;
    let connection = to(&script).await.unwrap();
    let mut events = connection.peer().subscribe();
    assert!(matches!(within(events.next()).await, Some(PeerEvent::Silent)));
    assert!(matches!(within(events.next()).await, Some(PeerEvent::Lagged(0))), "what was missed");
    assert!(!connection.peer().is_silent());
}
