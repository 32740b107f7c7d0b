//! How a session opens, whose it is, and how it ends (2025-11-25, transports §Session Management).

use std::time::Duration;

use anyport_protocol::Revision;
use anyport_service::{Overload, OverloadCause};
use anyport_transport::http::{Authentication, Config, Limits, Token};
use serde_json::{Value, json};

use super::session::{LEGACY, Session, initialize, text};
use crate::common::{
    Server,
    client::{Head, Verb, call, post},
    schema, within,
};

#[tokio::test]
async fn initialize_opens_a_session_in_the_words_of_its_revision() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let valid = schema::validator(revision, "JSONRPCMessage");
        let result = schema::validator(revision, "InitializeResult");
        let answer = server.ask(&initialize(revision)).await;
        let json = answer.json();
        assert!(valid.is_valid(&json) && result.is_valid(&json["result"]), "{revision}: {json}");
        let id = answer.header("mcp-session-id").unwrap();
        assert!(id.len() >= 22 && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
        let session = Session::new(&server, revision).await;
        assert_ne!(session.id, id);
        let answer = server.ask(&session.call(1, "echo", json!({"text": "hi"}))).await;
        assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
        let json = answer.json();
        assert_eq!(text(&json), "hi");
        assert!(json["result"].get("resultType").is_none() && valid.is_valid(&json), "{json}");
        // An error is an answer like any other.
        let answer = server.ask(&session.request(2, "unknown/method", json!({}))).await;
        assert_eq!((answer.status, answer.code()), (200, Some(-32601)));
        let answer = server.ask(&session.request(3, "server/discover", json!({}))).await;
        assert_eq!((answer.status, answer.code()), (200, Some(-32601)));
        let again = server.ask(&session.within(initialize(revision))).await;
        assert_eq!((again.status, again.code()), (200, Some(-32600)), "{again:?}");
    }
}

#[tokio::test]
async fn an_initialize_that_is_refused_opens_nothing() {
    let server = Server::start(Config::default()).await;
    for params in [
        json!({}),
        json!({"protocolVersion": 5}),
        json!({"protocolVersion": "2025-11-25", "capabilities": 1}),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let answer = server.ask(&post(body.to_string())).await;
        assert_eq!((answer.code(), answer.header("mcp-session-id")), (Some(-32602), None), "{answer:?}");
    }
    // One that is not known is met with one that is.
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "1900-01-01",
        "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}});
    let answer = server.ask(&post(body.to_string())).await;
    assert_eq!(answer.json()["result"]["protocolVersion"], "2025-11-25");
}

#[tokio::test]
async fn a_session_is_needed_known_and_ones_own() {
    let tokens = vec![Token::new("alice", "a"), Token::new("bob", "b")];
    let server = Server::start(Config::default().authentication(Authentication::Tokens(tokens))).await;
    for revision in LEGACY {
        let alice = Session::open(&server, revision, Some("a")).await;
        alice.initialized(&server).await;
        let unnamed = |verb: Verb| verb.without("Mcp-Session-Id");
        let strange = Session { id: "made-up".into(), ..alice.clone() };
        let bob = Session { token: Some("b"), ..alice.clone() };
        let nobody = Session { token: None, ..alice.clone() };
        for (session, alter, status) in [
            (&alice, &unnamed as &dyn Fn(Verb) -> Verb, 400),
            (&strange, &|verb| verb, 404),
            (&bob, &|verb| verb, 404),
            (&nobody, &|verb| verb, 401),
        ] {
            for verb in [
                session.call(1, "echo", json!({})),
                session.notification("notifications/initialized", json!({})),
                session.post(&json!({"jsonrpc": "2.0", "id": 1, "result": {}})),
                session.post(&json!([{"jsonrpc": "2.0", "id": 1, "method": "ping"}])),
                session.get(),
                session.resume("0-0"),
                session.delete(),
            ] {
                let verb = alter(verb);
                let answer = server.ask(&verb).await;
                assert_eq!(answer.status, status, "{revision}: {verb:?}: {answer:?}");
            }
        }
        assert_eq!(alice.status(&server).await, 200);
    }
}

