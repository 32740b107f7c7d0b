//! Every bound, hit by its name.

use std::time::Duration;

use anyport_protocol::Limits as MessageLimits;
use anyport_transport::unix::Limits;
use serde_json::{Value, json};

use super::{Server, call, initialize, initialized, request};
use crate::common::client::meta;

fn told(message: &Value, name: &str) {
    let text = message["error"]["message"].as_str().unwrap_or_default();
    assert!(text.contains(name), "{name} is not named: {message}");
    assert!(message.get("id").is_none_or(|id| !id.is_null()), "{message}");
}

#[tokio::test]
async fn connections_are_counted() {
    let server = Server::limited(Limits::default().max_connections(2)).await;
    let mut first = server.connect().await;
    let second = server.connect().await;
    let mut third = server.connect().await;
    told(&third.hear().await, "max_connections");
    assert_eq!(third.next().await, None);
    first.say(&call(1, "echo", json!({"text": "still"}))).await;
    assert_eq!(first.hear().await["id"], 1);
    drop(second);
    // A place becomes free as soon as the server sees the end.
    loop {
        let mut next = server.connect().await;
        next.say(&call(1, "echo", json!({"text": "x"}))).await;
        if next.hear().await["id"] == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn open_requests_are_counted() {
    let server = Server::limited(Limits::default().max_open_requests(2)).await;
    let mut client = server.connect().await;
    for id in 1..=3 {
        client.say(&call(id, "wait", json!({}))).await;
    }
    let refused = client.hear().await;
    assert_eq!(refused["id"], 3);
    told(&refused, "max_open_requests");
    server.fake.release(2);
    client.hear().await;
    client.hear().await;
    client.say(&call(3, "echo", json!({"text": "x"}))).await;
    assert_eq!(client.hear().await["id"], 3);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_passed_over() {
    let message = MessageLimits::default().bytes(1000);
    let server = Server::limited(Limits::default().message(message)).await;
    let mut client = server.connect().await;
    client.send(&[b'x'; 100_000]).await;
    told(&client.hear().await, "max_message_bytes");
    client.send(b"xxx\n").await;
    client.say(&call(1, "echo", json!({"text": "x"}))).await;
    assert_eq!(client.hear().await["id"], 1);
}

#[tokio::test]
async fn who_says_nothing_at_all_is_closed() {
    let first_message = Duration::from_millis(100);
    let server = Server::limited(Limits::default().first_message(first_message)).await;
    let mut silent = server.connect().await;
    // Blank lines are no message.
    silent.send(b"\n\n").await;
    told(&silent.hear().await, "first_message");
    assert_eq!(silent.next().await, None);
    server.canary().await;
}

#[tokio::test]
async fn who_has_nothing_to_say_is_closed_and_who_waits_is_not() {
    let server = Server::limited(Limits::default().connection_idle(Duration::from_millis(150))).await;
    let mut waiting = server.connect().await;
    waiting.say(&call(1, "wait", json!({}))).await;
    let mut listening = server.connect().await;
    let listen = json!({"notifications": {"toolsListChanged": true}, "_meta": meta()});
    listening.say(&request("l", "subscriptions/listen", listen)).await;
    listening.hear().await;
    let mut session = server.connect().await;
    session.say(&initialize("2025-06-18")).await;
    session.hear().await;
    session.say(&initialized()).await;
    server.fake.until(|counts| counts.listening == 2).await;

    let mut idle = server.connect().await;
    for id in 0..3 {
        idle.say(&call(id, "echo", json!({"text": "x"}))).await;
        idle.hear().await;
    }
    told(&idle.hear().await, "connection_idle");
    assert_eq!(idle.next().await, None);

    server.fake.tools_changed();
    assert_eq!(listening.hear().await["method"], "notifications/tools/list_changed");
    assert_eq!(session.hear().await["method"], "notifications/tools/list_changed");
    server.fake.release(1);
    assert_eq!(waiting.hear().await["id"], 1);
    // Now it has nothing to wait for either.
    told(&waiting.hear().await, "connection_idle");
}

#[tokio::test]
async fn who_does_not_read_slows_itself_alone_and_is_closed() {
    let limits = Limits::default().write_timeout(Duration::from_millis(300));
    let server = Server::limited(limits).await;
    let mut stuck = server.connect().await;
    stuck.say(&call(1, "say", json!({"count": 1_000_000, "bytes": 1000}))).await;
    server.fake.until(|counts| counts.said > 50).await;
    server.canary().await;
    // What the pipe and the queues hold is little, and no more is made than they hold.
    let counts = server.fake.until(|counts| counts.cancelled == 1).await;
    assert!(counts.said < 5_000, "{counts:?}");
    server.canary().await;
}

#[tokio::test]
async fn what_still_runs_at_the_end_of_the_drain_time_is_cut() {
    let mut server = Server::limited(Limits::default().drain(Duration::from_millis(100))).await;
    let mut client = server.connect().await;
    client.say(&call(1, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    server.stop();
    assert_eq!(client.next().await, None);
    server.stopped().await;
}
