//! Calls of a session: what they ask, how they are cancelled, how they fail.

use std::time::Duration;

use anyport_protocol::Revision;
use anyport_transport::http::{Config, Limits};
use serde_json::{Value, json};

use super::session::{LEGACY, Session, text};
use crate::common::{Server, client::Line, schema};

#[tokio::test]
async fn what_a_call_asks_is_asked_on_its_stream_and_answered_by_post() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let valid = schema::validator(revision, "JSONRPCMessage");
        let session = Session::new(&server, revision).await;
        let mut connection =
            session.stream(&server, &session.call("c", "ask", json!({"questions": 3}))).await;
        let mut questions = Vec::new();
        for _ in 0..3 {
            let question = connection.message().await;
            assert_eq!(question["method"], "roots/list", "{question}");
            assert!(valid.is_valid(&question), "{question}");
            questions.push(question);
        }
        let mut ids: Vec<String> = questions.iter().map(|question| question["id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3, "{ids:?}");
        // In another order, and one of them refused; what answers nothing is passed over.
        session.answer(&server, &questions[2], json!([{"uri": "file:///c"}])).await;
        session.answer(&server, &json!({"id": "nothing"}), json!([])).await;
        session.answer(&server, &questions[2], json!([{"uri": "file:///late"}])).await;
        let refused =
            json!({"jsonrpc": "2.0", "id": questions[0]["id"], "error": {"code": -1, "message": "no"}});
        assert_eq!(server.ask(&session.post(&refused)).await.status, 202);
        session.answer(&server, &questions[1], json!([{"uri": "file:///b"}])).await;
        let answer = connection.message().await;
        let [first, second, third] = text(&answer).split(';').collect::<Vec<_>>()[..] else {
            panic!("{answer}")
        };
        assert_eq!(first, "error -1");
        assert!(second.contains("file:///b") && third.contains("file:///c"), "{answer}");
        assert_eq!(connection.event().await, None);
    }
}

#[tokio::test]
async fn another_session_cannot_answer() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let other = Session::new(&server, Revision::V2025_11_25).await;
    let mut connection = session.stream(&server, &session.call(1, "ask", json!({"questions": 1}))).await;
    let question = connection.message().await;
    other.answer(&server, &question, json!([{"uri": "file:///evil"}])).await;
    session.answer(&server, &question, json!([{"uri": "file:///good"}])).await;
    assert!(text(&connection.message().await).contains("file:///good"));
}

#[tokio::test]
async fn nothing_is_asked_before_the_client_is_ready() {
    let server = Server::limited(Limits::default().keep_alive(Duration::from_millis(30))).await;
    let session = Session::open(&server, Revision::V2025_06_18, None).await;
    let mut connection = session.stream(&server, &session.call(1, "ask", json!({"questions": 1}))).await;
    // The stream is open, and says nothing but comments.
    assert_eq!(connection.next().await, Line::Comment);
    session.initialized(&server).await;
    let question = connection.message().await;
    assert_eq!(question["method"], "roots/list");
    session.answer(&server, &question, json!([])).await;
    assert_eq!(connection.message().await["id"], 1);
}

#[tokio::test]
async fn a_client_that_takes_json_alone_cannot_be_asked() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_03_26).await;
    let call = session.call(1, "ask", json!({"questions": 2})).set("Accept", "application/json");
    assert_eq!(text(&server.ask(&call).await.json()), "nobody;nobody");
    let batch = json!([{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "ask"}}]);
    let answer = server.ask(&session.post(&batch).set("Accept", "application/json")).await;
    assert_eq!(text(&answer.json()[0]), "nobody");
}

