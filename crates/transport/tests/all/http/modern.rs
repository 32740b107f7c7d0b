//! Requests that carry their version: JSON or a stream, and how they end (2026-07-28, streamable-http).

use std::time::Duration;

use anyport_protocol::Revision;
use anyport_transport::http::{Config, Limits};
use serde_json::{Value, json};

use crate::common::{
    Server,
    client::{Connection, Line, Verb, call, modern},
    schema,
};

/// A server whose streams say something empty after a short silence.
async fn impatient() -> Server {
    Server::limited(Limits::default().keep_alive(Duration::from_millis(40))).await
}

fn listen(id: impl Into<Value>) -> Verb {
    let filter = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["test://a"]}});
    modern(id, "subscriptions/listen", &filter.to_string())
}

#[tokio::test]
async fn an_answer_that_is_ready_is_json() {
    let server = Server::start(Config::default()).await;
    let valid = schema::validator(Revision::NEWEST, "CallToolResultResponse");
    for id in [json!(1), json!("one"), json!(-5), json!(""), json!(9_007_199_254_740_993_i64)] {
        let answer = server.ask(&call(id.clone(), "echo", json!({"text": "a\r\nb"}))).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        let json = answer.json();
        assert_eq!((&json["id"], &json["result"]["content"][0]["text"]), (&id, &json!("a\r\nb")));
        assert!(valid.is_valid(&json), "{json}");
        assert!(!answer.text().contains('\n'));
    }
}

#[tokio::test]
async fn an_answer_that_takes_a_while_is_json_too() {
    let server = Server::start(Config::default()).await;
    let mut connection = server.connect().await;
    connection.send(&call(1, "wait", json!({})).bytes()).await;
    server.fake.until(|counts| counts.running == 1).await;
    server.fake.release(1);
    let answer = connection.response().await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json()["result"]["content"][0]["text"], "waited");
}

#[tokio::test]
async fn a_notification_turns_the_answer_into_a_stream() {
    let server = Server::start(Config::default()).await;
    let valid = schema::validator(Revision::NEWEST, "JSONRPCMessage");
    let mut connection = server.connect().await;
    let head = connection.begin(&call("x", "say", json!({"count": 3}))).await;
    assert!(head.is_stream() && head.status == 200, "{head:?}");
    assert_eq!(
        (head.header("cache-control"), head.header("x-accel-buffering")),
        (Some("no-cache, no-store"), Some("no"))
    );
    for index in 0..3 {
        let event = connection.event().await.unwrap();
        assert_eq!((&event.id, event.retry), (&None, None), "streams cannot be resumed");
        let message = event.json();
        assert_eq!(
            (&message["method"], &message["params"]["data"]["index"]),
            (&json!("notifications/message"), &json!(index))
        );
        assert!(valid.is_valid(&message), "{message}");
    }
    server.fake.release(1);
    let message = connection.message().await;
    assert_eq!((&message["id"], &message["result"]["content"][0]["text"]), (&json!("x"), &json!("said")));
    assert_eq!(connection.event().await, None);
    // The connection goes on.
    connection.send(&call(2, "echo", json!({})).bytes()).await;
    assert_eq!(connection.response().await.status, 200);
}

#[tokio::test]
async fn a_long_silence_opens_the_stream_and_comments_keep_it() {
    let server = impatient().await;
    let mut connection = server.connect().await;
    let head = connection.begin(&call(1, "late", json!({}))).await;
    assert!(head.is_stream(), "{head:?}");
    for _ in 0..3 {
        assert_eq!(connection.next().await, Line::Comment);
    }
    server.fake.release(1);
    assert_eq!(connection.message().await["method"], "notifications/message");
    assert_eq!(connection.message().await["result"]["content"][0]["text"], "late");
    assert_eq!(connection.event().await, None);
}

