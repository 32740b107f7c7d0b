//! Listeners and the connections that they need.

use std::{
    future::poll_fn,
    task::{Context as Task, Poll, Wake, Waker},
};

use super::*;

/// Polls a reply that has nothing to say yet.
async fn begin(reply: &mut Reply) {
    poll_fn(|task| {
        assert!(reply.poll_event(task).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Invariant: A listener waits for no connection that nobody makes, however its own one ends.
#[tokio::test(start_paused = true)]
async fn a_listener_that_comes_as_its_connection_is_closed_goes_on_with_the_next_one() {
    for own in [false, true] {
        let farm = Farm::new(MODERN);
        let upstream = upstream(&farm);
        let context = caller(LEGACY, json!({})).with_session(SessionId::next());
        let mut reply = upstream.call(listens(), context.clone());
        // It waits for a connection, then for the stream that legacy sessions share, and then it is not looked at.
        for _ in 0..2 {
            begin(&mut reply).await;
            sleep(Duration::from_secs(1)).await;
        }
        let slot = upstream.pool.slot(&context);
        if own {
            upstream.pool.give_up(&slot);
        } else {
            sleep(HEALTHY).await;
            farm.server(0).lose("cut");
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(farm.connections(), 1, "nobody listens yet");

        assert_eq!(told(&mut reply).await, Method::Acknowledged);
        assert_eq!(farm.connections(), 2);
        farm.server(1).cut();
        assert_eq!(told(&mut reply).await, Method::ToolsChanged);
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_forgotten_takes_no_listeners() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    upstream.pool.attributed(&mut upstream.pool.lock(), Some(Attribution::Ambiguous));
    let context = caller(LEGACY, json!({"elicitation": {}})).with_session(SessionId::next());
    let (slot, up) = upstream.pool.up(&context, Era::Legacy).await.unwrap();
    slot.retire(&up);
    drop(up);
    sleep(Duration::from_secs(1)).await;
    assert!(
        upstream.pool.slots().iter().all(|other| !std::sync::Arc::ptr_eq(other, &slot)),
        "it is forgotten"
    );
    let refused = slot.listen.open(listens().params.raw()).outcome().await;
    assert!(matches!(&refused, Outcome::Failed(failure) if failure.is_lost_connection()), "{refused:?}");
}

/// A stream that a client has to itself is one that the connection is needed for, as those that sessions share are.
#[tokio::test(start_paused = true)]
async fn a_connection_with_a_listener_is_not_idle() {
    for session in [LEGACY, MODERN] {
        let farm = Farm::dual();
        let limits = UpstreamLimits::default().connections(2).connection_wait(Duration::from_secs(1));
        let upstream = Upstream::builder("farm", farm.clone()).limits(limits).build();
        let mut reply = upstream.call(listens(), caller(session, json!({})));
        assert_eq!(told(&mut reply).await, Method::Acknowledged);
        // Others come and go: this is not the last connection, and there is no room for a third one.
        let other = if session == MODERN { LEGACY } else { MODERN };
        for can in [json!({}), json!({"extensions": {"a": {}}}), json!({"extensions": {"b": {}}})] {
            let context = caller(if farm.connections() == 1 { other } else { LEGACY }, can);
            result(upstream.call(call("read", json!({})), context).outcome().await);
            sleep(Duration::from_secs(1)).await;
        }
        sleep(UpstreamLimits::default().idle * 3).await;
        assert_eq!(farm.server(0).end(), None, "{session}");
        let said = tokio::time::timeout(Duration::from_secs(60), reply.next()).await;
        assert!(said.is_err(), "{session}: {said:?}");
        drop(reply);
    }
}

/// Invariant: A panic of foreign code while a connection is put in its place leaves nobody waiting.
#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_when_it_is_woken_costs_one_attempt_to_connect() {
    struct Panics(AtomicBool);

    impl Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            assert!(!self.0.load(Ordering::Relaxed), "the waker of a listener");
        }
    }

    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    let context = caller(LEGACY, json!({}));
    let mut reply = upstream.call(listens(), context.clone());
    assert_eq!(told(&mut reply).await, Method::Acknowledged);
    let panics = std::sync::Arc::new(Panics(AtomicBool::new(false)));
    let waker = Waker::from(panics.clone());
    assert!(reply.poll_event(&mut Task::from_waker(&waker)).is_pending());
    sleep(HEALTHY).await;

    // The next attempt in that place is in a second, and a call that knows nothing of the server's eras makes one in another.
    farm.clone().failing(&["no"]).server(0).lose("cut");
    sleep(Duration::from_millis(100)).await;
    panics.0.store(true, Ordering::Relaxed);
    upstream.pool.forget_eras();
    let first = upstream.call(call("read", json!({})), plain()).outcome();
    let (_, data) = error(tokio::time::timeout(Duration::from_secs(60), first).await.unwrap());
    assert_eq!(data["reason"], "upstream_down");
    panics.0.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(5)).await;
    for context in [context, plain()] {
        let again = upstream.call(call("read", json!({})), context).outcome();
        result(tokio::time::timeout(Duration::from_secs(60), again).await.unwrap());
    }
}
