//! Every bound, hit by its name.

use std::time::Duration;

use anyport_protocol::Limits as MessageLimits;
use anyport_transport::{http::Limits, websocket};
use serde_json::json;

use super::{Client, Server, call, config, frame, handshake, raw, read_close, read_frame, request, start};
use crate::{common::client::Connection, common::client::meta};

async fn limited(limits: Limits, websocket: websocket::Config) -> Server {
    Server::start(config(websocket).limits(limits)).await
}

#[tokio::test]
async fn frames_and_messages_have_a_size() {
    let message = MessageLimits::default().bytes(2000);
    let limits = Limits::default().message(message);
    let server = limited(limits, websocket::Config::default().max_frame_bytes(Some(1000))).await;
    for bytes in [
        frame(0x81, &[b' '; 1001]),
        [frame(0x01, &[b' '; 1000]), frame(0x00, &[b' '; 1000]), frame(0x80, b"x")].concat(),
    ] {
        let mut connection = raw(&server).await;
        connection.send(&bytes).await;
        let (code, reason) = read_close(&mut connection).await;
        assert_eq!(code, 1009);
        assert!(reason.contains("max_frame_bytes") && reason.contains("max_message_bytes"), "{reason}");
        assert!(reason.len() <= 123);
    }
    // As large as may be.
    let mut connection = raw(&server).await;
    let text = call(1, "echo", json!({"text": "x"})).to_string();
    let text = format!("{text}{}", " ".repeat(2000 - text.len()));
    connection.send(&frame(0x01, &text.as_bytes()[..1000])).await;
    connection.send(&frame(0x80, &text.as_bytes()[1000..])).await;
    assert_eq!(read_frame(&mut connection).await.0, 0x81);
}

#[tokio::test]
async fn they_count_among_the_connections() {
    let server = limited(Limits::default().max_connections(2), websocket::Config::default()).await;
    let first = raw(&server).await;
    let mut second = raw(&server).await;
    assert_eq!(server.ask(&handshake()).await.status, 503);
    second.send(&frame(0x81, call(1, "echo", json!({"text": "x"})).to_string().as_bytes())).await;
    assert_eq!(read_frame(&mut second).await.0, 0x81);
    drop(first);
    loop {
        let mut connection = server.connect().await;
        connection.send(&handshake().bytes()).await;
        match connection.try_head().await {
            Ok(Some(head)) if head.status == 101 => break,
            _ => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn open_requests_are_counted() {
    let server = limited(Limits::default().max_open_requests(1), websocket::Config::default()).await;
    let mut client = Client::open(&server).await;
    client.say(&call(1, "wait", json!({}))).await;
    client.say(&call(2, "wait", json!({}))).await;
    let refused = client.hear().await;
    assert_eq!(refused["id"], 2);
    assert!(refused["error"]["message"].as_str().unwrap().contains("max_open_requests"), "{refused}");
    server.fake.release(1);
    assert_eq!(client.hear().await["id"], 1);
}

#[tokio::test]
async fn pings_are_counted_and_a_flood_holds_nobody_else_up() {
    let server = start().await;
    let mut flooding = raw(&server).await;
    let pings = frame(0x89, &[b'p'; 100]).repeat(1000);
    flooding.send(&pings).await;
    server.canary().await;
    // One more than may be.
    flooding.send(&frame(0x89, b"")).await;
    let (code, reason) = read_close(&mut flooding).await;
    assert_eq!(code, 1008);
    assert!(reason.contains("max_pings"), "{reason}");
}

#[tokio::test]
async fn who_says_nothing_at_all_is_closed() {
    let first_message = Duration::from_millis(100);
    let server = Server::start(config(websocket::Config::default().first_message(first_message))).await;
    let mut silent = raw(&server).await;
    // A ping is no message.
    silent.send(&frame(0x89, b"")).await;
    let (code, reason) = read_close(&mut silent).await;
    assert_eq!(code, 1008);
    assert!(reason.contains("first_message"), "{reason}");
}

#[tokio::test]
async fn who_has_nothing_to_say_is_closed_and_who_listens_is_not() {
    let connection_idle = Duration::from_millis(150);
    let server = Server::start(config(websocket::Config::default().connection_idle(connection_idle))).await;
    let mut listening = Client::open(&server).await;
    let listen = json!({"notifications": {"toolsListChanged": true}, "_meta": meta()});
    listening.say(&request("l", "subscriptions/listen", listen)).await;
    listening.hear().await;
    let mut idle = Client::open(&server).await;
    idle.say(&call(1, "echo", json!({"text": "x"}))).await;
    idle.hear().await;
    let (code, reason) = idle.closed().await;
    assert_eq!(code, 1008);
    assert!(reason.contains("(connection_idle)"), "{reason}");
    server.fake.tools_changed();
    assert_eq!(listening.hear().await["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn who_does_not_read_slows_itself_alone_and_is_closed() {
    let limits = Limits::default().write_timeout(Duration::from_millis(500));
    let server = limited(limits, websocket::Config::default()).await;
    let mut stuck = Connection::narrow(server.address).await;
    assert_eq!(stuck.begin(&handshake()).await.status, 101);
    let say = call(1, "say", json!({"count": 1_000_000, "bytes": 10_000}));
    stuck.send(&frame(0x81, say.to_string().as_bytes())).await;
    server.fake.until(|counts| counts.said > 50).await;
    server.canary().await;
    // What the sockets and the queues hold is little, and no more is made than they hold.
    let counts = server.fake.until(|counts| counts.cancelled == 1).await;
    assert!(counts.said < 5_000, "{counts:?}");
}

#[tokio::test]
async fn what_who_does_not_read_can_leave_with_us_is_little() {
    let server = start().await;
    let mut stuck = Connection::narrow(server.address).await;
    assert_eq!(stuck.begin(&handshake()).await.status, 101);
    let mut sent = 0;
    loop {
        let text = call(sent, "big", json!({"bytes": 1_000_000})).to_string();
        let large = frame(0x81, format!("{text}{}", " ".repeat(1_000_000)).as_bytes());
        if tokio::time::timeout(Duration::from_millis(500), stuck.try_send(&large)).await.is_err() {
            break;
        }
        sent += 1;
        // Messages of a megabyte, what the sockets hold included.
        assert!(sent < 50);
    }
    server.canary().await;
}

#[tokio::test]
async fn what_still_runs_at_the_end_of_the_drain_time_is_cut() {
    let drain = Duration::from_millis(100);
    let mut server = limited(Limits::default().drain(drain), websocket::Config::default()).await;
    let mut client = Client::open(&server).await;
    client.say(&call(1, "wait", json!({}))).await;
    server.fake.until(|counts| counts.running == 1).await;
    server.stop();
    assert_eq!(client.closed().await.0, 1001);
    server.stopped().await;
}
