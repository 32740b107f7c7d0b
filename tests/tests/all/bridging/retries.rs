//! The same retry twice: a client that lost the answer calls again.

use std::time::Duration;

use anyport_tests::bridged::settle;
use tokio::time::sleep;

use super::*;

#[tokio::test(start_paused = true)]
async fn park_retry_joins() {
    for (revision, way) in legacy_ways() {
        // Both get the outcome.
        let mut parked = Parked::one(revision, way).await;
        let first = parked.begin(json!({"q1": parked.answer}));
        parked.server.hears_answer(parked.asked[0]).await;
        let second = parked.begin(json!({"q1": parked.answer}));
        parked.server.hears_nothing().await;
        parked.call.answers(DONE);
        for retry in [first, second] {
            assert_eq!(parked.client.end(retry).await.unwrap().text(), "done", "{revision} {way:?}");
        }
        // The server's call is cancelled when the last of them is gone.
        let mut parked = Parked::one(revision, way).await;
        let first = parked.begin(json!({"q1": parked.answer}));
        parked.server.hears_answer(parked.asked[0]).await;
        let second = parked.begin(json!({"q1": parked.answer}));
        settle().await;
        parked.client.cancel(first).await.unwrap();
        parked.server.hears_nothing().await;
        parked.client.cancel(second).await.unwrap();
        let cancelled = parked.server.hears("notifications/cancelled").await;
        assert_eq!(cancelled.param("requestId"), parked.call.id(), "{revision} {way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn park_retry_replays() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::one(revision, way).await;
        let retry = parked.begin(json!({"q1": parked.answer}));
        parked.server.hears_answer(parked.asked[0]).await;
        parked.call.answers(DONE);
        let outcome = parked.client.end(retry).await.unwrap().outcome.unwrap();
        sleep(Duration::from_secs(29)).await;
        let again = parked.retry(json!({"q1": parked.answer})).await.outcome.unwrap();
        assert_eq!(again, outcome, "{revision} {way:?}");
        sleep(Duration::from_secs(2)).await;
        let late = parked.retry(json!({"q1": parked.answer})).await;
        assert_eq!(refusal(&late), (-32602, "consumed"), "{revision} {way:?}");
        let words = "call ask again without requestState";
        assert!(late.outcome.unwrap_err().message.ends_with(words), "{revision} {way:?}");
        parked.server.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn park_other_answers_refused() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::one(revision, way).await;
        let first = parked.begin(json!({"q1": parked.answer}));
        parked.server.hears_answer(parked.asked[0]).await;
        let mut other = parked.answer.clone();
        other["x"] = 1.into();
        let refused = parked.retry(json!({"q1": other})).await;
        assert_eq!(refusal(&refused), (-32602, "consumed"), "{revision} {way:?}");
        parked.server.hears_nothing().await;
        parked.call.answers(DONE);
        assert_eq!(parked.client.end(first).await.unwrap().text(), "done");
        let refused = parked.retry(json!({"q1": other})).await;
        assert_eq!(refusal(&refused), (-32602, "consumed"), "{revision} {way:?}");
    }
}
