use std::sync::{Arc, atomic::Ordering};

use anyport_protocol::{Method, Raw, Revision};
use anyport_service::{Context, Principal, Request, Service as _};
use serde_json::json;

use super::support::{Server, TestStore, answer, call, calls, found, key, layered, log_in, verified};
use crate::{AuditLog, Event, Filter, Mode, Options, OutcomeKind, Redaction};

#[tokio::test]
async fn a_call_is_recorded_behind_its_answer() {
    let store = TestStore::new();
    let log = log_in(&store, Mode::On).await;
    let service = layered(&log, Server::default());
    assert!(call(&service, "ann", json!({"name": "buy", "arguments": {"id": 7}})).into_ready().is_ok());
    answer(&service, "fails").await;
    answer(&service, "denied").await;
    drop(call(&service, "ann", json!({"name": "hangs"})));
    log.close().await;
    let common = json!({
        "event": "call", "principal": "name:ann", "revision": "2026-07-28", "method": "tools/call", "upstream": "shop",
    });
    let with = |more: serde_json::Value| {
        let mut all = common.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let id = json!({"id": 7});
    let expected = [
        with(
            json!({"name": "buy", "arguments": id, "outcome": {"kind": "ok"}, "bytes_in": 35, "bytes_out": 14}),
        ),
        with(
            json!({"name": "fails", "arguments": id, "outcome": {"kind": "tool_error"}, "bytes_in": 37, "bytes_out": 29}),
        ),
        with(json!({
            "name": "denied", "arguments": id, "bytes_in": 38, "bytes_out": 2,
            "outcome": {"kind": "refused", "code": -32603, "refused_by": "no writes"},
        })),
        with(json!({"name": "hangs", "outcome": {"kind": "cancelled"}, "bytes_in": 16, "bytes_out": 0})),
    ];
    assert_eq!(calls(&store).await, expected);
    assert!(verified(&store).await.is_whole());
}

#[tokio::test]
async fn with_required_the_record_is_there_before_the_call_and_before_the_answer() {
    let store = TestStore::new();
    let log = log_in(&store, Mode::Required).await;
    let server = Server::default();
    let service = layered(&log, server.clone());
    store.delay_ms.store(20, Ordering::SeqCst);
    let reply = call(&service, "ann", json!({"name": "buy"}));
    assert_eq!(server.0.load(Ordering::SeqCst), 0, "its record is not durable");
    assert!(!reply.outcome().await.is_error());
    // Nothing waits any more: what was answered is in the store.
    let events: Vec<_> =
        found(&store, &Filter::default()).await.into_iter().map(|found| found.said.event).collect();
    assert!(matches!(&events[..], [Event::Open(_), Event::End(_)]), "{events:?}");
    let all = crate::Query::new(store.clone(), &key());
    let mut begins = 0;
    all.all(&Filter::default(), |found| {
        begins += usize::from(matches!(found.said.event, Event::Begin(_)));
        true
    })
    .await
    .unwrap();
    assert_eq!(begins, 1);
}

/// What is recorded of a completion: that of the prompt whose argument it completes, with that argument.
#[tokio::test]
async fn a_completed_argument_is_redacted_by_its_name() {
    let store = TestStore::new();
    let redaction = Redaction::default().secret_names(|name| name == "password");
    let options = Options::default().redaction(redaction);
    let log = AuditLog::start(store.clone(), &key(), Mode::On, options);
    log.opened().await.unwrap();
    let service = layered(&log, Server::default());
    for name in ["password", "city"] {
        let params = json!({"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": name, "value": "hun"}});
        let context = Context::new(Principal::named("ann"), Revision::V2026_07_28);
        service.call(Request::new(Method::Complete, Raw::from(params)), context).outcome().await;
    }
    log.close().await;
    let said = calls(&store).await.into_iter().map(|call| (call["name"].clone(), call["arguments"].clone()));
    let expected = [json!({"password": "<hidden>"}), json!({"city": "hun"})].map(|one| (json!("greet"), one));
    assert_eq!(said.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn many_calls_share_a_block() {
    let store = TestStore::new();
    let log = log_in(&store, Mode::Required).await;
    let service = Arc::new(layered(&log, Server::default()));
    let before = store.writes.load(Ordering::SeqCst);
    store.delay_ms.store(5, Ordering::SeqCst);
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { answer(&*service, "buy").await })
        })
        .collect();
    for task in tasks {
        assert!(!task.await.unwrap().is_error());
    }
    let writes = store.writes.load(Ordering::SeqCst) - before;
    assert!(writes < 20, "{writes} writes for 400 records");
    log.close().await;
    assert_eq!(calls(&store).await.len(), 200);
    assert!(verified(&store).await.is_whole());
}

