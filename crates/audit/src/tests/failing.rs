use std::{sync::atomic::Ordering, time::Duration};

use anyport_metrics::Metrics;
use anyport_protocol::failure::Failure;
use anyport_service::Outcome;

use super::support::{Server, TestStore, answer, calls, found, key, layered, log_in, verified};
use crate::{AuditLimits, AuditLog, Event, Filter, Mode, Options};

/// Invariant: With a required audit log, no call goes to its server without a durable record, and no answer goes out without one.
#[tokio::test(start_paused = true)]
async fn a_full_store_refuses_calls_where_the_log_is_required() {
    let store = TestStore::new();
    let log = log_in(&store, Mode::Required).await;
    let server = Server::default();
    let service = layered(&log, server.clone());
    store.set_full(true);
    for _ in 0..3 {
        let refused = Failure::AuditUnavailable { is_done: false };
        assert_eq!(answer(&service, "buy").await, Outcome::from(refused));
    }
    assert_eq!(server.0.load(Ordering::SeqCst), 0);
    store.set_full(false);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!answer(&service, "buy").await.is_error());
    log.close().await;
    let kinds: Vec<_> = calls(&store).await.iter().map(|call| call["outcome"]["kind"].clone()).collect();
    assert_eq!(kinds, ["refused", "refused", "refused", "ok"]);
    assert!(verified(&store).await.is_whole());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_during_a_call_holds_its_answer_back() {
    let store = TestStore::new();
    let log = log_in(&store, Mode::Required).await;
    let server = Server::default();
    let service = layered(&log, server.clone());
    store.delay_ms.store(50, Ordering::SeqCst);
    let reply = tokio::spawn({
        let call = super::support::call(&service, "ann", serde_json::json!({"name": "buy"}));
        call.outcome()
    });
    tokio::time::sleep(Duration::from_millis(75)).await;
    assert_eq!(server.0.load(Ordering::SeqCst), 1);
    store.set_full(true);
    assert_eq!(reply.await.unwrap(), Outcome::from(Failure::AuditUnavailable { is_done: true }));
    store.set_full(false);
    log.close().await;
    assert_eq!(calls(&store).await[0]["outcome"]["kind"], "ok", "the record of the end comes when it can");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_refuses_after_a_while() {
    let store = TestStore::new();
    let metrics = Metrics::new();
    let log =
        AuditLog::start(store.clone(), &key(), Mode::Required, Options::default().metrics(metrics.clone()));
    log.opened().await.unwrap();
    store.delay_ms.store(60_000, Ordering::SeqCst);
    let refused = Outcome::from(Failure::AuditUnavailable { is_done: false });
    assert_eq!(answer(&layered(&log, Server::default()), "buy").await, refused);
    assert_eq!(metrics.refusals("audit_wait").value(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_go_on_where_the_log_is_not_required_and_what_was_lost_is_counted() {
    let store = TestStore::new();
    let metrics = Metrics::new();
    let limits = AuditLimits::default().queue(5_000);
    let options = Options::default().metrics(metrics.clone()).limits(limits);
    let log = AuditLog::start(store.clone(), &key(), Mode::On, options);
    log.opened().await.unwrap();
    let service = layered(&log, Server::default());
    store.set_full(true);
    for _ in 0..30 {
        assert!(!answer(&service, "buy").await.is_error());
    }
    let lost = metrics.refusals("audit_queue").value();
    assert!(lost > 10, "{lost}");
    store.set_full(false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    log.close().await;
    let events = found(&store, &Filter::default()).await.into_iter().map(|found| found.said.event);
    let told: Vec<_> = events.filter(|event| matches!(event, Event::Lost { .. })).collect();
    assert_eq!(told, [Event::Lost { records: lost }]);
    assert_eq!(calls(&store).await.len() as u64, 30 - lost);
    assert!(verified(&store).await.is_whole());
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_begin_says_why_and_goes_on_trying() {
    let store = TestStore::new();
    store.set_full(true);
    let log = AuditLog::start(store.clone(), &key(), Mode::On, Options::default());
    assert_eq!(log.opened().await, Err("the store is full".to_owned()));
    store.set_full(false);
    answer(&layered(&log, Server::default()), "buy").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    log.close().await;
    assert_eq!(calls(&store).await.len(), 1);
    assert!(verified(&store).await.is_whole());
}