#[tokio::test]
async fn a_client_that_takes_json_alone_gets_the_answer_alone() {
    let server = impatient().await;
    for accept in
        ["application/json", "application/json;q=0.5, text/plain", "application/json, text/event-stream;q=0"]
    {
        let mut connection = server.connect().await;
        connection.send(&call(1, "say", json!({})).set("Accept", accept).bytes()).await;
        server.fake.until(|counts| counts.running == 1).await;
        server.fake.release(1);
        let answer = connection.response().await;
        assert_eq!(answer.header("content-type"), Some("application/json"), "{accept}");
        assert_eq!(answer.json()["result"]["content"][0]["text"], "said", "{accept}");
    }
    for accept in ["*/*", "text/*;q=0.1", "Text/Event-Stream"] {
        let mut connection = server.connect().await;
        let head = connection.begin(&call(1, "say", json!({"wait": false})).set("Accept", accept)).await;
        assert!(head.is_stream(), "{accept}: {head:?}");
    }
    let answer = server.ask(&call(1, "say", json!({"wait": false})).without("Accept")).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"), "no Accept accepts anything");
}

#[tokio::test]
async fn a_listen_stream_needs_a_client_that_takes_one() {
    let server = Server::start(Config::default()).await;
    let answer = server.ask(&listen(5).set("Accept", "application/json")).await;
    assert_eq!((answer.status, answer.json()["id"].clone()), (406, json!(5)));
    assert_eq!(server.fake.counts().listening, 0);
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_call() {
    let server = impatient().await;
    for (name, verb, is_stream) in [
        ("while JSON is waited for", call(1, "wait", json!({})).set("Accept", "application/json"), false),
        ("on a stream", call(1, "say", json!({})), true),
        ("on a silent stream", call(1, "wait", json!({})), true),
    ] {
        let mut connection = server.connect().await;
        connection.send(&verb.bytes()).await;
        server.fake.until(|counts| counts.running == 1).await;
        if is_stream {
            assert!(connection.head().await.is_stream(), "{name}");
        }
        let before = server.fake.counts().cancelled;
        drop(connection);
        server.fake.until(|counts| counts.cancelled > before && counts.running == 0).await;
    }
    server.canary().await;
}

#[tokio::test]
async fn a_listen_stream_is_acknowledged_tagged_and_ended() {
    let server = Server::start(Config::default()).await;
    let valid = schema::validator(Revision::NEWEST, "JSONRPCMessage");
    let mut connections = Vec::new();
    let ids = [json!(7), json!("seven"), json!("7")];
    for id in &ids {
        let mut connection = server.connect().await;
        assert!(connection.begin(&listen(id.clone())).await.is_stream());
        let first = connection.message().await;
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
        assert_eq!(first["params"]["notifications"]["toolsListChanged"], true);
        assert_tagged(&first["params"], id);
        assert!(valid.is_valid(&first), "{first}");
        connections.push(connection);
    }
    server.fake.tools_changed();
    server.fake.updated("test://other");
    server.fake.updated("test://a");
    for (connection, id) in connections.iter_mut().zip(&ids) {
        for method in ["notifications/tools/list_changed", "notifications/resources/updated"] {
            let message = connection.message().await;
            assert_eq!(message["method"], method);
            assert_tagged(&message["params"], id);
        }
    }
    server.fake.close();
    for (connection, id) in connections.iter_mut().zip(&ids) {
        let rest = connection.messages().await;
        let [cancelled, result] = &rest[..] else { panic!("{rest:?}") };
        assert_eq!(
            (&cancelled["method"], &cancelled["params"]["requestId"]),
            (&json!("notifications/cancelled"), id)
        );
        assert_tagged(&cancelled["params"], id);
        assert_eq!((&result["id"], &result["result"]["resultType"]), (id, &json!("complete")));
        assert_tagged(&result["result"], id);
        assert!(rest.iter().all(|message| valid.is_valid(message)), "{rest:?}");
    }
}

fn assert_tagged(object: &Value, id: &Value) {
    assert_eq!(&object["_meta"]["io.modelcontextprotocol/subscriptionId"], id, "{object}");
}

#[tokio::test]
async fn a_listen_stream_is_kept_alive_and_ends_with_its_client() {
    let server = impatient().await;
    let mut connection = server.connect().await;
    connection.begin(&listen(1)).await;
    connection.message().await;
    assert_eq!(connection.next().await, Line::Comment);
    assert_eq!(connection.next().await, Line::Comment);
    drop(connection);
    server.fake.until(|counts| counts.listening == 0 && counts.cancelled == 1).await;
}

#[tokio::test]
async fn a_refused_listen_is_an_error_and_no_stream() {
    let server = Server::start(Config::default()).await;
    let verb =
        modern(1, "subscriptions/listen", r#"{"notifications":{"resourceSubscriptions":["test://no"]}}"#);
    let answer = server.ask(&verb).await;
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.code()),
        (200, Some("application/json"), Some(-32602))
    );
}

