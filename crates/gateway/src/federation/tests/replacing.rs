//! Members that come and go while the federation runs, and a federation with one member.

use anyport_service::Event;
use anyport_upstream::Upstream;
use tokio::time::{sleep, timeout};

use super::*;
use crate::{
    Bridge,
    test_server::{self, Farm},
};

#[tokio::test(start_paused = true)]
async fn only_what_changed_is_replaced_and_calls_go_on() {
    let (a, b) = (Fake::new(&["x"]), Fake::new(&["x"]));
    let (a_service, b_service): (Arc<dyn Service>, Arc<dyn Service>) =
        (Arc::new(a.clone()), Arc::new(b.clone()));
    let a_member = || Member::new("a", a_service.clone());
    let b_member = || Member::new("b", b_service.clone());
    let federation = federation([a_member(), b_member()]);
    assert_eq!(tools(&federation).await, ["a_x", "b_x"]);
    let wanted = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["b+x://1"]}});
    let mut reply = federation.call(request(Method::Listen, wanted), modern());
    let mut next = async || match timeout(seconds(60), reply.next()).await {
        Ok(Event::Notification(notification)) => Some(notification),
        Ok(event) => panic!("{event:?}"),
        Err(_) => None,
    };
    assert_eq!(next().await.unwrap().method, Method::Acknowledged);

    let c = Fake::new(&["x"]);
    let slow = b.clone().slow(seconds(5));
    let calling = federation.call(tool("b_x", json!({})), modern());
    federation.set_members([a_member(), member("c", &c)]).unwrap();
    assert!(matches!(calling.outcome().await, Outcome::Result(_)), "it was in flight");
    slow.slow(Duration::ZERO);
    assert_eq!(next().await.unwrap().method, Method::ToolsChanged);
    assert_eq!(tools(&federation).await, ["a_x", "c_x"]);
    assert_eq!(a.requests(Method::ToolsList).len(), 1, "its list is still known");
    assert_eq!(error(&federation, tool("b_x", json!({}))).await.code, -32602);

    // Another server under the old name: who subscribed there stays so.
    let new = Fake::new(&["x"]);
    federation.set_members([a_member(), member("b", &new)]).unwrap();
    assert_eq!(next().await.unwrap().method, Method::ToolsChanged);
    federation.set_members([a_member().naming(Naming::default().prefix("z"))]).unwrap();
    assert_eq!(tools(&federation).await, ["z_x"]);
    assert_eq!(a.requests(Method::ToolsList).len(), 1);
    let twice = federation.set_members([a_member(), a_member()]);
    assert_eq!(twice.map(drop), Err(FederationError::DuplicateName("a".into())));
    assert_eq!(tools(&federation).await, ["z_x"], "nothing has changed");
}

