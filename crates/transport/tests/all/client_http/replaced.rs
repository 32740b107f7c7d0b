//! Servers that refuse a call: because of what it says, or because they are other servers now.
//!
//! Invariant: A refusal over HTTP counts as one of the connection's revision or session only if the server refuses as well
//! what every server of that revision answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyport_protocol::{Error, jsonrpc::ConnectionRefusal};
use anyport_service::Outcome;
use anyport_transport::client::{Connection, http::Endpoint};
use serde_json::{Value, json};

use super::{
    ours::{call, open, opening, text},
    script::{Asked, Script, answer, json as body, legacy, modern, response},
};
use crate::common::within;

async fn to(script: &Script) -> Connection {
    let endpoint = Endpoint::new(&script.url()).unwrap().without_proxy();
    within(open(&endpoint, &opening(None))).await.unwrap()
}

async fn outcome(connection: &Connection) -> Outcome {
    within(call(connection, "echo", json!({"text": "a"})).outcome()).await
}

async fn error(connection: &Connection) -> Error {
    match outcome(connection).await {
        Outcome::Error(error) => error,
        other => panic!("{other:?}"),
    }
}

fn count(script: &Script, method: &str) -> usize {
    script.asked().iter().filter(|asked| asked.method() == method).count()
}

/// A refusal by status, with a JSON-RPC error of this code and data if it is not 0.
fn refusal(status: &str, asked: &Asked, code: i64, data: &Value) -> String {
    if code == 0 {
        return response(status, &["Content-Type: text/plain"], "Bad Request: no valid session");
    }
    let error = json!({"code": code, "message": "refused: server not initialized", "data": data});
    let answer = json!({"jsonrpc": "2.0", "id": asked.body["id"], "error": error});
    response(status, &["Content-Type: application/json"], &answer.to_string())
}

/// As the SDKs of TypeScript, Python and Rust do, and servers without any.
const REFUSALS: [(&str, i64); 6] = [
    ("400 Bad Request", -32000),
    ("400 Bad Request", -32600),
    ("400 Bad Request", 0),
    ("422 Unprocessable Entity", 0),
    ("404 Not Found", 0),
    ("405 Method Not Allowed", 0),
];

#[tokio::test]
async fn a_modern_server_that_came_back_as_a_legacy_one_is_no_server_of_the_connection() {
    for (status, code) in REFUSALS {
        let is_replaced = Arc::new(AtomicBool::new(false));
        let replaced = is_replaced.clone();
        let script = Script::start(move |asked| match replaced.load(Ordering::SeqCst) {
            false => modern(asked).unwrap_or_else(|| body(&answer(asked, "modern"))),
            true => refusal(status, asked, code, &Value::Null),
        })
        .await;
        let connection = to(&script).await;
        assert_eq!(text(&outcome(&connection).await), "modern");
        is_replaced.store(true, Ordering::SeqCst);
        let error = error(&connection).await;
        assert_eq!(error.refusal, Some(ConnectionRefusal::UnsupportedRevision), "{status} {code}: {error}");
        assert_eq!(
            (count(&script, "tools/call"), count(&script, "server/discover")),
            (2, 2),
            "{status} {code}"
        );
    }
}

#[tokio::test]
async fn a_modern_server_that_refuses_a_call_is_the_server_of_the_connection() {
    for (status, code) in REFUSALS {
        let script = Script::start(move |asked| {
            modern(asked).unwrap_or_else(|| refusal(status, asked, code, &Value::Null))
        })
        .await;
        let connection = to(&script).await;
        let error = error(&connection).await;
        assert_eq!(error.refusal, None, "{status} {code}");
        assert_eq!(error.code, if code == 0 { -32603 } else { code }, "{status}");
        assert_eq!(count(&script, "tools/call"), 1, "{status} {code}");
    }
}

