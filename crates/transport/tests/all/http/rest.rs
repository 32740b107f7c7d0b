//! The REST interface as a client meets it that goes away, reads nothing, or comes while the server stops. What it answers
//! is tried in front of real servers, in `tests/tests/all/plain/`.

use anyport_transport::http::Config;
use serde_json::{Value, json};

use crate::common::{
    Server,
    client::{Connection, Verb, post},
};

fn config() -> Config {
    Config::default().rest(true)
}

fn plainly(call: &Value) -> Verb {
    Verb { target: "/mcp/call".into(), ..post(call.to_string()) }
}

#[tokio::test]
async fn an_array_whose_answers_nobody_reads_waits_with_them() {
    const CALLS: usize = 1000;
    let server = Server::start(config()).await;
    // 50 MB in all, of which only what fits into buffers is made.
    let big = json!({"method": "big", "params": {"bytes": 50_000}});
    let mut stalled = Connection::narrow(server.address).await;
    let head = stalled.begin(&plainly(&json!(vec![big; CALLS]))).await;
    assert_eq!(head.status, 200);
    for id in 0..50 {
        let echo = json!({"method": "echo", "params": {"text": "x"}, "id": id});
        assert_eq!(server.ask(&plainly(&echo)).await.json()["id"], id);
    }
    let made = server.fake.counts().finished - 50;
    assert!(made < CALLS / 2, "{made} answers were made that nobody read");
    // Who reads after all hears everything.
    let answer = stalled.body(head).await.unwrap();
    assert_eq!(answer.json().as_array().unwrap().len(), CALLS);
}

#[tokio::test]
async fn an_answer_comes_as_soon_as_those_before_it_have() {
    let server = Server::start(config()).await;
    let calls =
        json!([{"method": "echo", "params": {"text": "first"}}, {"method": "wait"}, {"method": "echo"}]);
    let mut connection = server.connect().await;
    assert_eq!(connection.begin(&plainly(&calls)).await.status, 200);
    // The size of the chunk, and the answer.
    let first = br#"[{"jsonrpc":"2.0","id":null,"result":"first"}"#;
    let chunk = connection.exactly(first.len() + 4).await;
    assert!(chunk.ends_with(first), "{:?}", String::from_utf8_lossy(&chunk));
    server.fake.until(|counts| counts.running == 1 && counts.finished == 2).await;
    server.fake.release(1);
    let rest = r#",{"jsonrpc":"2.0","id":null,"result":"waited"}"#;
    let chunk = connection.exactly(rest.len() + 6).await;
    assert!(chunk.ends_with(rest.as_bytes()), "{:?}", String::from_utf8_lossy(&chunk));
}

#[tokio::test]
async fn a_server_that_stops_lets_calls_come_to_their_end() {
    let mut server = Server::start(config()).await;
    let mut waiting = Vec::new();
    for call in [json!({"method": "wait", "id": 1}), json!([{"method": "wait", "id": 1}])] {
        let mut connection = server.connect().await;
        connection.send(&plainly(&call).bytes()).await;
        waiting.push(connection);
    }
    server.fake.until(|counts| counts.running == 2).await;
    server.stop();
    server.fake.release(2);
    for mut connection in waiting {
        let answer = connection.response().await;
        assert!(answer.text().contains(r#"{"jsonrpc":"2.0","id":1,"result":"waited"}"#), "{answer:?}");
    }
    server.stopped().await;
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start(config()).await;
    let mut connection = server.connect().await;
    for round in 0..3 {
        let echo = json!({"method": "echo", "params": {"text": "x"}, "id": round});
        connection.send(&plainly(&echo).bytes()).await;
        assert_eq!(connection.response().await.json()["result"], "x");
        connection.send(&plainly(&json!([echo, echo])).bytes()).await;
        assert_eq!(connection.response().await.json()[1]["id"], round);
        connection.send(&Verb::new("GET", "/health").bytes()).await;
        assert_eq!(connection.response().await.status, 200);
    }
}

#[tokio::test]
async fn what_a_call_says_on_its_way_is_heard_by_nobody() {
    let server = Server::start(config()).await;
    let say = json!({"method": "say", "params": {"count": 100, "wait": false}, "id": 1});
    let answer = server.ask(&plainly(&say)).await;
    assert_eq!(answer.text(), r#"{"jsonrpc":"2.0","id":1,"result":"said"}"#);
    assert_eq!(server.fake.counts().said, 100);
}