/// Invariant: A name of a federation's member does not lead to another member while the list of the first is read again.
#[tokio::test(start_paused = true)]
async fn a_name_stays_with_a_member_that_is_connected_anew() {
    let (a, b) = (Fake::new(&["echo"]), Fake::new(&["echo"]));
    for fake in [&a, &b] {
        fake.set("resources", json!([{"uri": "https://example.org/x", "name": "x"}]));
    }
    let bare = |name: &'static str, fake: &Fake| member(name, fake).naming(Naming::default().prefix(""));
    let b_service: Arc<dyn Service> = Arc::new(b.clone());
    let b_member = || Member::new("b", b_service.clone()).naming(Naming::default().prefix(""));
    let federation = federation([bare("a", &a), b_member()]);
    assert_eq!(tools(&federation).await, ["echo", "b_echo"]);
    let read = || request(Method::ResourcesRead, json!({"uri": "https://example.org/x"}));
    result(&federation, read()).await;
    // A restart of `a`, which takes its time to answer.
    let restarted = a.clone().slow(seconds(3));
    federation.set_members([bare("a", &restarted), b_member()]).unwrap();
    result(&federation, tool("echo", json!({}))).await;
    result(&federation, read()).await;
    assert_eq!((a.requests(Method::ToolsCall).len(), b.requests(Method::ToolsCall).len()), (1, 0));
    assert_eq!((a.requests(Method::ResourcesRead).len(), b.requests(Method::ResourcesRead).len()), (2, 0));
    result(&federation, tool("b_echo", json!({}))).await;
    assert_eq!(b.requests(Method::ToolsCall).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn subscriptions_follow_a_member_that_is_replaced() {
    let (a, old, new) = (Fake::new(&[]), Fake::new(&[]), Fake::new(&[]));
    let federation = two(&a, &old);
    let wanted = json!({"notifications": {"resourceSubscriptions": ["b+x://1"]}});
    let mut reply = federation.call(request(Method::Listen, wanted), modern());
    let Event::Notification(acknowledged) = reply.next().await else { panic!("no acknowledgement") };
    assert_eq!(acknowledged.method, Method::Acknowledged);
    federation.set_members([member("a", &a), member("b", &new)]).unwrap();
    // It may have changed with its server.
    let Event::Notification(updated) = reply.next().await else { panic!("no update") };
    assert_eq!(updated.params.as_str(), r#"{"uri":"b+x://1"}"#);
    old.say(Method::ResourceUpdated, json!({"uri": "x://1"}));
    assert!(timeout(seconds(60), reply.next()).await.is_err(), "the old server is not followed");
    new.say(Method::ResourceUpdated, json!({"uri": "x://1"}));
    assert!(matches!(reply.next().await, Event::Notification(_)));
}

/// A bridge to `farm`.
fn bridge(farm: &Farm) -> Arc<dyn Service> {
    let supported: Vec<_> = Revision::ALL.into_iter().rev().collect();
    Arc::new(Bridge::new(Upstream::builder("farm", farm.clone()).build(), supported.into(), None))
}

#[tokio::test(start_paused = true)]
async fn a_single_member_without_a_prefix_is_reached_as_through_a_bridge() {
    for revision in [LEGACY, MODERN] {
        let bridge = bridge(&Farm::new(revision));
        let sole = Member::new("farm", bridge.clone()).naming(Naming::default().prefix(""));
        let federation = Federation::builder("gateway", "1").member(sole).build().unwrap();
        let unknown = Request { method: "acme/do".into(), params: Raw::EMPTY_OBJECT.into() };
        let list = request(Method::ToolsList, json!({}));
        for request in [request(Method::Discover, json!({})), list, unknown] {
            let (direct, through) = (
                bridge.call(request.clone(), modern()).outcome().await,
                federation.call(request, modern()).outcome().await,
            );
            let without_count = |outcome| {
                let mut result = test_server::result(outcome);
                result.as_object_mut().unwrap().remove("nth");
                result
            };
            assert_eq!(without_count(through), without_count(direct));
        }
        let hangs = federation.call(tool("read", json!({"hang": true})), modern());
        assert_eq!((federation.status()[0].calls, federation.status()[0].in_flight), (4, 1));
        drop(hangs);
        assert_eq!(federation.status()[0].in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_a_single_member_stays_when_another_one_comes() {
    let (a, b) = (Fake::new(&["x"]), Fake::new(&["x"]));
    let sole: Arc<dyn Service> = Arc::new(a.clone());
    let sole = || Member::new("a", sole.clone()).naming(Naming::default().prefix(""));
    let federation = Federation::builder("gateway", "1").member(sole()).build().unwrap();
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut reply = federation.call(request(Method::Listen, wanted), modern());
    assert!(matches!(reply.next().await, Event::Notification(one) if one.method == Method::Acknowledged));
    federation.set_members([sole(), member("b", &b)]).unwrap();
    assert!(matches!(reply.next().await, Event::Notification(one) if one.method == Method::ToolsChanged));
    assert_eq!(tools(&federation).await, ["x", "b_x"]);
}

#[tokio::test(start_paused = true)]
async fn one_dead_upstream() {
    let alive = |revision| Farm::new(revision);
    let dead = Farm::new(LEGACY).failing(&["not found"; 1_000]);
    let federation = federation([
        Member::new("old", bridge(&alive(LEGACY))),
        Member::new("dead", bridge(&dead)),
        Member::new("new", bridge(&alive(MODERN))),
    ]);
    for context in [modern(), legacy()] {
        assert_eq!(
            names(&federation, Method::ToolsList, context.clone()).await,
            ["old_read", "old_write", "new_read", "new_write"]
        );
        for name in ["old_read", "new_read"] {
            let called = federation.call(tool(name, json!({})), context.clone()).outcome().await;
            assert_eq!(test_server::result(called)["called"], "read");
        }
        let outcome = federation.call(tool("dead_read", json!({})), context).outcome().await;
        let (_, data) = test_server::error(outcome);
        assert_eq!(
            (&data["reason"], &data["why"], &data["upstream"]),
            (&json!("upstream_down"), &json!("not found"), &json!("farm"))
        );
    }
    sleep(seconds(1)).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_federation_is_left_when_it_is_dropped() {
    let fake = Fake::new(&["x"]);
    let service: Arc<dyn Service> = Arc::new(fake.clone());
    let federation = federation([Member::new("a", service.clone())]);
    assert_eq!(tools(&federation).await, ["a_x"]);
    // Its list is being read, and it is listened to.
    fake.clone().slow(seconds(9_999));
    fake.say(Method::ToolsChanged, json!({}));
    sleep(seconds(1)).await;
    drop(federation);
    sleep(seconds(1)).await;
    assert_eq!(Arc::strong_count(&service), 1);
    assert_eq!(fake.listeners(), 0);
}