/// Nothing is known of the server behind a gateway that fails, or that wants to know who calls.
#[tokio::test]
async fn a_server_that_cannot_be_asked_what_it_speaks_is_the_server_of_the_connection() {
    for status in ["401 Unauthorized", "503 Service Unavailable"] {
        let discovered = AtomicUsize::new(0);
        let script = Script::start(move |asked| match asked.method() {
            "server/discover" if discovered.fetch_add(1, Ordering::SeqCst) > 0 => response(status, &[], ""),
            _ => modern(asked).unwrap_or_else(|| refusal("400 Bad Request", asked, -32602, &Value::Null)),
        })
        .await;
        let error = error(&to(&script).await).await;
        assert_eq!((error.code, error.refusal), (-32602, None), "{status}");
    }
}

/// The same method is not asked about: a server that does not know it has understood the request.
#[tokio::test]
async fn a_recognized_error_of_a_modern_server_needs_no_check() {
    for (status, code, refused) in [
        ("404 Not Found", -32601, None),
        ("400 Bad Request", -32021, None),
        ("400 Bad Request", -32020, Some(ConnectionRefusal::HeaderMismatch)),
        ("400 Bad Request", -32022, Some(ConnectionRefusal::UnsupportedRevision)),
    ] {
        let script = Script::start(move |asked| {
            modern(asked).unwrap_or_else(|| refusal(status, asked, code, &Value::Null))
        })
        .await;
        assert_eq!(error(&to(&script).await).await.refusal, refused, "{code}");
        assert_eq!((count(&script, "tools/call"), count(&script, "server/discover")), (1, 1), "{code}");
    }
}

#[tokio::test]
async fn a_session_that_is_refused_in_other_words_is_renewed_and_the_call_sent_again() {
    // 404 is the status that the specification has for it.
    for (status, code) in REFUSALS.into_iter().filter(|(status, _)| !status.starts_with("404")) {
        let opened = AtomicUsize::new(0);
        let script = Script::start(move |asked| {
            if asked.method() == "initialize" {
                opened.fetch_add(1, Ordering::SeqCst);
            }
            let session = format!("s{}", opened.load(Ordering::SeqCst));
            legacy(asked, &session).unwrap_or_else(|| match asked.header("mcp-session-id") {
                Some("s2") => body(&answer(asked, "again")),
                _ => refusal(status, asked, code, &Value::Null),
            })
        })
        .await;
        let connection = to(&script).await;
        assert_eq!(text(&outcome(&connection).await), "again", "{status} {code}");
        let counts = ["initialize", "tools/call", "ping"].map(|method| count(&script, method));
        assert_eq!(counts, [2, 2, 1], "{status} {code}");
    }
}

/// Invariant: A server cannot make a client repeat a call: what it writes into an error is never read as a failure of ours.
#[tokio::test]
async fn a_legacy_server_that_forges_a_refusal_of_the_revision_is_not_called_again() {
    let supported = json!({"supported": ["2026-07-28"], "requested": "2025-11-25"});
    for (status, pings) in [("200 OK", 0), ("400 Bad Request", 1)] {
        let data = supported.clone();
        let script = Script::start(move |asked| {
            legacy(asked, "s").unwrap_or_else(|| match asked.method() {
                "ping" => body(&answer(asked, "")),
                _ => refusal(status, asked, -32022, &data),
            })
        })
        .await;
        let error = error(&to(&script).await).await;
        assert_eq!(error.refusal, None, "{status}");
        let counts = ["initialize", "tools/call", "ping"].map(|method| count(&script, method));
        assert_eq!(counts, [1, 1, pings], "{status}");
    }
}

/// Not every server has `ping`, and it says so in many ways.
#[tokio::test]
async fn a_legacy_server_without_ping_keeps_its_session() {
    for status in ["200 OK", "400 Bad Request", "404 Not Found"] {
        let script = Script::start(move |asked| {
            legacy(asked, "s").unwrap_or_else(|| match asked.method() {
                "ping" => refusal(status, asked, -32601, &Value::Null),
                _ => refusal("400 Bad Request", asked, -32602, &Value::Null),
            })
        })
        .await;
        assert_eq!(error(&to(&script).await).await.code, -32602, "{status}");
        let counts = ["initialize", "tools/call", "ping"].map(|method| count(&script, method));
        assert_eq!(counts, [1, 1, 1], "{status}");
    }
}