#[tokio::test]
async fn so_many_streams_are_open_at_once_and_no_more() {
    let (server, metrics) = Server::counted(Config::default().limits(Limits::default().max_streams(2))).await;
    let mut open = Vec::new();
    for id in 0..2 {
        let mut connection = server.connect().await;
        assert!(connection.begin(&listen(id)).await.is_stream());
        open.push(connection);
    }
    let refused = server.ask(&listen(3)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.json()["error"]["data"]["reason"], "overloaded");
    assert!(refused.text().contains("max_streams"));
    assert_eq!(metrics.refusals("max_streams").value(), 1);
    // Calls are no streams in this sense.
    server.canary().await;
    open.pop();
    server.fake.until(|counts| counts.listening == 1).await;
    let mut connection = server.connect().await;
    assert!(connection.begin(&listen(4)).await.is_stream());
}

#[tokio::test]
async fn what_went_wrong_decides_the_status() {
    let server = Server::start(Config::default()).await;
    for (arguments, status, retry) in [
        (json!({"code": -32601}), 404, None),
        (json!({"code": -32600}), 400, None),
        (json!({"code": -32700}), 400, None),
        (json!({"code": -32020}), 400, None),
        (json!({"code": -32021}), 400, None),
        (json!({"code": -32022}), 400, None),
        (json!({"code": -32602}), 200, None),
        (json!({"code": -32603}), 200, None),
        (json!({"code": 7}), 200, None),
        (json!({"code": -32603, "reason": "overloaded"}), 503, Some("1")),
        (json!({"code": -32603, "reason": "shutting_down"}), 503, Some("1")),
        (json!({"code": -32603, "reason": "rate_limited"}), 429, Some("1")),
    ] {
        let answer = server.ask(&call(9, "fail", arguments.clone())).await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, retry), "{arguments}");
        assert_eq!((answer.json()["id"].clone(), answer.code()), (json!(9), arguments["code"].as_i64()));
        // Later, but before anything was said, is no different.
        let mut later = arguments.clone();
        later["later"] = json!(true);
        let mut connection = server.connect().await;
        connection.send(&call(9, "fail", later).bytes()).await;
        server.fake.until(|counts| counts.running == 1).await;
        server.fake.release(1);
        assert_eq!(connection.response().await.status, status, "{arguments}");
    }
}

#[tokio::test]
async fn an_error_after_the_stream_began_is_its_last_event() {
    let server = impatient().await;
    let mut connection = server.connect().await;
    let head = connection.begin(&call(1, "fail", json!({"code": -32021, "later": true}))).await;
    assert!(head.is_stream() && head.status == 200);
    server.fake.release(1);
    assert_eq!(connection.message().await["error"]["code"], -32021);
    assert_eq!(connection.event().await, None);
}

#[tokio::test]
async fn a_tool_that_panics_takes_its_connection_alone() {
    let server = Server::start(Config::default()).await;
    let mut other = server.connect().await;
    other.send(&call(1, "wait", json!({})).bytes()).await;
    let mut connection: Connection = server.connect().await;
    connection.send(&call(2, "panic", json!({})).bytes()).await;
    server.fake.until(|counts| counts.running == 2).await;
    server.fake.release(2);
    connection.closed().await;
    assert_eq!(other.response().await.status, 200);
    server.canary().await;
}
#[tokio::test]
async fn a_client_that_leaves_is_noticed_without_writing_to_it() {
    let server = Server::start(Config::default()).await;
    for reads in [true, false] {
        let mut connection = server.connect().await;
        connection.begin(&listen(1)).await;
        if reads {
            connection.message().await;
        }
        assert_eq!(server.fake.counts().listening, 1);
        drop(connection);
        server.fake.until(|counts| counts.listening == 0).await;
    }
}