#[tokio::test]
async fn a_session_that_was_deleted_is_gone_and_so_is_what_ran_in_it() {
    let server = Server::start(Config::default()).await;
    for (index, revision) in LEGACY.into_iter().enumerate() {
        let session = Session::new(&server, revision).await;
        let mut pushes = session.stream(&server, &session.get()).await;
        server.fake.until(|counts| counts.listening == 1).await;
        let mut waiting = server.connect().await;
        waiting.send(&session.call(1, "wait", json!({})).bytes()).await;
        let mut saying = session.stream(&server, &session.call(2, "say", json!({}))).await;
        saying.message().await;
        server.fake.until(|counts| counts.running == 2).await;
        let answer = server.ask(&session.delete()).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        server.fake.until(|counts| counts.running == 0 && counts.listening == 0).await;
        assert_eq!(server.fake.counts().cancelled, 3 * (index + 1));
        assert_eq!(pushes.event().await, None);
        assert_eq!(saying.event().await, None);
        assert_eq!(waiting.response().await.body.len(), 0);
        for verb in [session.call(1, "echo", json!({})), session.get(), session.delete()] {
            assert_eq!(server.ask(&verb).await.status, 404, "{revision}: {verb:?}");
        }
        assert_eq!(server.ask(&session.within(initialize(revision))).await.status, 404);
    }
}

#[tokio::test]
async fn an_idle_session_ends_and_one_in_use_does_not() {
    let limits = Limits::default().session_idle(Duration::from_millis(150));
    let server = Server::limited(limits).await;
    let used = Session::new(&server, Revision::V2025_11_25).await;
    let mut stream = used.stream(&server, &used.get()).await;
    let called = Session::new(&server, Revision::V2025_11_25).await;
    let mut calling = called.stream(&server, &called.call(1, "say", json!({}))).await;
    calling.message().await;
    let waited = Session::new(&server, Revision::V2025_11_25).await;
    let mut waiting = server.connect().await;
    waiting.send(&waited.call(1, "wait", json!({})).bytes()).await;
    let idle = Session::new(&server, Revision::V2025_11_25).await;
    // Calls without a client that waits for them do not keep a session.
    let left = Session::new(&server, Revision::V2025_11_25).await;
    let mut connection = left.stream(&server, &left.call(1, "say", json!({}))).await;
    connection.message().await;
    drop(connection);
    server.fake.until(|counts| counts.listening <= 3 && counts.running <= 2).await;
    assert_eq!((idle.status(&server).await, left.status(&server).await), (404, 404));
    server.fake.tools_changed();
    assert_eq!(stream.message().await["method"], "notifications/tools/list_changed");
    server.fake.release(2);
    assert_eq!(text(&calling.message().await), "said");
    assert_eq!(text(&waiting.response().await.json()), "waited");
    for session in [used, called, waited] {
        assert_eq!(session.status(&server).await, 200);
    }
}

/// A disconnect is no cancellation, and a stop is none before the drain time is over.
#[tokio::test]
async fn a_stop_waits_for_calls_whose_clients_are_gone() {
    let mut server = Server::start(Config::default()).await;
    let fake = server.fake.clone();
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let mut gone = server.connect().await;
    gone.send(&session.call(1, "wait", json!({})).bytes()).await;
    fake.until(|counts| counts.running == 1).await;
    drop(gone);
    server.stop();
    let cut = fake.until(|counts| counts.running == 0);
    assert!(tokio::time::timeout(Duration::from_millis(300), cut).await.is_err(), "{:?}", fake.counts());
    fake.release(1);
    server.stopped().await;
    assert_eq!(fake.counts().finished, 1);
}

#[tokio::test]
async fn a_call_that_never_stops_talking_to_nobody_holds_nobody_up() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let endless = json!({"count": usize::MAX, "bytes": 10});
    drop(session.stream(&server, &session.call(1, "say", endless)).await);
    server.canary().await;
    assert_eq!(server.ask(&session.delete()).await.status, 204);
    server.fake.until(|counts| counts.running == 0).await;
}

