//! Servers that hang, answer nonsense, flap or are away, and their circuit.

use super::*;
use crate::{UpstreamHealth, test_server::Server};

/// An upstream with probes in the background, and calls that have a second for their first message.
fn probing(farm: &Farm, failures: u32) -> Upstream {
    let limits = UpstreamLimits::default()
        .background_probes(true)
        .first_byte_timeout(Duration::from_secs(1))
        .breaker_failures(failures)
        .breaker_window(Duration::from_secs(60));
    Upstream::builder("farm", farm.clone()).limits(limits).build()
}

fn hangs() -> Request {
    call("write", json!({"hang": true}))
}

async fn reason(upstream: &Upstream, request: Request) -> (String, Value) {
    error(upstream.call(request, plain()).outcome().await)
}

/// Invariant: A server that hangs is found out by the first-byte deadlines of its calls, and its calls then fail at once until it
/// was connected anew.
#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_down_until_it_was_connected_anew() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let upstream = probing(&farm, 3);
        result(upstream.call(call("write", json!({})), plain()).outcome().await);
        assert!(matches!(upstream.health(), UpstreamHealth::Connected { .. }));
        let in_flight = tokio::spawn({
            let upstream = upstream.clone();
            let meta =
                anyport_protocol::meta::Meta { progress_token: Some(Raw::string("t")), ..Default::default() };
            let context = plain().with_meta(meta).unwrap();
            async move { upstream.call(hangs(), context).outcome().await }
        });
        sleep(Duration::from_secs(1)).await;
        for _ in 0..3 {
            let (message, data) = reason(&upstream, hangs()).await;
            assert_eq!(message, "the call to farm has received nothing for 1000 ms (first_byte_timeout)");
            assert_eq!((&data["reason"], &data["upstream"]), (&json!("timeout"), &json!("farm")));
        }
        let Outcome::Failed(down) =
            upstream.call(hangs(), plain()).into_ready().unwrap_or_else(|reply| panic!("{reply:?}"))
        else {
            panic!("it is not down")
        };
        let message = down.to_string();
        assert!(
            message.contains("3 calls in a row have failed, the last one so: the call to farm"),
            "{message}"
        );
        let UpstreamHealth::Down { why, retry_at, since } = upstream.health() else {
            panic!("it is not down")
        };
        assert!(why.contains("first_byte_timeout") && retry_at.is_some_and(|at| at >= since), "{why}");
        // It is connected anew although nobody calls, and takes calls at once.
        sleep(Duration::from_secs(1)).await;
        assert!(matches!(upstream.health(), UpstreamHealth::Connected { .. }));
        result(upstream.call(call("write", json!({})), plain()).outcome().await);
        assert_eq!(farm.connections(), 2);
        // What was under way on the old connection was not cut, since it had sent something.
        assert!(!in_flight.is_finished());
        farm.server(0).lose("killed");
        let (_, data) = error(in_flight.await.unwrap());
        assert_eq!(data["reason"], "outcome_unknown");
    }
}

/// Invariant: While a circuit is half open, one failure opens it again, with a longer backoff.
#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_again_is_tried_less_often() {
    let farm = Farm::new(MODERN);
    let upstream = probing(&farm, 2);
    let begun = tokio::time::Instant::now();
    let mut calls = 0;
    while begun.elapsed() < Duration::from_secs(600) {
        reason(&upstream, hangs()).await;
        calls += 1;
        sleep(Duration::from_millis(10)).await;
    }
    let connections = farm.connections();
    assert!((10..=40).contains(&connections), "{connections} connections, {calls} calls");
    // The first answer closes it for good.
    sleep(Duration::from_secs(40)).await;
    result(upstream.call(call("write", json!({})), plain()).outcome().await);
    reason(&upstream, hangs()).await;
    result(upstream.call(call("write", json!({})), plain()).outcome().await);
}

#[tokio::test(start_paused = true)]
async fn errors_answers_and_cancelled_calls_open_no_circuit() {
    let farm = Farm::new(MODERN);
    let upstream = probing(&farm, 2);
    for _ in 0..5 {
        error(upstream.call(call("forged", json!({})), plain()).outcome().await);
        drop(upstream.call(hangs(), plain()));
        result(upstream.call(call("scripted", json!({"modern": ["failed"]})), plain()).outcome().await);
        // An answer in between: they are not in a row.
        reason(&upstream, hangs()).await;
    }
    assert_eq!(farm.connections(), 1);
    // Nor do failures that are long ago, or that come at the same time.
    for _ in 0..3 {
        sleep(Duration::from_secs(61)).await;
        let calls = [(); 5].map(|()| reason(&upstream, hangs()));
        let [a, b, c, d, e] = calls;
        tokio::join!(a, b, c, d, e);
    }
    assert_eq!(farm.connections(), 1);
}

/// Invariant: A server that cannot be reached is connected in the background, and takes calls from its first handshake on.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_comes_back_by_itself() {
    let farm = Farm::new(LEGACY).failing(&["refused"; 8]);
    let upstream = probing(&farm, 3);
    reason(&upstream, hangs()).await;
    while farm.connections() < 4 {
        sleep(Duration::from_millis(50)).await;
    }
    // The fourth attempt is under way: nobody waits for it.
    let reply = upstream.call(hangs(), plain()).into_ready();
    assert!(matches!(&reply, Ok(Outcome::Failed(down)) if down.to_string().contains("refused")), "{reply:?}");
    let UpstreamHealth::Down { since, .. } = upstream.health() else { panic!("it is not down") };
    while !matches!(upstream.health(), UpstreamHealth::Connected { .. }) {
        if let UpstreamHealth::Down { since: still, .. } = upstream.health() {
            assert_eq!(still, since);
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(farm.connections(), 9);
    result(upstream.call(call("write", json!({})), plain()).outcome().await);
}

/// Invariant: A server that cannot be reached costs its callers no waiting, and is not restarted in a loop.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_lost_after_each_handshake_is_tried_less_often() {
    let farm = Farm::new(LEGACY);
    let upstream = probing(&farm, 3);
    result(upstream.call(call("write", json!({})), plain()).outcome().await);
    let mut lost = 0;
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(300) {
        if farm.connections() > lost && matches!(upstream.health(), UpstreamHealth::Connected { .. }) {
            Server::lose(&farm.server(lost), "exit status 1");
            lost += 1;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert!((10..=25).contains(&lost), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn probes_end_with_the_upstream() {
    let farm = Farm::new(LEGACY).failing(&["refused"; 1000]);
    let upstream = probing(&farm, 3);
    reason(&upstream, hangs()).await;
    drop(upstream);
    let attempts = farm.connections();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(farm.connections(), attempts);
}
