use anyport_service::{Authorization, Event, Notification, Principal, Reply};
use tokio::time::{Instant, sleep, timeout};

use super::*;

fn listen(federation: &Federation, notifications: Value, context: Context) -> Reply {
    federation.call(request(Method::Listen, json!({ "notifications": notifications })), context)
}

/// The next notification within a minute.
async fn next(reply: &mut Reply) -> Option<Notification> {
    match timeout(seconds(60), reply.next()).await {
        Ok(Event::Notification(notification)) => Some(notification),
        Ok(event) => panic!("{event:?}"),
        Err(_) => None,
    }
}

async fn method(reply: &mut Reply) -> Option<Method> {
    next(reply).await.map(|notification| notification.method)
}

/// Invariant: Only those clients receive list-changed whose list has changed: not those of a virtual server that selects none of it.
#[tokio::test(start_paused = true)]
async fn only_listeners_whose_view_changed_are_notified() {
    let (a, b) = (Fake::new(&["x"]), Fake::new(&["x"]));
    let federation = two(&a, &b);
    let of_b = federation.virtual_server(VirtualServer::new("b").include("b_*"));
    let lists = json!({"toolsListChanged": true, "promptsListChanged": true});
    assert_eq!((tools(&federation).await.len(), tools(&of_b).await.len()), (2, 1));
    let mut all = listen(&federation, lists.clone(), modern());
    let mut selected = listen(&of_b, lists, modern());
    let acknowledged = next(&mut all).await.unwrap();
    assert_eq!(
        acknowledged.params.decode::<Value>().unwrap(),
        json!({"notifications": {"toolsListChanged": true, "promptsListChanged": true}})
    );
    assert_eq!(method(&mut selected).await, Some(Method::Acknowledged));
    assert_eq!(method(&mut all).await, None);

    a.set("tools", json!([{"name": "y"}]));
    a.say(Method::ToolsChanged, json!({}));
    assert_eq!(method(&mut all).await, Some(Method::ToolsChanged));
    assert_eq!((tools(&federation).await, method(&mut all).await), (vec!["a_y".into(), "b_x".into()], None));
    assert_eq!(method(&mut selected).await, None, "its list is the same");
    // A notification without a change.
    a.say(Method::ToolsChanged, json!({}));
    b.say(Method::PromptsChanged, json!({}));
    assert_eq!(method(&mut all).await, None);
}