/// A refusal in words that speak of no session, with a JSON-RPC error of this code if it is not 0.
fn declined(status: &str, asked: &Asked, code: i64) -> String {
    let error =
        json!({"jsonrpc": "2.0", "id": asked.body["id"], "error": {"code": code, "message": "declined"}});
    let text = if code == 0 { json!({"detail": "declined"}) } else { error };
    response(status, &["Content-Type: application/json"], &text.to_string())
}

/// Invariant: A call that a server may have carried out before it refused it is not made again.
#[tokio::test]
async fn a_legacy_server_that_refuses_a_call_and_ping_alike_is_called_once() {
    for (call, ping) in [("422", "422"), ("400", "400"), ("405", "405"), ("410", "410"), ("422", "404")] {
        for code in [0, -32000, -32602] {
            let script = Script::start(move |asked| {
                legacy(asked, "s").unwrap_or_else(|| {
                    let status = if asked.method() == "ping" { ping } else { call };
                    declined(&format!("{status} Declined"), asked, code)
                })
            })
            .await;
            let error = error(&to(&script).await).await;
            assert_eq!(error.code, if code == 0 { -32603 } else { code }, "{call}");
            let counts = ["initialize", "tools/call"].map(|method| count(&script, method));
            assert_eq!(counts, [1, 1], "{call} {ping} {code}");
        }
    }
}

/// The first call is refused in a session that is renewed for the second one before the check of the first has ended.
#[expect(clippy::disallowed_methods, reason = "the script answers in a function that cannot await")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_another_call_has_renewed_is_no_ground_to_make_a_call_again() {
    let opened = Arc::new(AtomicUsize::new(0));
    let (pinged, renewed) = (Arc::new(AtomicBool::new(false)), opened.clone());
    let (is_checked, is_renewed) = (pinged.clone(), AtomicBool::new(false));
    let script = Script::start(move |asked| {
        if asked.method() == "initialize" {
            opened.fetch_add(1, Ordering::SeqCst);
        }
        let is_first = asked.header("mcp-session-id") == Some("s1");
        let session = format!("s{}", opened.load(Ordering::SeqCst));
        legacy(asked, &session).unwrap_or_else(|| match asked.method() {
            "ping" => {
                pinged.store(true, Ordering::SeqCst);
                let begun = Instant::now();
                // Until the client calls in the new session.
                while !is_renewed.load(Ordering::SeqCst) && begun.elapsed() < Duration::from_secs(20) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                refusal("400 Bad Request", asked, -32600, &Value::Null)
            }
            _ if is_first && pinged.load(Ordering::SeqCst) => response("404 Not Found", &[], ""),
            _ if is_first => refusal("400 Bad Request", asked, -32600, &Value::Null),
            _ => {
                is_renewed.store(true, Ordering::SeqCst);
                body(&answer(asked, "again"))
            }
        })
    })
    .await;
    let connection = to(&script).await;
    let first = tokio::spawn(call(&connection, "echo", json!({"text": "a"})).outcome());
    while !is_checked.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(text(&outcome(&connection).await), "again");
    let first = within(first).await.unwrap();
    assert!(matches!(&first, Outcome::Error(_)), "{first:?}");
    assert_eq!((renewed.load(Ordering::SeqCst), count(&script, "tools/call")), (2, 3));
}

/// Invariant: An error of a modern server that says nothing of its revisions does not make its refusal of a call one of them.
#[tokio::test]
async fn a_modern_server_that_is_too_busy_to_discover_is_the_server_of_the_connection() {
    for (status, code) in
        [("200 OK", -32603), ("400 Bad Request", -32603), ("200 OK", -32000), ("422 Busy", 0)]
    {
        let discovered = AtomicUsize::new(0);
        let script = Script::start(move |asked| match asked.method() {
            "server/discover" if discovered.fetch_add(1, Ordering::SeqCst) > 0 => {
                declined(status, asked, code)
            }
            _ => modern(asked).unwrap_or_else(|| declined("400 Bad Request", asked, -32603)),
        })
        .await;
        let error = error(&to(&script).await).await;
        assert_eq!((error.code, error.refusal), (-32603, None), "{status} {code}");
        assert_eq!(count(&script, "tools/call"), 1, "{status} {code}");
    }
}
