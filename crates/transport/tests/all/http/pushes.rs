//! What belongs to no call: changes on the GET stream (2025-11-25, transports §Listening for Messages from the Server).

use anyport_protocol::Revision;
use anyport_transport::http::{Config, Limits};
use serde_json::{Value, json};

use super::session::{LEGACY, Session};
use crate::common::{Server, schema};

#[tokio::test]
async fn changes_are_pushed_on_the_get_stream() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let valid = schema::validator(revision, "JSONRPCMessage");
        let session = Session::new(&server, revision).await;
        let mut pushes = session.stream(&server, &session.get()).await;
        server.fake.until(|counts| counts.listening == 1).await;
        let subscribe = |id: i64, method: &str, uri: &str| {
            session.request(id, &format!("resources/{method}"), json!({"uri": uri}))
        };
        for uri in ["test://a", "test://b"] {
            let answer = server.ask(&subscribe(1, "subscribe", uri)).await;
            assert_eq!(answer.json()["result"], json!({}), "{answer:?}");
        }
        server.fake.updated("test://a");
        server.fake.updated("test://unheard");
        server.fake.tools_changed();
        for (method, uri) in [("resources/updated", json!("test://a")), ("tools/list_changed", Value::Null)] {
            let event = pushes.event().await.unwrap();
            assert_eq!(event.id, None);
            let message = event.json();
            assert_eq!(
                (message["method"].as_str(), &message["params"]["uri"]),
                (Some(&*format!("notifications/{method}")), &uri)
            );
            assert!(message["params"].get("_meta").is_none(), "{message}");
            assert!(valid.is_valid(&message), "{message}");
        }
        server.ask(&subscribe(2, "unsubscribe", "test://a")).await;
        server.fake.updated("test://a");
        server.fake.updated("test://b");
        assert_eq!(pushes.message().await["params"]["uri"], "test://b");
        // What cannot be subscribed to changes nothing.
        let refused = server.ask(&subscribe(3, "subscribe", "test://no")).await;
        assert_eq!(refused.code(), Some(-32602));
        server.fake.updated("test://b");
        assert_eq!(pushes.message().await["params"]["uri"], "test://b");
        assert_eq!(server.ask(&session.delete()).await.status, 204);
        server.fake.until(|counts| counts.listening == 0).await;
    }
}

#[tokio::test]
async fn subscriptions_that_are_made_at_once_all_hold() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let mut pushes = session.stream(&server, &session.get()).await;
    server.fake.until(|counts| counts.listening == 1).await;
    // The first is not acknowledged before the second is asked for.
    let mut open = Vec::new();
    for (id, uri) in [(1, "test://slow"), (2, "test://a")] {
        let mut connection = server.connect().await;
        let verb = session.request(id, "resources/subscribe", json!({"uri": uri}));
        connection.send(&verb.bytes()).await;
        server.fake.until(|counts| counts.listening == 2).await;
        open.push(connection);
    }
    server.canary().await;
    server.fake.release(2);
    for connection in &mut open {
        assert_eq!(connection.response().await.json()["result"], json!({}));
    }
    for uri in ["test://slow", "test://a"] {
        server.fake.updated(uri);
        assert_eq!(pushes.message().await["params"]["uri"], uri);
    }
}

#[tokio::test]
async fn changes_wait_for_a_stream_and_a_newer_stream_takes_over() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    server.fake.until(|counts| counts.listening == 1).await;
    server.fake.tools_changed();
    let mut first = session.stream(&server, &session.get()).await;
    assert_eq!(first.message().await["method"], "notifications/tools/list_changed");
    let mut second = session.stream(&server, &session.get()).await;
    assert_eq!(first.event().await, None);
    server.fake.tools_changed();
    assert_eq!(second.message().await["method"], "notifications/tools/list_changed");
    // A stream that was cut leaves what comes next for the one after it.
    drop(second);
    let mut third = session.stream(&server, &session.get()).await;
    server.fake.tools_changed();
    assert_eq!(third.message().await["method"], "notifications/tools/list_changed");
    let json = server.ask(&session.get().set("Accept", "application/json")).await;
    assert_eq!(json.status, 406);
}

#[tokio::test]
async fn a_get_stream_counts_among_the_streams() {
    let (server, metrics) = Server::counted(Config::default().limits(Limits::default().max_streams(1))).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let _open = session.stream(&server, &session.get()).await;
    let refused = server.ask(&session.get()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(metrics.refusals("max_streams").value(), 1);
}
