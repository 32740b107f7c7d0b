//! Streams that are cut and read on (2025-11-25, transports §Resumability and Redelivery).

use std::time::Duration;

use anyport_protocol::Revision;
use anyport_transport::http::{Config, Limits};
use serde_json::{Value, json};

use super::session::{LEGACY, Session, text};
use crate::common::{
    Server,
    client::{Connection, Event},
    within,
};

#[tokio::test]
async fn a_disconnect_is_no_cancellation_and_the_rest_can_be_read_later() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let session = Session::new(&server, revision).await;
        let mut connection = session.stream(&server, &session.call(1, "say", json!({"count": 3}))).await;
        let first = connection.event().await.unwrap();
        drop(connection);
        server.fake.release(1);
        server.fake.until(|counts| counts.running == 0).await;
        assert_eq!(server.fake.counts().cancelled, 0);
        let mut resumed = session.stream(&server, &session.resume(first.id.as_ref().unwrap())).await;
        let rest = events(&mut resumed).await;
        let said: Vec<Value> =
            rest.iter().map(|event| event.json()["params"]["data"]["index"].clone()).collect();
        assert_eq!(said, [json!(1), json!(2), Value::Null], "{rest:?}");
        assert_eq!(text(&rest[2].json()), "said");
        // Again, from further on; and from the very end, where there is nothing left.
        let mut resumed = session.stream(&server, &session.resume(rest[1].id.as_ref().unwrap())).await;
        assert_eq!(events(&mut resumed).await, rest[2..]);
        let mut resumed = session.stream(&server, &session.resume(rest[2].id.as_ref().unwrap())).await;
        assert_eq!(events(&mut resumed).await, []);
    }
}

async fn events(connection: &mut Connection) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = connection.event().await {
        events.push(event);
    }
    events
}

#[tokio::test]
async fn a_client_that_comes_back_while_the_call_runs_reads_on() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let mut old = session.stream(&server, &session.call(1, "say", json!({}))).await;
    let first = old.event().await.unwrap();
    // The old connection is still there, as it looks from here: it is cut off.
    let mut new = session.stream(&server, &session.resume(first.id.as_ref().unwrap())).await;
    assert_eq!(old.event().await, None);
    server.fake.release(1);
    assert_eq!(text(&new.message().await), "said");
    assert_eq!(new.event().await, None);
}

#[tokio::test]
async fn an_event_that_is_not_known_cannot_be_resumed() {
    let server = Server::limited(Limits::default().sse_log(1000)).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    for event in ["", "x", "0-0", "7-p", "0-18446744073709551615", "18446744073709551616-0", "0-0-0", "é"] {
        let mut connection = server.connect().await;
        let head = connection.begin(&session.resume(event)).await;
        assert_eq!(head.status, 400, "{event}");
    }
    // What is larger than the log is sent, and not kept.
    let mut connection = session
        .stream(&server, &session.call(1, "say", json!({"count": 3, "bytes": 2000, "wait": false})))
        .await;
    let said = events(&mut connection).await;
    assert_eq!(said.len(), 4);
    assert_eq!(server.ask(&session.resume(said[0].id.as_ref().unwrap())).await.status, 400);
    let other = Session::new(&server, Revision::V2025_11_25).await;
    assert_eq!(server.ask(&other.resume(said[3].id.as_ref().unwrap())).await.status, 400);
}

#[tokio::test]
async fn ended_streams_are_kept_together_within_the_limit_and_for_a_while() {
    let limits = Limits::default()
        .sse_log(5000)
        .sse_log_ttl(Duration::from_millis(500))
        // The sweep comes as often as this.
        .session_idle(Duration::from_millis(400));
    let server = Server::limited(limits).await;
    let session = Session::new(&server, Revision::V2025_06_18).await;
    let _open = session.stream(&server, &session.get()).await;
    let mut last = Vec::new();
    for id in 0..3 {
        let verb = session.call(id, "say", json!({"bytes": 2000, "wait": false}));
        let mut connection = session.stream(&server, &verb).await;
        last.push(connection.event().await.unwrap().id.unwrap());
        assert_eq!(events(&mut connection).await.len(), 1);
    }
    assert_eq!(server.ask(&session.resume(&last[0])).await.status, 400);
    assert_eq!(server.ask(&session.resume(&last[2])).await.status, 200);
    within(async { while server.ask(&session.resume(&last[2])).await.status == 200 {} }).await;
}

#[tokio::test]
async fn so_many_ended_streams_are_kept_however_small() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_06_18).await;
    let mut last = Vec::new();
    for id in 0..66 {
        let mut connection = session.stream(&server, &session.call(id, "say", json!({"wait": false}))).await;
        last.push(connection.event().await.unwrap().id.unwrap());
        assert_eq!(events(&mut connection).await.len(), 1);
    }
    let first = server.ask(&session.resume(&last[0])).await;
    assert_eq!((first.status, server.ask(&session.resume(&last[65])).await.status), (400, 200));
}

#[tokio::test]
async fn a_stream_begins_with_an_id_to_come_back_with_since_2025_11_25() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let session = Session::new(&server, revision).await;
        let mut connection = server.connect().await;
        assert!(connection.begin(&session.call(1, "say", json!({}))).await.is_stream());
        let first = connection.event().await.unwrap();
        assert!(first.id.is_some());
        assert_eq!(first.data.is_empty(), revision >= Revision::V2025_11_25, "{revision}: {first:?}");
        // Whoever got no more than that reads everything.
        if first.data.is_empty() {
            drop(connection);
            server.fake.release(1);
            let mut resumed = session.stream(&server, &session.resume(first.id.as_ref().unwrap())).await;
            assert_eq!(events(&mut resumed).await.len(), 2);
        } else {
            server.fake.release(1);
            assert_eq!(text(&connection.message().await), "said");
        }
    }
}

#[tokio::test]
async fn a_client_may_be_sent_away_in_mid_call_since_2025_11_25() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let session = Session::new(&server, revision).await;
        let mut connection = server.connect().await;
        connection.send(&session.call(1, "hangup", json!({})).bytes()).await;
        if revision < Revision::V2025_11_25 {
            server.fake.until(|counts| counts.running == 1).await;
            server.fake.release(1);
            let answer = connection.response().await;
            assert_eq!(
                (answer.header("content-type"), text(&answer.json())),
                (Some("application/json"), "back")
            );
            continue;
        }
        assert!(connection.head().await.is_stream());
        let said = events(&mut connection).await;
        let [primed, away] = &said[..] else { panic!("{said:?}") };
        assert_eq!((primed.retry, away.retry), (None, Some(5)));
        assert!(away.id.is_some() && away.data.is_empty());
        let mut resumed = session.stream(&server, &session.resume(away.id.as_ref().unwrap())).await;
        server.fake.release(1);
        assert_eq!(text(&resumed.message().await), "back");
        assert_eq!(resumed.event().await, None);
    }
}
