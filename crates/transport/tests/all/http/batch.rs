//! Arrays of messages (2025-03-26, basic §Batching).

use anyport_protocol::{Limits as MessageLimits, Revision};
use anyport_transport::http::{Config, Limits};
use serde_json::{Value, json};

use super::session::{LEGACY, Session, initialize};
use crate::common::{
    Server,
    client::{Response, post},
};

#[tokio::test]
async fn batches_are_answered_in_2025_03_26_alone() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_03_26).await;
    let call = |id: i64, tool: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}});
    let note = json!({"jsonrpc": "2.0", "method": "notifications/anything"});
    let batch = |messages: Value| session.post(&messages);
    let codes = |answer: &Response| -> Vec<Option<i64>> {
        answer.json().as_array().unwrap().iter().map(|answer| answer["error"]["code"].as_i64()).collect()
    };

    let answer = server
        .ask(&batch(
            json!([call(1, "echo"), note, 5, call(2, "nothing"), {"jsonrpc": "2.0", "id": 3, "method": 1}]),
        ))
        .await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(codes(&answer), [None, Some(-32600), Some(-32602), Some(-32600)]);
    let ids: Vec<Value> =
        answer.json().as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [json!(1), Value::Null, json!(2), json!(3)]);

    let answer = server.ask(&batch(json!([note, note, {"jsonrpc": "2.0", "id": 9, "result": {}}]))).await;
    assert_eq!((answer.status, answer.body.len()), (202, 0));
    let empty = server.ask(&batch(json!([]))).await;
    assert_eq!((empty.status, empty.code()), (400, Some(-32600)));
    // `initialize` "MUST NOT be part of a JSON-RPC batch" (2025-03-26, lifecycle §Initialization).
    let inside: Value = serde_json::from_slice(&initialize(Revision::V2025_03_26).body).unwrap();
    assert_eq!(codes(&server.ask(&batch(json!([inside]))).await), [Some(-32600)]);
    let unopened = server.ask(&post(json!([inside]).to_string())).await;
    assert_eq!((unopened.status, unopened.header("mcp-session-id")), (400, None));

    for revision in &LEGACY[1..] {
        let session = Session::new(&server, *revision).await;
        let answer = server.ask(&session.post(&json!([call(1, "echo")]))).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32600)), "{revision}");
    }
}

#[tokio::test]
async fn the_messages_of_a_batch_are_counted() {
    let limits = Limits::default().message(MessageLimits::default().batch(3));
    let server = Server::start(Config::default().limits(limits).rest(true)).await;
    let session = Session::new(&server, Revision::V2025_03_26).await;
    let ping = |id: i64| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
    let most = server.ask(&session.post(&json!([ping(1), ping(2), ping(3)]))).await;
    assert_eq!((most.status, most.json().as_array().unwrap().len()), (200, 3));
    let more = json!([ping(1), ping(2), ping(3), ping(4)]);
    let mut plain = post(more.to_string());
    plain.target = "/mcp/call".into();
    for verb in [session.post(&more), plain] {
        let refused = server.ask(&verb).await;
        assert_eq!((refused.status, refused.code()), (400, Some(-32600)));
        assert!(refused.text().contains("max_batch"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_batch_that_takes_a_while_is_a_stream_or_one_array() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_03_26).await;
    let call = |id: i64, tool: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}});
    let batch = session.post(&json!([
        call(1, "wait"),
        call(2, "echo"),
        call(3, "wait"),
        call(1, "echo"),
        call(4, "wait")
    ]));

    let mut connection = session.stream(&server, &batch).await;
    server.fake.until(|counts| counts.running == 3).await;
    assert_eq!(server.ask(&session.cancel(3)).await.status, 202);
    server.fake.until(|counts| counts.running == 2).await;
    server.fake.release(2);
    let mut answers = connection.messages().await;
    answers.sort_by_key(|answer| (answer["id"].as_i64(), answer.get("error").is_some()));
    let seen: Vec<_> =
        answers.iter().map(|answer| (answer["id"].as_i64(), answer["error"]["code"].as_i64())).collect();
    assert_eq!(seen, [(Some(1), None), (Some(1), Some(-32600)), (Some(2), None), (Some(4), None)]);

    let mut connection = server.connect().await;
    connection.send(&batch.clone().set("Accept", "application/json").bytes()).await;
    server.fake.until(|counts| counts.running == 3).await;
    server.ask(&session.cancel(4)).await;
    server.fake.until(|counts| counts.running == 2).await;
    server.fake.release(2);
    let answer = connection.response().await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json().as_array().unwrap().len(), 4, "{answer:?}");

    // Its calls go on without the client, too.
    let finished = server.fake.counts().finished;
    let mut connection = server.connect().await;
    connection.send(&batch.set("Accept", "application/json").bytes()).await;
    server.fake.until(|counts| counts.running == 3).await;
    drop(connection);
    server.canary().await;
    server.fake.release(3);
    server.fake.until(|counts| counts.running == 0).await;
    assert_eq!(server.fake.counts().finished, finished + 5);
}
