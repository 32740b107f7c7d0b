//! Invariant: One dead or hanging member delays no list beyond its deadline, and takes no tool of another away.

use anyport_service::{Principal, Reply};
use tokio::time::{Instant, sleep};

use super::*;

#[tokio::test(start_paused = true)]
async fn the_tools_of_all_members_are_in_one_list() {
    let (a, b) = (Fake::new(&["read", "write"]).paged(1), Fake::new(&["read"]));
    let federation = two(&a, &b);
    let list = result(&federation, request(Method::ToolsList, json!({}))).await;
    assert_eq!(of_list(&list), ["a_read", "a_write", "b_read"]);
    assert_eq!((&list["resultType"], &list["cacheScope"]), (&json!("complete"), &json!("private")));
    assert_eq!(
        list["_meta"]["io.modelcontextprotocol/serverInfo"],
        json!({"name": "gateway", "version": "1"})
    );
    // Once more, from memory.
    let again = federation.call(request(Method::ToolsList, json!({})), modern()).into_ready();
    assert_eq!(again.unwrap(), Outcome::Result(list.into()));
    assert_eq!(a.requests(Method::ToolsList).len(), 2, "one for each of its pages");
}

#[tokio::test(start_paused = true)]
async fn a_late_member_is_waited_for_once_and_then_not_at_all() {
    let (quick, slow, never) =
        (Fake::new(&["x"]), Fake::new(&["x"]).slow(seconds(20)), Fake::new(&["x"]).slow(seconds(9_999)));
    let federation = federation([member("quick", &quick), member("slow", &slow), member("never", &never)]);
    let begun = Instant::now();
    let list = result(&federation, request(Method::ToolsList, json!({}))).await;
    assert_eq!((of_list(&list), begun.elapsed()), (vec!["quick_x".to_owned()], seconds(5)));
    assert_eq!(list["ttlMs"], 0, "it is stale before it arrives");
    assert_eq!(
        (tools(&federation).await.len(), begun.elapsed()),
        (1, seconds(5)),
        "the next one waits no more"
    );
    sleep(seconds(16)).await;
    assert_eq!(tools(&federation).await, ["quick_x", "slow_x"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_to_other_callers_is_listed_until_a_server_answers_these() {
    let (quick, slow) = (Fake::new(&["x"]), Fake::new(&["x"]));
    let federation = two(&quick, &slow);
    assert_eq!(names(&federation, Method::ToolsList, legacy()).await, ["a_x", "b_x"]);
    // For clients of the other era it starts once more.
    slow.clone().slow(seconds(60));
    let begun = Instant::now();
    assert_eq!(tools(&federation).await, ["a_x", "b_x"]);
    assert_eq!(begun.elapsed(), seconds(5), "what it offers to them is waited for, and may be another list");
    let list = result(&federation, request(Method::ToolsList, json!({}))).await;
    assert_eq!((list["ttlMs"].clone(), begun.elapsed()), (json!(0), seconds(5)));
}

#[tokio::test(start_paused = true)]
async fn what_is_known_to_one_principal_is_listed_to_no_other() {
    let fake = Fake::new(&["x"]);
    let federation = federation([member("a", &fake).lists_per_principal()]);
    assert_eq!(tools(&federation).await, ["a_x"]);
    fake.clone().slow(seconds(60));
    let other = Context::new(Principal::named("other"), MODERN);
    assert_eq!(names(&federation, Method::ToolsList, other).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_member_keeps_its_tools_and_its_calls_say_why() {
    let (dead, other) = (Fake::new(&["x"]), Fake::new(&["x"]));
    let federation = two(&dead, &other);
    assert_eq!(tools(&federation).await, ["a_x", "b_x"]);
    dead.set_down(true);
    sleep(seconds(3_600)).await;
    let begun = Instant::now();
    assert_eq!(tools(&federation).await, ["a_x", "b_x"]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let refused = error(&federation, tool("a_x", json!({}))).await;
    assert_eq!(refused.code, -32603);
    let data: Value = refused.data.unwrap().decode().unwrap();
    assert_eq!(
        data,
        json!({"upstream": "a", "since": "1970-01-01T00:00:00Z", "why": "refused", "reason": "upstream_down"})
    );
    assert!(result(&federation, tool("b_x", json!({}))).await.get("params").is_some());
    let status = federation.status();
    assert_eq!((status[0].state, status[1].state), (MemberState::Down, MemberState::Up));
    assert!(status[0].last_error.as_deref().unwrap().contains("refused"), "{status:?}");
    assert_eq!((status[0].tools, status[0].calls, status[0].errors, status[0].in_flight), (Some(1), 1, 1, 0));
    dead.set_down(false);
    result(&federation, tool("a_x", json!({}))).await;
    assert_eq!(federation.status()[0].state, MemberState::Up);
}

#[tokio::test(start_paused = true)]
async fn modern_clients_get_pages_and_legacy_sessions_the_whole_list() {
    let names: Vec<String> = (0..25).map(|number| format!("t{number:02}")).collect();
    let fake = Fake::new(&names.iter().map(|name| &**name).collect::<Vec<_>>());
    let federation = limited([member("a", &fake)], FederationLimits::default().page_size(10));
    let (mut all, mut params) = (Vec::new(), json!({}));
    loop {
        let page = result(&federation, request(Method::ToolsList, params)).await;
        let listed = of_list(&page);
        assert!(listed.len() <= 10);
        all.extend(listed);
        let Some(cursor) = page.get("nextCursor") else { break };
        params = json!({ "cursor": cursor });
    }
    assert_eq!(all, names.iter().map(|name| format!("a_{name}")).collect::<Vec<_>>());
    assert_eq!(super::names(&federation, Method::ToolsList, legacy()).await, all);
    for cursor in [json!("unknown"), json!(""), json!(7)] {
        let refused = error(&federation, request(Method::ToolsList, json!({ "cursor": cursor }))).await;
        assert_eq!(refused.code, -32602, "{cursor}");
    }
    let page = result(&federation, request(Method::ToolsList, json!({}))).await;
    let elsewhere = request(Method::PromptsList, json!({"cursor": page["nextCursor"]}));
    assert_eq!(error(&federation, elsewhere).await.code, -32602);
}

/// Invariant: A cursor is for the caller and the endpoint that it was given to.
#[tokio::test(start_paused = true)]
async fn a_cursor_leads_on_for_its_caller_at_its_endpoint_alone() {
    let fake = Fake::new(&["t0", "t1", "t2", "t3"]);
    let federation = limited([member("a", &fake)], FederationLimits::default().page_size(2));
    let (dev, ops) = (VirtualServer::new("dev").include("a_t*"), VirtualServer::new("ops").include("a_t*"));
    let (dev, ops) = (federation.virtual_server(dev), federation.virtual_server(ops));
    let list = async |endpoint: &Federation, caller: &str, params| {
        let context = Context::new(Principal::subject_of("https://issuer.example", caller), MODERN);
        endpoint.call(request(Method::ToolsList, params), context).outcome().await
    };
    let Outcome::Result(first) = list(&dev, "alice", json!({})).await else { panic!("no list") };
    let cursor = json!({ "cursor": first.decode::<Value>().unwrap()["nextCursor"] });
    let Outcome::Result(next) = list(&dev, "alice", cursor.clone()).await else { panic!("no page") };
    assert_eq!(of_list(&next.decode().unwrap()), ["a_t2", "a_t3"]);
    for (endpoint, caller) in [(&dev, "bob"), (&ops, "alice"), (&federation, "alice")] {
        let Outcome::Error(refused) = list(endpoint, caller, cursor.clone()).await else { panic!("a page") };
        assert_eq!(refused.code, -32602);
    }
}

#[tokio::test(start_paused = true)]
async fn resources_have_the_alias_of_their_member_and_https_uris_untouched() {
    let (a, b) = (Fake::new(&[]), Fake::new(&[]));
    for fake in [&a, &b] {
        fake.set(
            "resources",
            json!([{"uri": "file:///x", "name": "x"}, {"uri": "https://x", "name": "web"}]),
        );
        fake.set("resourceTemplates", json!([{"uriTemplate": "file:///{name}", "name": "t"}]));
    }
    let federation = two(&a, &b);
    assert_eq!(
        names(&federation, Method::ResourcesList, modern()).await,
        ["a+file:///x", "https://x", "b+file:///x"]
    );
    assert_eq!(
        names(&federation, Method::TemplatesList, modern()).await,
        ["a+file:///{name}", "b+file:///{name}"]
    );
    let collisions = federation.report();
    assert_eq!(
        collisions.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [r#""https://x" of b cannot be called "https://x", which is an item of a: it is left out"#]
    );
    let read = |uri| request(Method::ResourcesRead, json!({ "uri": uri }));
    for uri in ["b+file:///x", "b+file:///any", "https://x"] {
        assert_eq!(result(&federation, read(uri)).await["contents"][0]["uri"], uri);
    }
    assert_eq!(a.requests(Method::ResourcesRead), [json!({"uri": "https://x"})], "the first member wins");
    assert_eq!(b.requests(Method::ResourcesRead)[1], json!({"uri": "file:///any"}));
    for uri in ["c+file:///x", "file:///x", "https://unknown", "b+file:///missing"] {
        let refused = error(&federation, read(uri)).await;
        assert_eq!(refused.data.unwrap().decode::<Value>().unwrap(), json!({ "uri": uri }));
        assert_eq!(refused.code, -32602);
    }
}

#[tokio::test(start_paused = true)]
async fn callers_with_other_capabilities_have_other_lists() {
    let fake = Fake::new(&["x"]);
    let federation = limited([member("a", &fake)], FederationLimits::default().catalog_views(2));
    for capabilities in [
        json!({}),
        json!({"sampling": {}}),
        json!({"roots": {}}),
        json!({"roots": {}, "x": 1, "extensions": {"acme/x": {}}}),
    ] {
        let context = caller(MODERN, capabilities);
        assert_eq!(names(&federation, Method::ToolsList, context).await, ["a_x"]);
    }
    assert_eq!(fake.requests(Method::ToolsList).len(), 3, "unknown capabilities make no difference");
    names(&federation, Method::ToolsList, caller(MODERN, json!({"sampling": {}}))).await;
    assert_eq!(fake.requests(Method::ToolsList).len(), 3, "still there");
    names(&federation, Method::ToolsList, caller(MODERN, json!({}))).await;
    assert_eq!(fake.requests(Method::ToolsList).len(), 4, "it had made room");
}

#[tokio::test(start_paused = true)]
async fn all_members_describe_themselves_together() {
    let (a, b) = (Fake::new(&[]), Fake::new(&[]));
    let late = Fake::new(&[]).slow(seconds(60));
    let federation = federation([member("a", &a), member("b", &b).title("The B"), member("late", &late)]);
    let begun = Instant::now();
    let described = result(&federation, request(Method::Discover, json!({}))).await;
    assert_eq!(begun.elapsed(), seconds(5));
    assert_eq!(described["instructions"], "Ours.\n\n## a\n\nbe kind\n\n## The B\n\nbe kind");
    assert_eq!(described["supportedVersions"][0], "2026-07-28");
    assert_eq!(described["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "gateway");
    let capabilities = json!({
        "tools": {"listChanged": true},
        "prompts": {"listChanged": true},
        "resources": {"listChanged": true, "subscribe": true},
        "completions": {},
    });
    assert_eq!(described["capabilities"], capabilities);
    assert_eq!(described["ttlMs"], 0);
    let again = federation.call(request(Method::Discover, json!({})), modern());
    assert!(again.into_ready().is_ok(), "from memory");
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_first_list_is_a_limit_and_so_is_the_time_of_reading_it() {
    let hangs = Fake::new(&["x"]).slow(seconds(9_999));
    let limits = FederationLimits::default().first_list_wait(seconds(1)).catalog_timeout(seconds(3));
    let federation = limited([member("a", &hangs)], limits);
    let begun = Instant::now();
    assert_eq!((tools(&federation).await.len(), begun.elapsed()), (0, seconds(1)));
    hangs.clone().slow(Duration::ZERO);
    assert_eq!(tools(&federation).await.len(), 0);
    sleep(seconds(5)).await;
    let status = &federation.status()[0];
    assert_eq!(status.state, MemberState::Down);
    assert_eq!(status.last_error.as_deref(), Some("it does not answer within 3 s (catalog_timeout)"));
    // The attempt that hung was given up.
    tools(&federation).await;
    sleep(seconds(1)).await;
    assert_eq!(tools(&federation).await, ["a_x"]);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_notify_is_read_again_when_its_list_is_old() {
    let silent = Fake::new(&["x"]);
    silent.refuse_listeners();
    let federation = limited([member("a", &silent)], FederationLimits::default().catalog_ttl(seconds(10)));
    assert_eq!(tools(&federation).await, ["a_x"]);
    silent.set("tools", json!([{"name": "y"}]));
    sleep(seconds(9)).await;
    assert_eq!(tools(&federation).await, ["a_x"]);
    assert_eq!(silent.requests(Method::ToolsList).len(), 1);
    sleep(seconds(2)).await;
    assert_eq!(tools(&federation).await, ["a_x"], "what is known, at once");
    sleep(seconds(1)).await;
    assert_eq!(tools(&federation).await, ["a_y"]);
}

#[tokio::test(start_paused = true)]
async fn equal_lists_of_different_callers_are_stored_once() {
    let fake = Fake::new(&["x"]);
    let federation = federation([member("a", &fake)]);
    let mut pages = Vec::new();
    for capabilities in [json!({}), json!({"sampling": {}})] {
        let context = caller(MODERN, capabilities);
        let outcome = federation.call(request(Method::ToolsList, json!({})), context).outcome().await;
        let Outcome::Result(page) = outcome else { panic!("{outcome:?}") };
        pages.push(page);
    }
    assert_eq!(fake.requests(Method::ToolsList).len(), 2, "they could differ");
    assert_eq!(pages[0].as_str().as_ptr(), pages[1].as_str().as_ptr());
}

#[tokio::test(start_paused = true)]
async fn uris_of_a_member_that_keeps_its_names_stay_as_they_are() {
    let (a, b) = (Fake::new(&[]), Fake::new(&[]));
    a.set("resources", json!([{"uri": "file:///a", "name": "a"}]));
    b.set("resources", json!([{"uri": "file:///a", "name": "a"}, {"uri": "test+x://b", "name": "b"}]));
    b.set("resourceTemplates", json!([{"uriTemplate": "rows://{id}", "name": "rows"}]));
    let keeps = || member("b", &b).naming(Naming::default().prefix(""));
    let federation = federation([member("a", &a), keeps()]);
    let list = result(&federation, request(Method::ResourcesList, json!({}))).await;
    assert_eq!(
        list["resources"],
        json!([{"uri": "a+file:///a", "name": "a"}, {"uri": "file:///a", "name": "a"}, {"uri": "test+x://b", "name": "b"}])
    );
    // It may have resources that it does not list.
    for uri in ["file:///a", "test+x://b", "rows://7", "any://x"] {
        result(&federation, request(Method::ResourcesRead, json!({ "uri": uri }))).await;
        assert_eq!(b.requests(Method::ResourcesRead).last(), Some(&json!({ "uri": uri })));
    }
    result(&federation, request(Method::ResourcesRead, json!({"uri": "a+file:///a"}))).await;
    assert_eq!(a.requests(Method::ResourcesRead), [json!({"uri": "file:///a"})]);

    // Where two keep them, the first that lists a resource has it, and the first one those that nobody lists.
    federation.set_members([member("a", &a).naming(Naming::default().prefix("")), keeps()]).unwrap();
    for (uri, reader) in [("file:///a", &a), ("test+x://b", &b), ("rows://7", &b), ("any://x", &a)] {
        result(&federation, request(Method::ResourcesRead, json!({ "uri": uri }))).await;
        assert_eq!(reader.requests(Method::ResourcesRead).last(), Some(&json!({ "uri": uri })), "{uri}");
    }
    assert_eq!(federation.report().iter().filter(|collision| collision.name == "file:///a").count(), 1);
}

/// A member that lists one tool, with the name of its caller.
struct Personal;

impl Service for Personal {
    fn call(&self, request: Request, context: Context) -> Reply {
        let name = context.principal().to_string().replace(':', "_");
        match request.known() {
            Some(Method::ToolsList) => {
                Reply::ready(Ok(json!({"resultType": "complete", "tools": [{"name": name}]}).into()))
            }
            Some(Method::ToolsCall) => Reply::ready(Ok(json!({"caller": name}).into())),
            _ => Reply::error(anyport_protocol::Error::method_not_found(&request.method)),
        }
    }
}

/// Invariant: A list that depends on the principal reaches that principal alone.
#[tokio::test(start_paused = true)]
async fn lists_that_depend_on_the_principal_are_read_for_each() {
    let named = |name: &str| Context::new(Principal::named(name.to_owned()), MODERN);
    let member = || Member::new("p", Arc::new(Personal));
    let apart = federation([member().lists_per_principal(), super::member("a", &Fake::new(&["x"]))]);
    for name in ["ann", "bob", "ann"] {
        let own = format!("p_name_{name}");
        assert_eq!(names(&apart, Method::ToolsList, named(name)).await, [&*own, "a_x"]);
        let called = apart.call(tool(&own, json!({})), named(name)).outcome().await;
        assert!(matches!(called, Outcome::Result(_)), "{called:?}");
    }
    let of_another = apart.call(tool("p_name_ann", json!({})), named("bob")).outcome().await;
    assert!(matches!(of_another, Outcome::Error(_)), "{of_another:?}");
    let shared = federation([member()]);
    for name in ["ann", "bob"] {
        assert_eq!(names(&shared, Method::ToolsList, named(name)).await, ["p_anonymous"]);
    }
}

#[tokio::test(start_paused = true)]
async fn members_with_similar_names_have_different_uris() {
    let fake = Fake::new(&[]);
    fake.set("resources", json!([{"uri": "file:///x", "name": "x"}]));
    let federation = federation(["My docs", "my-docs", "MY_DOCS"].map(|name| member(name, &fake)));
    assert_eq!(
        names(&federation, Method::ResourcesList, modern()).await,
        ["my-docs+file:///x", "my-docs-2+file:///x", "my-docs-3+file:///x"]
    );
}

/// A member whose lists cannot be read, though it answers.
struct Unreadable;

impl Service for Unreadable {
    fn call(&self, request: Request, _: Context) -> Reply {
        match request.known() {
            Some(Method::ToolsList) => Reply::error(anyport_protocol::Error::internal("the table is locked")),
            Some(Method::PromptsList) => {
                Reply::ready(Ok(json!({"resultType": "complete", "prompts": {"a": 1}}).into()))
            }
            _ => Reply::error(anyport_protocol::Error::method_not_found(&request.method)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_state_of_a_member_says_why_a_list_cannot_be_read() {
    let good = Fake::new(&["x"]);
    let federation = federation([Member::new("bad", Arc::new(Unreadable)), member("good", &good)]);
    assert_eq!(tools(&federation).await, ["good_x"]);
    let why = || federation.status()[0].last_error.clone().unwrap_or_default();
    assert!(why().contains("tools cannot be read") && why().contains("the table is locked"), "{}", why());
    result(&federation, request(Method::PromptsList, json!({}))).await;
    assert!(why().contains("no array prompts"), "{}", why());
}
