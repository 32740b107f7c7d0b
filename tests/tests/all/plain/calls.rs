//! Calls that succeed, and how they run.
//!
//! Invariant: An array of plain calls stores no more answers than calls run at once, and every entry is
//! answered by its id.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyport::{Context, Server, Service, Tool, http, server::NoArguments, with_legacy_clients};
use anyport_tests::everything::{Probe, server};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{config, sites};

fn everything() -> impl Service {
    with_legacy_clients(server(&Probe::default()).unwrap())
}

#[tokio::test]
async fn a_result_is_what_the_tool_is_there_for() {
    for (_site, plain) in sites(everything, config()).await {
        let blocks = json!([
            {"type": "text", "text": "words"},
            {"type": "image", "data": "aW1hZ2U=", "mimeType": "image/png"},
            {"type": "audio", "data": "YXVkaW8=", "mimeType": "audio/wav"},
            {"type": "resource_link", "uri": "test:///text", "name": "text", "description": "A text."},
            {"type": "resource", "resource": {"uri": "test:///inner", "text": "inside"}},
        ]);
        for (name, arguments, result) in [
            ("sum", json!({"a": 2, "b": 3}), json!({"value": 5})),
            ("divisors", json!({"a": 12, "b": 6}), json!([1, 2, 3, 4, 6])),
            ("number", json!({}), json!(5)),
            ("maybe", json!({"some": false}), Value::Null),
            ("shape", json!({"some": true}), json!({"Circle": {"radius": 1.5}})),
            ("greet", json!({"name": "Ada"}), json!("Hello, Ada!")),
            ("content", json!({}), blocks),
            ("picture", json!({}), json!({"value": 5})),
            ("progress", json!({"steps": 3}), json!("done")),
            ("log", json!({}), json!("logged")),
            ("echo", json!({"": [1, {"a": null}]}), json!({"": [1, {"a": null}]})),
        ] {
            let answer = plain.tool(name, &arguments).await.unwrap();
            let expected = json!({"jsonrpc": "2.0", "id": name, "result": result});
            assert_eq!((answer.status, answer.json()), (200, expected), "{name}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
}

#[tokio::test]
async fn bytes_pass_through() {
    for (_site, plain) in sites(everything, config()).await {
        let odd =
            r#"{"n":1.2345678901234567890e2,"big":9007199254740993,"esc":"\u0041\ud83d\ude00ä","":[ ]}"#;
        let answer =
            plain.post(&format!(r#"{{"id": "\u0041", "params": {odd}, "method": "echo"}}"#)).await.unwrap();
        assert_eq!(answer.body, format!(r#"{{"jsonrpc":"2.0","id":"\u0041","result":{odd}}}"#));
    }
}

#[tokio::test]
async fn an_answer_has_the_id_of_its_call_or_null() {
    for (_site, plain) in sites(everything, config()).await {
        for (given, answered) in [
            (r#","id":1"#, "1"),
            (r#","id":"1""#, r#""1""#),
            (r#","id":-123456789012345678901234567890"#, "-123456789012345678901234567890"),
            (r#","id":null"#, "null"),
            ("", "null"),
        ] {
            let answer = plain.post(&format!(r#"{{"method":"number"{given}}}"#)).await.unwrap();
            assert_eq!(answer.body, format!(r#"{{"jsonrpc":"2.0","id":{answered},"result":5}}"#));
        }
    }
}

#[tokio::test]
async fn calls_of_an_array_are_answered_in_order_and_one_failure_leaves_the_rest() {
    for (_site, plain) in sites(everything, config()).await {
        let calls = json!([
            {"method": "number", "id": 1},
            {"method": "nobody", "id": 2},
            7,
            {"method": "greet", "params": {"name": "Ada"}},
            [{"method": "number"}],
            {"method": "inside", "id": "x"},
            {"method": "number", "id": 1},
        ]);
        let answer = plain.post(&calls.to_string()).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let answers = answer.json();
        let said = answers.as_array().unwrap().iter().map(|answer| {
            assert_eq!(answer["jsonrpc"], "2.0");
            assert!(answer.get("id").is_some());
            let said = answer.get("result").unwrap_or(&answer["error"]["code"]);
            (answer["id"].clone(), said.clone())
        });
        let said = said.collect::<Vec<_>>();
        assert_eq!(
            said,
            [
                (json!(1), json!(5)),
                (json!(2), json!(-32601)),
                (json!(null), json!(-32600)),
                (json!(null), json!("Hello, Ada!")),
                (json!(null), json!(-32600)),
                (json!("x"), json!(-32603)),
                (json!(1), json!(5)),
            ]
        );
    }
}

#[tokio::test]
async fn an_empty_array_is_no_call() {
    for (_site, plain) in sites(everything, config()).await {
        let answer = plain.post(" [ ] ").await.unwrap();
        assert_eq!((answer.status, answer.code()), (400, Some(-32600)));
        assert_eq!(answer.json()["id"], Value::Null);
    }
}

/// A tool that waits until it is let go, and says how many waited with it at most.
fn crowd(gate: &Arc<Semaphore>, most: &Arc<AtomicUsize>) -> Server {
    let (gate, most) = (gate.clone(), most.clone());
    let inside = Arc::new(AtomicUsize::new(0));
    let tool = Tool::new("enter").run(move |_: NoArguments, _: Context| {
        let (gate, most, inside) = (gate.clone(), most.clone(), inside.clone());
        async move {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Whoever makes it full opens the door.
            if inside.load(Ordering::SeqCst) == 3 {
                gate.add_permits(1000);
            }
            gate.acquire().await.unwrap().forget();
            inside.fetch_sub(1, Ordering::SeqCst);
            "left"
        }
    });
    Server::builder("crowd", "1").tool(tool).build().unwrap()
}

#[tokio::test]
async fn calls_of_an_array_run_at_once_but_no_more_than_may() {
    let (gate, most) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let limits = http::Limits::default().batch_concurrency(3);
    for (_site, plain) in sites(|| crowd(&gate, &most), config().limits(limits)).await {
        let calls: Vec<_> = (0..50).map(|id| json!({"method": "enter", "id": id})).collect();
        let answers = plain.post(&json!(calls).to_string()).await.unwrap().json();
        let ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| &answer["id"]).collect();
        assert_eq!(ids, (0..50).collect::<Vec<_>>());
        assert!(answers.as_array().unwrap().iter().all(|answer| answer["result"] == "left"));
    }
    // Had they run one by one, the gate would never have been opened.
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_calls() {
    let probe = Probe::default();
    for (_site, plain) in sites(|| with_legacy_clients(server(&probe).unwrap()), config()).await {
        let wait = r#"{"method":"wait"}"#;
        for (body, calls) in [(wait.to_owned(), 1), (format!("[{wait},{wait},{wait}]"), 3)] {
            let connection = plain.begin("POST", "/mcp/call", &body).await.unwrap();
            for _ in 0..calls {
                probe.begun().await;
            }
            drop(connection);
            for _ in 0..calls {
                probe.dropped().await;
            }
        }
    }
}
