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

#[tokio::test(start_paused = true)]
async fn listening_holds_through_a_loss() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let upstream = upstream(&farm);
        let filter =
            json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["test://a"]}});
        let mut reply = upstream.call(Request::new(Method::Listen, Raw::from(filter)), plain());
        let mut next = async || match reply.next().await {
            Event::Notification(told) => told.method,
            event => panic!("{event:?}"),
        };
        assert_eq!(next().await, Method::Acknowledged);
        sleep(HEALTHY).await;
        farm.server(0).lose("cut");
        assert_eq!(next().await, Method::ToolsChanged, "{revision}");
        assert_eq!(next().await, Method::ResourceUpdated);
        assert_eq!(farm.connections(), 2);
        if revision == LEGACY {
            farm.server(1).say(Method::ToolsChanged, json!({}));
            assert_eq!(next().await, Method::ToolsChanged);
        }
        upstream.close();
        assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))));
        let refused = upstream.call(call("read", json!({})), plain()).outcome().await;
        assert_eq!(error(refused).1["reason"], "shutting_down");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_alone_is_opened_again() {
    let farm = Farm::new(MODERN);
    let upstream = upstream(&farm);
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut reply = upstream.call(Request::new(Method::Listen, Raw::from(filter)), plain());
    let mut next = async || match reply.next().await {
        Event::Notification(told) => told.method,
        event => panic!("{event:?}"),
    };
    assert_eq!(next().await, Method::Acknowledged);
    for _ in 0..2 {
        farm.server(0).cut();
        assert_eq!(next().await, Method::ToolsChanged);
        assert_eq!(next().await, Method::ResourceUpdated);
    }
    assert_eq!((farm.connections(), farm.server(0).calls().len()), (1, 3));
}

/// The connection is retired while another call goes on there, for however long.
#[tokio::test(start_paused = true)]
async fn listeners_leave_a_retired_connection_at_once() {
    for (server, session) in [(LEGACY, LEGACY), (LEGACY, MODERN), (MODERN, LEGACY), (MODERN, MODERN)] {
        let farm = Farm::new(server);
        let upstream = upstream(&farm);
        let context = caller(session, json!({}));
        let mut reply = upstream.call(listens(), context.clone());
        assert_eq!(told(&mut reply).await, Method::Acknowledged);
        let hangs = tokio::spawn(upstream.call(call("write", json!({"hang": 1})), context.clone()).outcome());
        sleep(HEALTHY).await;
        let (slot, up) = upstream.pool.up(&context, Era::of(session)).await.unwrap();
        upstream.pool.outdated(&slot, &up);
        assert_eq!(told(&mut reply).await, Method::ToolsChanged, "{server} {session}");
        assert_eq!(told(&mut reply).await, Method::ResourceUpdated, "{server} {session}");
        assert!(!hangs.is_finished() && farm.server(0).end().is_none(), "{server} {session}");
        assert_eq!(farm.connections(), 2, "{server} {session}");
        hangs.abort();
    }
}

/// A listener that comes as its connection is given up.
#[tokio::test(start_paused = true)]
async fn listeners_of_a_connection_that_is_given_up_go_on_with_the_next_one() {
    for server in [LEGACY, MODERN] {
        let farm = Farm::new(server);
        let upstream = upstream(&farm);
        let context = caller(LEGACY, json!({}));
        let mut reply = upstream.call(listens(), context.clone());
        assert_eq!(told(&mut reply).await, Method::Acknowledged);
        sleep(HEALTHY).await;
        upstream.pool.give_up(&upstream.pool.slot(&context));
        assert_eq!(told(&mut reply).await, Method::ToolsChanged, "{server}");
        assert_eq!(told(&mut reply).await, Method::ResourceUpdated, "{server}");
        assert_eq!(farm.connections(), 2, "{server}");
    }
}

/// Invariant: Listeners of both eras go on with a server that comes back in the other era, and are notified of what may have
/// changed meanwhile.
#[tokio::test(start_paused = true)]
async fn listeners_go_on_with_a_server_that_comes_back_in_the_other_era() {
    for (before, after) in [(LEGACY, MODERN), (MODERN, LEGACY)] {
        for session in [LEGACY, MODERN] {
            let pair = format!("{before} to {after}, a listener of {session}");
            let farm = Farm::new(before);
            let upstream = upstream(&farm);
            let mut reply = upstream.call(listens(), caller(session, json!({})));
            assert_eq!(told(&mut reply).await, Method::Acknowledged, "{pair}");
            for (number, revision) in [after, before].into_iter().enumerate() {
                sleep(HEALTHY).await;
                farm.speak(revision);
                farm.server(number).lose("upgraded");
                assert_eq!(told(&mut reply).await, Method::ToolsChanged, "{pair}");
                assert_eq!(told(&mut reply).await, Method::ResourceUpdated, "{pair}");
                assert_eq!(farm.connections(), number + 2, "{pair}");
            }
        }
    }
}

/// Invariant: A server that refuses the listeners of each connection as of another revision is not connected to without a pause.
#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_listeners_again_and_again_is_given_time() {
    for session in [LEGACY, MODERN] {
        let farm = Farm::new(MODERN);
        let upstream = upstream(&farm);
        let mut reply = upstream.call(listens(), caller(session, json!({})));
        assert_eq!(told(&mut reply).await, Method::Acknowledged);
        sleep(HEALTHY).await;
        farm.refuse_listeners();
        farm.server(0).cut();
        sleep(Duration::from_secs(60)).await;
        let connections = farm.connections();
        assert!(connections < 20, "{session}: {connections} connections in a minute");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_whose_resource_the_next_server_does_not_have_hears_the_end() {
    for session in [LEGACY, MODERN] {
        let farm = Farm::new(MODERN);
        let upstream = upstream(&farm);
        let mut reply = upstream.call(listens(), caller(session, json!({})));
        assert_eq!(told(&mut reply).await, Method::Acknowledged);
        sleep(HEALTHY).await;
        farm.speak(LEGACY);
        farm.refuse("test://a");
        farm.server(0).lose("downgraded");
        // No message takes back a part of an acknowledgement.
        let end = tokio::time::timeout(Duration::from_secs(60), reply.outcome()).await;
        assert!(matches!(end, Ok(Outcome::Result(_))), "{session}: {end:?}");
    }
}
