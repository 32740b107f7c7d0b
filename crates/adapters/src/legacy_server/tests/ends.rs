//! How parked calls end: by time, by limits, with their server, their caller or the program.

use super::*;

/// Invariant: A parked call is cancelled at its server before its server requests are refused.
#[tokio::test(start_paused = true)]
async fn park_ttl_cancels_first() {
    let mut world = world();
    let (mut called, answer, asked) = world.parked().await;
    called.watched.0.lock().unwrap().0.push(answer);
    sleep(SECOND * 599).await;
    assert!(!called.end.is_closed());
    timeout(SECOND * 2, called.end.closed()).await.unwrap();
    sleep(SECOND).await;
    let (mut open, answered) = std::mem::take(&mut *called.watched.0.lock().unwrap());
    assert_eq!(answered, [false], "the call is cancelled before its question is answered");
    let error = open.remove(0).try_recv().unwrap().unwrap_err();
    assert_eq!(error.code, code::INTERNAL_ERROR);
    assert_refused(world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#)), Reason::Expired).await;
    assert_eq!((world.parked_calls(), world.refused("park_ttl")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn park_restart_says_start_over() {
    let mut before = world();
    let (_called, _answer, asked) = before.parked().await;
    let after = world();
    assert_refused(after.retry(&asked, "{}"), Reason::Lost).await;
    advance(SECOND * 601).await;
    assert_refused(after.retry(&asked, "{}"), Reason::Expired).await;
    let (send, _calls) = mpsc::unbounded_channel();
    let seals = StateSealer::new(Sealer::new(&Key::from_bytes([8; 32])), "node", "up");
    let rekeyed =
        World { park: LegacyServerAdapter::new(Scripted(send), seals, ParkLimits::default()), ..world() };
    assert_refused(rekeyed.retry(&asked, "{}"), Reason::Lost).await;
    assert_eq!(before.park.calls.seals.node_of(&asked.state).as_deref(), Some("node"));
}

#[tokio::test(start_paused = true)]
async fn park_limit_overload() {
    for (limits, limit) in [
        (ParkLimits::default().parked_per_principal(1), "parked_per_principal"),
        (ParkLimits::default().parked_total(1), "parked_total"),
    ] {
        let mut world = world_with(limits);
        let (_called, _answer, asked_first) = world.parked().await;
        let reply = world.tool();
        let mut called = world.called().await;
        let answer = called.elicit();
        let error = error(reply).await;
        assert_eq!((error.code, error.reason), (code::INTERNAL_ERROR, Some(Reason::Overloaded)));
        assert!(error.message.contains(limit));
        assert_eq!(answer.await.unwrap().unwrap_err().code, code::INTERNAL_ERROR);
        timeout(SECOND, called.end.closed()).await.unwrap();
        assert_eq!((world.refused(limit), world.parked_calls()), (1, 1));
        // Who waits is not disturbed, and leaves room when it is through.
        drop(world.retry(&asked_first, &format!(r#"{{"q1":{ACCEPT}}}"#)));
        sleep(SECOND).await;
        world.parked().await;
    }
}

#[tokio::test(start_paused = true)]
async fn park_upstream_killed() {
    let mut world = world();
    let (called, _answer, asked) = world.parked().await;
    drop(called);
    sleep(SECOND).await;
    let parked = error(world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#))).await;
    assert_eq!((parked.code, parked.reason), (code::INTERNAL_ERROR, Some(Reason::UpstreamLost)));
    let reply = world.tool();
    drop(world.called().await);
    let attached = error(reply).await;
    assert_eq!((attached.code, attached.reason), (code::INTERNAL_ERROR, Some(Reason::UpstreamLost)));
    assert_eq!(world.parked_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn park_server_times_out_first() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    sleep(SECOND * 60).await;
    called.finish(r#"{"isError":true}"#);
    assert_eq!(answer.await.unwrap().unwrap_err().code, code::INTERNAL_ERROR);
    sleep(SECOND * 60).await;
    let answers = format!(r#"{{"q1":{ACCEPT}}}"#);
    assert_eq!(result(world.retry(&asked, &answers)).await, r#"{"isError":true}"#);
    assert_eq!(result(world.retry(&asked, &answers)).await, r#"{"isError":true}"#);
    assert_refused(world.retry(&asked, "{}"), Reason::Consumed).await;
}

#[tokio::test(start_paused = true)]
async fn park_keeps_no_outcome_that_is_too_large() {
    let mut world = world_with(ParkLimits::default().parked_bytes(1000));
    let (called, _answer, asked) = world.parked().await;
    called.finish(&format!(r#"{{"text":"{}"}}"#, "x".repeat(1000)));
    sleep(SECOND).await;
    let told = error(world.retry(&asked, "{}")).await;
    assert_eq!((told.reason, world.refused("parked_bytes")), (Some(Reason::TooLarge), 1));
    let reply = world.tool();
    let called = world.called().await;
    let long = called.ask(Method::Elicit, &format!(r#"{{"message":"{}"}}"#, "x".repeat(1000)));
    assert!(long.await.unwrap().unwrap_err().message.contains("parked_bytes"));
    called.finish("{}");
    result(reply).await;
}

#[tokio::test(start_paused = true)]
async fn park_bounds_questions_and_rounds() {
    let mut world = world_with(ParkLimits::default().questions(2).rounds(1));
    let reply = world.tool();
    let called = world.called().await;
    let (first, second, third) = (called.elicit(), called.elicit(), called.elicit());
    let asked = asked(reply).await;
    assert_eq!(keys(&asked), ["q1", "q2"]);
    assert!(third.await.unwrap().unwrap_err().message.contains("questions"));
    // In the last round what is missing cannot be asked again.
    let retry = world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#));
    assert_eq!(told(first).await, ACCEPT);
    assert!(second.await.unwrap().unwrap_err().message.contains("rounds"));
    assert!(called.elicit().await.unwrap().unwrap_err().message.contains("rounds"));
    called.finish("{}");
    result(retry).await;
    assert_eq!((world.refused("questions"), world.refused("rounds")), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn park_call_timeout_max_stands_still_while_it_is_parked() {
    let mut world = world_with(ParkLimits::default().call_timeout_max(SECOND * 10));
    let reply = world.tool();
    let mut called = world.called().await;
    sleep(SECOND * 6).await;
    let answer = called.elicit();
    let asked = asked(reply).await;
    sleep(SECOND * 300).await;
    let retry = world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#));
    told(answer).await;
    sleep(SECOND * 3).await;
    assert!(!called.end.is_closed());
    let error = error(retry).await;
    assert_eq!((error.code, error.reason), (code::INTERNAL_ERROR, Some(Reason::Timeout)));
    timeout(SECOND, called.end.closed()).await.unwrap();
    assert_eq!(world.refused("call_timeout_max"), 1);
}

#[tokio::test(start_paused = true)]
async fn park_disconnect_sends_cancelled() {
    let mut world = world();
    let reply = world.tool();
    let mut called = world.called().await;
    let answer = called.elicit();
    sleep(Duration::from_millis(5)).await;
    drop(reply);
    timeout(SECOND, called.end.closed()).await.unwrap();
    assert_eq!(answer.await.unwrap().unwrap_err().code, code::INTERNAL_ERROR);
    assert_eq!(world.parked_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn park_drain_ends_what_is_parked_and_nothing_else() {
    let mut world = world();
    let (mut called, answer, first) = world.parked().await;
    let running = world.tool();
    let other = world.called().await;
    world.park.drain();
    timeout(SECOND, called.end.closed()).await.unwrap();
    assert!(answer.await.unwrap().is_err());
    sleep(SECOND).await;
    assert_refused(world.retry(&first, "{}"), Reason::Cancelled).await;
    other.finish("{}");
    result(running).await;
    let late = world.tool();
    let called = world.called().await;
    let _answer = called.elicit();
    assert_eq!(error(late).await.reason, Some(Reason::ShuttingDown));
}