#[tokio::test]
async fn a_cancelled_call_takes_its_questions_back_and_has_no_response() {
    let server = Server::start(Config::default()).await;
    for (index, revision) in LEGACY.into_iter().enumerate() {
        let session = Session::new(&server, revision).await;
        let mut connection =
            session.stream(&server, &session.call("c", "ask", json!({"questions": 2}))).await;
        let asked = [connection.message().await["id"].clone(), connection.message().await["id"].clone()];
        // Ids are compared by type as well.
        assert_eq!(server.ask(&session.cancel(json!(0))).await.status, 202);
        assert_eq!(server.ask(&session.cancel("c")).await.status, 202);
        server.fake.until(|counts| counts.cancelled == 2 * index + 1).await;
        let rest = connection.messages().await;
        let withdrawn: Vec<Value> = rest
            .iter()
            .map(|message| {
                assert_eq!(message["method"], "notifications/cancelled", "{message}");
                message["params"]["requestId"].clone()
            })
            .collect();
        assert_eq!(withdrawn, asked);
        // Before anything was said.
        let mut connection = server.connect().await;
        connection.send(&session.call("d", "wait", json!({})).bytes()).await;
        server.fake.until(|counts| counts.running == 1).await;
        assert_eq!(server.ask(&session.cancel("d")).await.status, 202);
        let answer = connection.response().await;
        assert_eq!((answer.header("content-type"), answer.text()), (Some("text/event-stream"), ""));
        // What is over cannot be cancelled, and that is no error.
        assert_eq!(server.ask(&session.cancel("d")).await.status, 202);
    }
}

#[tokio::test]
async fn an_id_is_taken_for_as_long_as_its_call_runs() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let other = Session::new(&server, Revision::V2025_11_25).await;
    let mut first = server.connect().await;
    first.send(&session.call(5, "wait", json!({})).bytes()).await;
    server.fake.until(|counts| counts.running == 1).await;
    let refused = server.ask(&session.call(5, "echo", json!({}))).await;
    assert_eq!(refused.code(), Some(-32600), "{refused:?}");
    // Not another's, and not another type's.
    assert_eq!(server.ask(&session.call("5", "echo", json!({}))).await.code(), None);
    assert_eq!(server.ask(&other.call(5, "echo", json!({}))).await.code(), None);
    server.fake.release(1);
    assert_eq!(text(&first.response().await.json()), "waited");
    server.fake.until(|counts| counts.running == 0).await;
}

#[tokio::test]
async fn a_call_that_fails_in_its_task_is_answered_and_its_stream_ends() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_06_18).await;
    let mut connection = server.connect().await;
    connection.send(&session.call(1, "panic", json!({})).bytes()).await;
    server.fake.until(|counts| counts.running == 1).await;
    server.fake.release(1);
    let answer = connection.response().await;
    assert_eq!((answer.json()["id"].as_i64(), answer.code()), (Some(1), Some(-32603)));
    let limits = Limits::default().keep_alive(Duration::from_millis(20));
    let server = Server::limited(limits).await;
    let session = Session::new(&server, Revision::V2025_06_18).await;
    let mut connection = session.stream(&server, &session.call(1, "panic", json!({}))).await;
    server.fake.release(1);
    assert_eq!(connection.event().await, None);
    assert_eq!(server.ask(&session.call(1, "echo", json!({}))).await.code(), None, "its id is free again");
}

#[tokio::test]
async fn overload_is_said_in_the_words_of_http() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    for (reason, status) in [("overloaded", 503), ("rate_limited", 429), ("", 200)] {
        let answer = server.ask(&session.call(1, "fail", json!({"reason": reason}))).await;
        assert_eq!((answer.status, answer.header("retry-after").is_some()), (status, status != 200));
        assert_eq!(answer.json()["id"], 1);
    }
}

#[tokio::test]
async fn times_that_the_clock_cannot_tell_are_no_limits() {
    let limits = Limits::default().keep_alive(Duration::MAX).write_timeout(Duration::MAX);
    let server = Server::limited(limits).await;
    let session = Session::new(&server, Revision::V2025_06_18).await;
    let mut connection = session.stream(&server, &session.call(1, "ask", json!({"questions": 1}))).await;
    let question = connection.message().await;
    session.answer(&server, &question, json!([])).await;
    assert_eq!(connection.message().await["id"], 1);
}