#[tokio::test]
async fn the_longest_idle_session_makes_room() {
    let server = Server::limited(Limits::default().max_sessions(2)).await;
    let first = Session::new(&server, Revision::V2025_06_18).await;
    let second = Session::new(&server, Revision::V2025_06_18).await;
    assert_eq!(first.status(&server).await, 200);
    let third = Session::new(&server, Revision::V2025_06_18).await;
    assert_eq!(second.status(&server).await, 404);
    assert_eq!((first.status(&server).await, third.status(&server).await), (200, 200));
    // Sessions that are in use make none.
    let _streams = [first.stream(&server, &first.get()).await, third.stream(&server, &third.get()).await];
    let refused = server.ask(&initialize(Revision::V2025_06_18)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert!(refused.text().contains("max_sessions") && refused.header("mcp-session-id").is_none());
}

/// Invariant: The sessions and streams of one caller leave places to others.
#[tokio::test]
async fn one_caller_leaves_sessions_and_streams_to_others() {
    let tokens = vec![Token::new("ann", "ann"), Token::new("bob", "bob")];
    let limits = Limits::default().max_sessions(4).max_sessions_per_caller(2).max_streams_per_caller(1);
    let config = Config::default().authentication(Authentication::Tokens(tokens)).limits(limits);
    let (server, metrics) = Server::counted(config).await;
    let open = async |token| Session::open(&server, Revision::V2025_06_18, Some(token)).await;
    let of_bob = open("bob").await;
    let (first, second) = (open("ann").await, open("ann").await);
    // Her own session makes room for her next one, though his has been idle for longer.
    let third = open("ann").await;
    assert_eq!(server.ask(&first.get()).await.status, 404);
    let stream = third.stream(&server, &third.get()).await;
    let refused = server.ask(&second.get()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.text().contains("max_streams_per_caller"), "{refused:?}");
    let _his = of_bob.stream(&server, &of_bob.get()).await;
    assert_eq!(metrics.refusals("max_streams_per_caller").value(), 1);
    // A session that is in use makes none.
    let fourth = open("ann").await;
    assert_eq!(server.ask(&second.get()).await.status, 404);
    // The end of a stream makes room for another.
    drop(stream);
    within(async { while server.connect().await.begin(&fourth.get()).await.status == 503 {} }).await;
    assert_eq!(metrics.refusals("max_streams").value(), 0);
}

#[tokio::test]
async fn a_caller_whose_sessions_are_all_busy_is_told_so_and_another_address_is_another_caller() {
    let limits = Limits::default().max_sessions(4).max_sessions_per_caller(1);
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let (server, metrics) = Server::counted(Config::default().limits(limits).trusted_proxies(proxies)).await;
    let session = Session::new(&server, Revision::V2025_06_18).await;
    let _stream = session.stream(&server, &session.get()).await;
    let refused = server.ask(&initialize(Revision::V2025_06_18)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert!(refused.text().contains("max_sessions_per_caller"), "{refused:?}");
    assert_eq!(metrics.refusals("max_sessions_per_caller").value(), 1);
    let elsewhere = initialize(Revision::V2025_06_18).add("X-Forwarded-For", "192.0.2.7");
    assert_eq!(server.ask(&elsewhere).await.status, 200);
    assert_eq!(metrics.refusals("max_sessions").value(), 0);
}

#[tokio::test]
async fn while_memory_is_short_sessions_and_streams_are_refused_and_those_that_are_open_go_on() {
    let overload = Overload::default();
    let (server, metrics) = Server::counted(Config::default().overload(overload.clone())).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let mut open = session.stream(&server, &session.get()).await;
    overload
        .set(Some(OverloadCause { limit: "max_memory_percent", why: "96 % of the memory is used".into() }));
    for verb in [session.get(), initialize(Revision::V2025_11_25)] {
        let refused = server.ask(&verb).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
        assert!(refused.text().contains("max_memory_percent"), "{refused:?}");
    }
    assert_eq!(metrics.refusals("max_memory_percent").value(), 2);
    server.fake.tools_changed();
    assert_eq!(open.message().await["method"], "notifications/tools/list_changed");
    overload.set(None);
    drop(session.stream(&server, &session.get()).await);
}

#[tokio::test]
async fn one_address_leaves_connections_to_others() {
    let limits = Limits::default().max_connections(8).max_connections_per_address(1);
    let server = Server::limited(limits.clone()).await;
    let mut open = server.connect().await;
    open.send(&call(1, "echo", json!({"text": "x"})).bytes()).await;
    assert_eq!(open.response().await.status, 200);
    let refused = server.ask(&call(2, "echo", json!({"text": "x"}))).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.text().contains("max_connections_per_address"), "{refused:?}");
    // Many clients come through a proxy.
    let proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let server = Server::start(Config::default().limits(limits).trusted_proxies(proxies)).await;
    let _open = server.connect().await;
    assert_eq!(server.ask(&call(2, "echo", json!({"text": "x"}))).await.status, 200);
}

#[tokio::test]
async fn a_fault_says_null_before_2025_11_25() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let session = Session::new(&server, revision).await;
        let broken = server.ask(&session.within(post("{"))).await;
        assert_eq!((broken.status, broken.code()), (400, Some(-32700)));
        let id = (revision < Revision::V2025_11_25).then_some(&Value::Null);
        assert_eq!(broken.json().get("id"), id, "{revision}");
        let known = server.ask(&session.within(post(r#"{"jsonrpc":"2.0","id":4,"method":1}"#))).await;
        assert_eq!((known.status, known.json()["id"].as_i64()), (400, Some(4)));
    }
}

#[tokio::test]
async fn a_modern_request_may_carry_a_session_that_it_does_not_need() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    for id in [&*session.id, "made-up"] {
        let verb = call(1, "who", json!({})).add("Mcp-Session-Id", id);
        let head: Head = server.connect().await.begin(&verb).await;
        assert_eq!((head.status, head.header("mcp-session-id")), (200, None));
    }
}