#[tokio::test]
async fn a_filter_finds_by_every_condition() {
    let store = TestStore::new();
    let log = log_in(&store, Mode::On).await;
    let service = layered(&log, Server::default());
    for (principal, tool) in [("ann", "buy"), ("bob", "buy"), ("bob", "fails")] {
        call(&service, principal, json!({"name": tool})).outcome().await;
    }
    log.close().await;
    let count = async |filter: Filter| found(&store, &filter).await.len();
    let all = Filter::default;
    assert_eq!(count(Filter { principal: Some("bob".into()), ..all() }).await, 2);
    assert_eq!(count(Filter { principal: Some("name:ann".into()), ..all() }).await, 1);
    assert_eq!(count(Filter { name: Some("buy".into()), ..all() }).await, 2);
    assert_eq!(count(Filter { upstream: Some("shop".into()), ..all() }).await, 3);
    assert_eq!(count(Filter { upstream: Some("other".into()), ..all() }).await, 0);
    assert_eq!(count(Filter { outcome: Some(OutcomeKind::ToolError), ..all() }).await, 1);
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    assert_eq!(count(Filter { since: Some(now), ..all() }).await, 0);
    assert_eq!(count(Filter { until: Some(now), ..all() }).await, 5);
}

#[tokio::test(start_paused = true)]
async fn refusals_beyond_the_limit_of_a_second_are_one_record() {
    let store = TestStore::new();
    let log = log_in(&store, Mode::On).await;
    let service = layered(&log, Server::default());
    for _ in 0..25 {
        answer(&service, "denied").await;
    }
    log.close().await;
    let refused = found(&store, &Filter { outcome: Some(OutcomeKind::Refused), ..Filter::default() }).await;
    let (alone, together): (Vec<_>, Vec<_>) =
        refused.into_iter().partition(|found| matches!(found.said.event, Event::Call(_)));
    assert_eq!((alone.len(), together.len()), (10, 1));
    let Event::Refusals(refusals) = &together[0].said.event else { panic!() };
    assert_eq!((refusals.count, refusals.refused_by.as_deref()), (15, Some("no writes")));
    assert_eq!(refusals.caller.principal, "name:ann");
}

#[tokio::test]
async fn the_file_has_every_record_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let store = TestStore::new();
    let options = Options::default().file(path.clone());
    let log = AuditLog::start(store.clone(), &key(), Mode::On, options);
    answer(&layered(&log, Server::default()), "buy").await;
    log.close().await;
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["open", "call", "close"]);
    assert_eq!((&lines[1]["record"], &lines[1]["name"]), (&json!(2), &json!("buy")));
}

#[tokio::test]
async fn arguments_beyond_the_limit_are_told_by_their_size() {
    let store = TestStore::new();
    let metrics = anyport_metrics::Metrics::new();
    let limits = crate::AuditLimits::default().arguments(17);
    let options = Options::default().limits(limits).metrics(metrics.clone());
    let log = AuditLog::start(store.clone(), &key(), Mode::On, options);
    let service = layered(&log, Server::default());
    for text in ["012345678", "0123456789"] {
        call(&service, "ann", json!({"name": "buy", "arguments": {"a": text}})).outcome().await;
    }
    // No call that is recorded holds more of a message than its record has.
    call(&service, "ann", json!({"name": "x".repeat(100_000)})).outcome().await;
    log.close().await;
    let calls = calls(&store).await;
    assert_eq!((&calls[0]["arguments"]["a"], calls[0].get("arguments_omitted")), (&json!("012345678"), None));
    assert_eq!((calls[1].get("arguments"), &calls[1]["arguments_omitted"]), (None, &json!(18)));
    assert_eq!(calls[2]["name"].as_str().unwrap().len(), 1_024);
    assert_eq!(metrics.refusals("audit_arguments").value(), 1);
}

#[tokio::test]
async fn a_stream_has_a_record_at_its_beginning_and_one_at_its_end() {
    let store = TestStore::new();
    for mode in [Mode::On, Mode::Required] {
        let log = log_in(&store, mode).await;
        let service = layered(&log, Server::default());
        let context = anyport_service::Context::new(
            anyport_service::Principal::local(),
            anyport_protocol::Revision::V2026_07_28,
        );
        let params = anyport_protocol::Raw::from(json!({"name": "hangs"}));
        let request = anyport_service::Request::new(anyport_protocol::Method::Listen, params);
        let stream = anyport_service::Service::call(&service, request, context);
        drop(stream);
        log.close().await;
        let mut events = Vec::new();
        let query = crate::Query::new(store.clone(), &key());
        query
            .all(&Filter::default(), |found| {
                events.push(found);
                true
            })
            .await
            .unwrap();
        let last: Vec<_> = events.iter().rev().take(3).map(|found| &found.said.event).collect();
        assert!(matches!(last[..], [Event::Close, Event::End(_), Event::Begin(_)]), "{mode:?}: {last:?}");
    }
}
