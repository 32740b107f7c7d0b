//! Our client and our server.
//!
//! Invariant: Over a WebSocket, our client works with our server in every revision, and a violation closes
//! the connection with its code.

use anyport_protocol::{Method, Revision, meta::LogLevel};
use anyport_service::{Event, Service as _};
use anyport_transport::{
    client::{Connection, websocket::Endpoint},
    http, websocket,
};
use serde_json::json;

use super::{call, context, open, opening, text, tool};
use crate::common::{Server, within};

async fn start() -> Server {
    let websocket = Some(websocket::Config::default());
    Server::start(http::Config::default().websocket(websocket)).await
}

async fn to(server: &Server, revision: Option<Revision>) -> Connection {
    let endpoint = Endpoint::new(&format!("ws://{}/mcp/ws", server.address)).unwrap();
    open(endpoint, &opening(revision)).await.unwrap()
}

#[tokio::test]
async fn a_call_is_answered_in_every_revision() {
    let server = start().await;
    for revision in Revision::ALL {
        let connection = to(&server, Some(revision)).await;
        assert_eq!(connection.revision(), revision);
        // Three bytes a letter, so that fragments end within one.
        for letters in [1, 21_000, 22_000, 500_000] {
            let said = "日".repeat(letters);
            let outcome = within(call(&connection, "echo", json!({"text": said})).outcome()).await;
            assert!(text(&outcome) == said, "{revision}: {letters}");
        }
        within(connection.close()).await;
    }
    server.canary().await;
}

#[tokio::test]
async fn the_newest_revision_is_found_by_trying() {
    assert_eq!(to(&start().await, None).await.revision(), Revision::NEWEST);
    let config = http::Config::default()
        .websocket(websocket::Config::default())
        .supported([Revision::V2025_06_18, Revision::V2025_03_26]);
    assert_eq!(to(&Server::start(config).await, None).await.revision(), Revision::V2025_06_18);
}

#[tokio::test]
async fn questions_logs_and_changes_come_over_the_one_channel() {
    let server = start().await;
    let connection = to(&server, Some(Revision::V2025_11_25)).await;
    let mut events = connection.peer().subscribe();
    server.fake.until(|counts| counts.listening == 1).await;
    server.fake.tools_changed();
    let event = within(events.next()).await.unwrap();
    assert_eq!(event.into_notification().unwrap().method, Method::ToolsChanged);
    let mut reply = call(&connection, "ask", json!({"questions": 1}));
    let Event::ServerRequest(question) = within(reply.next()).await else { panic!() };
    question.responder.answer(Ok(json!({"roots": []}).into()));
    assert_eq!(text(&within(reply.outcome()).await), r#"{"roots":[]}"#);
    let wanting = context().with_log_level(Some(LogLevel::Info));
    let mut reply = connection.call(tool("say", json!({"count": 2, "wait": false})), wanting);
    for _ in 0..2 {
        let event = within(reply.next()).await;
        let Event::Notification(logged) = event else { panic!("{event:?}") };
        assert_eq!(logged.method, Method::LogMessage);
    }
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_and_the_connection_goes_on() {
    let server = start().await;
    for revision in Revision::ALL {
        let connection = to(&server, Some(revision)).await;
        let before = server.fake.counts().cancelled;
        let mut waiting = call(&connection, "wait", json!({}));
        assert!(futures_util::FutureExt::now_or_never(waiting.next()).is_none());
        server.fake.until(|counts| counts.running == 1).await;
        drop(waiting);
        server.fake.until(|counts| counts.cancelled == before + 1).await;
        let echoed = within(call(&connection, "echo", json!({"text": "on"})).outcome()).await;
        assert_eq!(text(&echoed), "on", "{revision}");
    }
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let mut server = start().await;
    let connection = to(&server, None).await;
    server.stop();
    let end = within(connection.closed()).await.to_string();
    assert_eq!(end, "the server closed the WebSocket: the server stops (1001)");
    server.stopped().await;
}

#[tokio::test]
async fn a_connection_that_is_let_go_leaves_nothing_at_the_server() {
    let server = start().await;
    let connection = to(&server, None).await;
    let reply = call(&connection, "wait", json!({}));
    server.fake.until(|counts| counts.running == 1).await;
    drop(connection);
    server.fake.until(|counts| counts.cancelled == 1).await;
    drop(reply);
}