/// Invariant: Of a virtual server that changes, those learn it whose lists have changed, and nothing else ends.
#[tokio::test(start_paused = true)]
async fn listeners_of_a_changed_virtual_server_are_notified_of_the_lists_that_differ() {
    let (a, b) = (Fake::new(&["x"]), Fake::new(&["x"]));
    let federation = two(&a, &b);
    let [one, other] = ["one", "other"]
        .map(|name| federation.virtual_server(VirtualServer::new(name).include("a_*").include("b_*")));
    assert_eq!((tools(&one).await.len(), tools(&other).await.len()), (2, 2));
    assert_eq!(tools(&federation).await.len(), 2);
    let lists = json!({"toolsListChanged": true, "promptsListChanged": true});
    let [mut of_one, mut of_other, mut of_all] =
        [&one, &other, &federation].map(|served| listen(served, lists.clone(), modern()));
    for reply in [&mut of_one, &mut of_other, &mut of_all] {
        assert_eq!(method(reply).await, Some(Method::Acknowledged));
    }
    federation.replace_virtual_server(&one, VirtualServer::new("one").include("a_*"));
    assert_eq!(method(&mut of_one).await, Some(Method::ToolsChanged));
    assert_eq!((tools(&one).await, method(&mut of_one).await), (vec!["a_x".into()], None));
    assert_eq!((method(&mut of_other).await, method(&mut of_all).await), (None, None));
    let refused = error(&one, tool("b_x", json!({}))).await;
    assert_eq!(refused.code, -32602, "{refused:?}");
    // Another way to say the same, and other words for people.
    let same = VirtualServer::new("one").include("a_*").exclude("b_*").instructions("Ours.");
    federation.replace_virtual_server(&one, same.clone());
    assert_eq!(method(&mut of_one).await, None);
    let described = result(&one, request(Method::Discover, json!({}))).await;
    assert!(described["instructions"].as_str().unwrap().starts_with("Ours."), "{described}");
    // It follows its members as before, although it was not read since.
    a.set("tools", json!([{"name": "y"}]));
    a.say(Method::ToolsChanged, json!({}));
    assert_eq!(method(&mut of_one).await, Some(Method::ToolsChanged));
    assert_eq!(tools(&one).await, ["a_y"]);
    federation.replace_virtual_server(&one, same.searched(true));
    assert_eq!(method(&mut of_one).await, Some(Method::ToolsChanged), "other tools stand before them");
    one.end();
    assert!(matches!(of_one.next().await, Event::Outcome(Outcome::Result(_))));
    assert_eq!(
        (method(&mut of_other).await, method(&mut of_all).await),
        (Some(Method::ToolsChanged), Some(Method::ToolsChanged))
    );
    assert_eq!((method(&mut of_other).await, method(&mut of_all).await), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_federation_that_introduces_itself_otherwise_keeps_its_lists() {
    let (a, b) = (Fake::new(&["x"]), Fake::new(&["x"]));
    let federation = two(&a, &b);
    tools(&federation).await;
    let mut reply = listen(&federation, json!({"toolsListChanged": true}), modern());
    assert_eq!(method(&mut reply).await, Some(Method::Acknowledged));
    federation.introduce_as("renamed", Some("All of it."), false);
    assert_eq!(method(&mut reply).await, None);
    let described = result(&federation, request(Method::Discover, json!({}))).await;
    assert_eq!(described["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "renamed", "{described}");
    assert!(described["instructions"].as_str().unwrap().starts_with("All of it."), "{described}");
    let listed = result(&federation, request(Method::ToolsList, json!({}))).await;
    assert_eq!(listed["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "renamed", "{listed}");
    // A member that is alone and passes everything on has its own stream, which goes on.
    let alone = federation_of_one(&a);
    let mut reply = listen(&alone, json!({"toolsListChanged": true}), modern());
    assert_eq!(method(&mut reply).await, Some(Method::Acknowledged));
    alone.introduce_as("gateway", None, true);
    assert_eq!(method(&mut reply).await, Some(Method::ToolsChanged));
    alone.end();
    assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))));
}

/// A federation that passes everything on to its only member.
fn federation_of_one(fake: &Fake) -> Federation {
    federation([Member::new("a", Arc::new(fake.clone())).naming(Naming::default().prefix(""))])
}

#[tokio::test(start_paused = true)]
async fn a_member_that_promises_notifications_and_sends_none_is_read_again_after_a_while() {
    let (a, b) = (Fake::new(&["x"]), Fake::new(&["x"]));
    let federation = two(&a, &b);
    assert_eq!(tools(&federation).await, ["a_x", "b_x"]);
    a.set("tools", json!([{"name": "y"}]));
    sleep(seconds(500)).await;
    assert_eq!(tools(&federation).await, ["a_x", "b_x"], "it is believed");
    sleep(seconds(200)).await;
    tools(&federation).await;
    sleep(seconds(1)).await;
    assert_eq!(tools(&federation).await, ["a_y", "b_x"]);
}

#[tokio::test(start_paused = true)]
async fn a_late_member_is_announced_when_its_list_is_there() {
    let (quick, slow) = (Fake::new(&["x"]), Fake::new(&["x"]).slow(seconds(20)));
    let federation = two(&quick, &slow);
    assert_eq!(tools(&federation).await, ["a_x"]);
    let mut reply = listen(&federation, json!({"toolsListChanged": true}), modern());
    assert_eq!(method(&mut reply).await, Some(Method::Acknowledged));
    assert_eq!(method(&mut reply).await, Some(Method::ToolsChanged));
    assert_eq!(tools(&federation).await, ["a_x", "b_x"]);
    // Nobody missed this one, but a session without a stream may have.
    let mut later = listen(&federation, json!({"toolsListChanged": true}), modern());
    assert_eq!(method(&mut later).await, Some(Method::Acknowledged));
    assert_eq!(method(&mut later).await, Some(Method::ToolsChanged));
}

/// Invariant: Nobody hears of changes of a resource without the scopes that reading it takes.
#[tokio::test(start_paused = true)]
async fn updates_of_a_member_are_for_callers_with_its_scopes() {
    let (open, closed) = (Fake::new(&[]), Fake::new(&[]));
    let members =
        [member("open", &open), member("closed", &closed).naming(Naming::default().require("read"))];
    let federation = federation(members);
    let uris = ["open+file:///x", "closed+file:///y"];
    for (scopes, agreed) in [(&[][..], &uris[..1]), (&["read"], &uris)] {
        let ada = Principal::subject_of("https://login.example", "ada");
        let caller = Context::authorized(Authorization::scoped(ada, scopes.iter().copied()), MODERN);
        let mut reply = listen(&federation, json!({ "resourceSubscriptions": uris }), caller);
        let granted = next(&mut reply).await.unwrap().params.decode::<Value>().unwrap();
        assert_eq!(granted["notifications"]["resourceSubscriptions"], json!(agreed), "{scopes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn updates_have_the_uris_of_the_federation_and_a_late_member_holds_nothing_up() {
    let (a, b) = (Fake::new(&[]), Fake::new(&[]));
    b.never_acknowledge("file:///late");
    let members = [member("a", &a), member("b", &b), member("c", &b)];
    let limits = FederationLimits::default().subscribe_wait(seconds(3)).max_subscriptions(4);
    let federation = limited(members, limits);
    let uris = ["a+file:///x", "b+file:///late", "c+file:///y", "d+file:///z", "a+file:///more"];
    let begun = Instant::now();
    let mut reply = listen(&federation, json!({ "resourceSubscriptions": uris }), modern());
    let granted = next(&mut reply).await.unwrap().params.decode::<Value>().unwrap();
    assert_eq!(granted, json!({"notifications": {"resourceSubscriptions": ["a+file:///x", "c+file:///y"]}}));
    assert_eq!(begun.elapsed(), seconds(3));
    a.say(Method::ResourceUpdated, json!({"uri": "file:///x/part"}));
    let updated = next(&mut reply).await.unwrap();
    assert_eq!(
        (updated.method, updated.params.as_str()),
        (Method::ResourceUpdated, r#"{"uri":"a+file:///x/part"}"#)
    );
    b.say(Method::ResourceUpdated, json!({"uri": "file:///y"}));
    assert_eq!(next(&mut reply).await.unwrap().params.as_str(), r#"{"uri":"c+file:///y"}"#);
    assert_eq!(next(&mut reply).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_list_without_notifications_is_read_again_while_somebody_listens() {
    let fake = Fake::new(&[]);
    fake.refuse_listeners();
    let federation = two(&fake, &Fake::new(&[]));
    assert_eq!(tools(&federation).await.len(), 0);
    let mut reply = listen(&federation, json!({"toolsListChanged": true}), modern());
    assert_eq!(method(&mut reply).await, Some(Method::Acknowledged));
    sleep(seconds(300)).await;
    fake.set("tools", json!([{"name": "x"}]));
    assert_eq!(method(&mut reply).await, Some(Method::ToolsChanged));
    assert_eq!(tools(&federation).await, ["a_x"]);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_comes_back_is_announced() {
    let fake = Fake::new(&["x"]);
    fake.set_down(true);
    let federation = two(&fake, &Fake::new(&[]));
    assert_eq!(tools(&federation).await.len(), 0);
    let mut reply = listen(&federation, json!({"toolsListChanged": true}), modern());
    assert_eq!(method(&mut reply).await, Some(Method::Acknowledged));
    sleep(seconds(600)).await;
    fake.set_down(false);
    assert_eq!(method(&mut reply).await, Some(Method::ToolsChanged));
    assert_eq!(tools(&federation).await, ["a_x"]);
}

#[tokio::test(start_paused = true)]
async fn an_unused_catalog_is_not_watched() {
    let fake = Fake::new(&["x"]);
    let limits = FederationLimits::default().catalog_idle(seconds(300));
    let federation = limited([member("a", &fake)], limits);
    tools(&federation).await;
    assert_eq!(fake.requests(Method::Listen).len(), 1);
    sleep(seconds(400)).await;
    let reads = fake.requests(Method::ToolsList).len();
    fake.set("tools", json!([{"name": "y"}]));
    fake.say(Method::ToolsChanged, json!({}));
    sleep(seconds(10)).await;
    assert_eq!(fake.requests(Method::ToolsList).len(), reads, "nobody wants to know");
    assert_eq!(tools(&federation).await, ["a_x"], "what is known, at once");
    sleep(seconds(1)).await;
    assert_eq!(tools(&federation).await, ["a_y"]);
}

#[tokio::test(start_paused = true)]
async fn listeners_end_when_the_federation_closes() {
    let federation = two(&Fake::new(&[]), &Fake::new(&[]));
    let mut reply = listen(&federation, json!({"toolsListChanged": true}), modern());
    assert_eq!(method(&mut reply).await, Some(Method::Acknowledged));
    federation.close();
    let Outcome::Result(end) = reply.outcome().await else { panic!("no end") };
    assert_eq!(end.member("resultType").unwrap(), Raw::string("complete"));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_notifies_without_end_is_read_now_and_then() {
    let fake = Fake::new(&["x"]);
    let federation = two(&fake, &Fake::new(&[]));
    tools(&federation).await;
    let mut reply = listen(&federation, json!({"toolsListChanged": true}), modern());
    assert_eq!(method(&mut reply).await, Some(Method::Acknowledged));
    for _ in 0..1_000 {
        fake.say(Method::ToolsChanged, json!({}));
        sleep(Duration::from_millis(10)).await;
    }
    // Of ten seconds, half of each second.
    let reads = fake.requests(Method::ToolsList).len();
    assert!((15..=25).contains(&reads), "{reads}");
}
