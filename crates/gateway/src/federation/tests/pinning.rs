use anyport_metrics::Metrics;
use anyport_service::{Event, Reply};
use anyport_store::{BLOB, MemoryStore};
use tokio::time::{sleep, timeout};

use super::*;
use crate::ToolSearch;

const FILE: &str = "anyport.toml";

fn store() -> PinRecords {
    PinRecords::new(Arc::new(MemoryStore::new(&[&PINS, &BLOB], &Metrics::new())))
}

fn described(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description, "inputSchema": {"type": "object"}})
}

fn pins(name: &str, mode: PinMode, records: Option<&PinRecords>) -> Pins {
    Pins::new(name, mode, (records.cloned(), FILE), &Metrics::new())
}

/// A gateway with the pinned member `a`.
fn gateway(fake: &Fake, mode: PinMode, records: Option<&PinRecords>) -> Federation {
    federation([member("a", fake).pins(pins("a", mode, records))])
}

/// Has the member offer other tools, and lets the federation read them.
async fn change(fake: &Fake, definitions: Value) {
    fake.set("tools", definitions);
    fake.say(Method::ToolsChanged, json!({}));
    sleep(seconds(2)).await;
}

fn pending(federation: &Federation) -> Vec<(&'static str, String, bool)> {
    let status = federation.status().remove(0);
    status.pending.into_iter().map(|pending| (pending.list, pending.name, pending.is_new)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_changed_definition_is_reported_and_served() {
    let fake = Fake::new(&["x", "y"]);
    let federation = gateway(&fake, PinMode::Report, None);
    assert_eq!(tools(&federation).await, ["a_x", "a_y"]);
    assert_eq!(pending(&federation), []);
    change(&fake, json!([described("x", "evil"), described("y", "evil"), described("z", "new")])).await;
    assert_eq!(tools(&federation).await, ["a_x", "a_y", "a_z"]);
    assert_eq!(pending(&federation), [("tools", "x".into(), false), ("tools", "y".into(), false)]);
    result(&federation, tool("a_x", json!({}))).await;
}

/// What the gateway lists in place of a server says nothing of the server: whatever comes after it is seen for the first time.
#[tokio::test(start_paused = true)]
async fn pages_of_the_gateways_own_are_not_pinned() {
    let fake = Fake::new(&["own"]);
    let pins = pins("a", PinMode::Strict, None);
    let is_own = |page: &Raw| page.as_str().contains("\"own\"") || page.as_str().contains("\"prompts\":[]");
    let federation = federation([member("a", &fake).pins(pins).own_pages(is_own)]);
    assert_eq!(tools(&federation).await, ["a_own"]);
    result(&federation, tool("a_own", json!({}))).await;
    change(&fake, json!([described("x", "good"), described("y", "good")])).await;
    assert_eq!(tools(&federation).await, ["a_x", "a_y"], "the first list of the server is trusted");
    change(&fake, json!([described("own", "")])).await;
    assert_eq!(tools(&federation).await, ["a_own"]);
    result(&federation, tool("a_own", json!({}))).await;
    change(&fake, json!([described("x", "evil"), described("y", "good")])).await;
    assert_eq!(tools(&federation).await, ["a_y"], "and later ones are compared with it");
    assert_eq!(pending(&federation), [("tools", "x".into(), false)]);
}

/// Invariant: A tool whose definition has changed is not listed and cannot be called under `pin = "strict"`.
#[tokio::test(start_paused = true)]
async fn a_changed_definition_is_quarantined_everywhere() {
    let (fake, other) = (Fake::new(&["x", "y"]), Fake::new(&["a_x"]));
    let renamed = Naming::default().tool("x", ItemOverride::default().alias("also_x"));
    let a = member("a", &fake).naming(renamed).pins(pins("a", PinMode::Strict, None));
    let federation = federation([a, member("b", &other).naming(Naming::default().prefix(""))]);
    let search = ToolSearch::new(federation.clone());
    let selected = federation.virtual_server(VirtualServer::new("s").include("a_*"));
    assert_eq!(tools(&federation).await, ["a_x", "a_y", "b_a_x"]);
    assert_eq!(tools(&selected).await, ["a_x", "a_y"]);
    change(&fake, json!([described("x", "evil"), {"name": "y", "inputSchema": {"type": "object"}}, described("z", "new")]))
        .await;
    for context in [modern(), legacy()] {
        let listed = names(&federation, Method::ToolsList, context).await;
        assert_eq!(listed, ["a_y", "b_a_x"], "the other member does not get the name");
    }
    assert_eq!(tools(&selected).await, ["a_y"]);
    let before = fake.requests(Method::ToolsCall).len();
    let of_alias = (&federation, "also_x", "has changed since it was accepted");
    let direct = [&federation, &selected].map(|of| [(of, "a_x", "has changed"), (of, "a_z", "it is new")]);
    for (federation, name, why) in direct.into_iter().flatten().chain([of_alias]) {
        let refused = error(federation, tool(name, json!({}))).await;
        assert!(refused.message.contains(why), "{}", refused.message);
        assert!(refused.message.contains("anyport pins accept a "), "{}", refused.message);
        let data: Value = refused.data.unwrap().decode().unwrap();
        assert_eq!((refused.code, data), (-32602, json!({"upstream": "a", "reason": "quarantined"})));
    }
    let found = search.call(tool("search_tools", json!({"query": "evil new"})), modern()).outcome().await;
    let Outcome::Result(found) = found else { panic!("{found:?}") };
    assert!(!found.as_str().contains("evil"), "{found:?}");
    let called =
        search.call(tool("call_tool", json!({"name": "a_x", "arguments": {}})), modern()).outcome().await;
    assert!(matches!(called, Outcome::Error(_)), "{called:?}");
    assert_eq!(fake.requests(Method::ToolsCall).len(), before, "no call has reached it");
    let status = &federation.status()[0];
    assert_eq!((status.pending.len(), status.is_strict), (2, true));
    assert!(status.pending[1].is_new);
}

/// Waits for a list-changed notification.
async fn notified(reply: &mut Reply) -> bool {
    matches!(
        timeout(seconds(60), reply.next()).await,
        Ok(Event::Notification(notification)) if notification.method == Method::ToolsChanged
    )
}

#[tokio::test(start_paused = true)]
async fn another_process_accepts_and_the_gateway_takes_it_over() {
    let (fake, records) = (Fake::new(&["x"]), store());
    let federation = gateway(&fake, PinMode::Strict, Some(&records));
    assert_eq!(tools(&federation).await, ["a_x"]);
    let listen = request(Method::Listen, json!({"notifications": {"toolsListChanged": true}}));
    let mut reply = federation.call(listen, modern());
    assert!(matches!(reply.next().await, Event::Notification(_)), "acknowledged");
    change(&fake, json!([described("x", "other")])).await;
    assert!(notified(&mut reply).await, "it is gone");
    assert_eq!(tools(&federation).await, [""; 0]);
    let stored = records.all().await.unwrap().into_iter().find(|list| list.list == "tools").unwrap();
    let pin = &stored.items["x"];
    assert_eq!((stored.file.as_str(), stored.upstream.as_str()), (FILE, "a"));
    assert!(pin.pending[0].text.as_ref().unwrap().contains("other"));
    assert!(!pin.accepted[0].text.as_ref().unwrap().contains("other"));

    let accepted = records.accept(FILE, "a", |list, name, _| (list, name) == ("tools", "x")).await.unwrap();
    assert_eq!(accepted.len(), 1);
    assert!(notified(&mut reply).await, "it is back");
    assert_eq!(tools(&federation).await, ["a_x"]);
    result(&federation, tool("a_x", json!({}))).await;
    assert_eq!(records.accept(FILE, "b", |_, _, _| true).await.unwrap(), []);
}

/// Invariant: A restart of the gateway does not make it trust what it did not trust before.
#[tokio::test(start_paused = true)]
async fn pins_survive_a_restart() {
    let records = store();
    let first = gateway(&Fake::new(&["x", "y"]), PinMode::Strict, Some(&records));
    assert_eq!(tools(&first).await, ["a_x", "a_y"]);
    sleep(seconds(1)).await;
    drop(first);
    let evil = Fake::new(&["y"]);
    evil.set("tools", json!([described("x", "evil"), {"name": "y", "inputSchema": {"type": "object"}}]));
    let second = gateway(&evil, PinMode::Strict, Some(&records));
    // It cannot be called before it is known to be changed, either.
    let refused = error(&second, tool("a_x", json!({}))).await;
    assert!(refused.message.contains("quarantined"), "{}", refused.message);
    assert_eq!(tools(&second).await, ["a_y"]);
    let in_memory = gateway(&evil, PinMode::Strict, None);
    assert_eq!(tools(&in_memory).await, ["a_x", "a_y"], "without a store it is seen for the first time");
}

#[tokio::test(start_paused = true)]
async fn a_long_list_is_stored_without_its_texts() {
    let records = store();
    // What cannot be compressed: pseudo-random numbers.
    let mut state = 1u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{state:016x}")
    };
    let tools_of = |noise: &mut dyn FnMut() -> String| -> Value {
        let described = |number: u32, noise: &mut dyn FnMut() -> String| {
            described(&format!("tool_{number}"), &(0..24).map(|_| noise()).collect::<String>())
        };
        (0..3_000).map(|number| described(number, noise)).collect()
    };
    let fake = Fake::new(&[]);
    fake.set("tools", tools_of(&mut noise));
    let federation = gateway(&fake, PinMode::Strict, Some(&records));
    tools(&federation).await;
    sleep(seconds(1)).await;
    drop(federation);
    let stored = records.all().await.unwrap().into_iter().find(|list| list.list == "tools").unwrap();
    assert_eq!(stored.items.len(), 3_000);
    assert!(stored.items.values().all(|pin| pin.accepted.len() == 1 && pin.accepted[0].text.is_none()));
    fake.set("tools", json!([described("tool_7", "evil")]));
    let again = gateway(&fake, PinMode::Strict, Some(&records));
    assert_eq!(tools(&again).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn prompts_resources_and_templates_are_quarantined_as_tools_are() {
    let fake = Fake::new(&[]);
    fake.set("prompts", json!([{"name": "p"}]));
    fake.set("resources", json!([{"uri": "file:///r", "name": "r"}]));
    fake.set("resourceTemplates", json!([{"uriTemplate": "file:///{t}", "name": "t"}]));
    let federation = gateway(&fake, PinMode::Strict, None);
    let lists = [Method::PromptsList, Method::ResourcesList, Method::TemplatesList];
    for method in lists {
        assert_eq!(names(&federation, method, modern()).await.len(), 1);
    }
    fake.set("prompts", json!([{"name": "p", "description": "evil"}]));
    fake.set(
        "resources",
        json!([{"uri": "file:///r", "name": "evil"}, {"uri": "file:///s", "name": "s", "size": 1}]),
    );
    fake.set("resourceTemplates", json!([{"uriTemplate": "file:///{t}", "name": "evil"}]));
    fake.say(Method::PromptsChanged, json!({}));
    fake.say(Method::ResourcesChanged, json!({}));
    sleep(seconds(2)).await;
    let expected: [&[&str]; 3] = [&[], &["a+file:///s"], &[]];
    for (method, expected) in lists.into_iter().zip(expected) {
        assert_eq!(names(&federation, method, modern()).await, expected);
    }
    for (method, params) in [
        (Method::PromptsGet, json!({"name": "a_p"})),
        (Method::ResourcesRead, json!({"uri": "a+file:///r"})),
        (
            Method::Complete,
            json!({"ref": {"type": "ref/resource", "uri": "a+file:///{t}"}, "argument": {"name": "t", "value": ""}}),
        ),
    ] {
        let refused = error(&federation, request(method, params)).await;
        assert!(refused.message.contains("quarantined"), "{}", refused.message);
    }
    result(&federation, request(Method::ResourcesRead, json!({"uri": "a+file:///s"}))).await;
}

/// Invariant: The eras of a server, and the capabilities of callers, are no change of its definitions.
#[tokio::test(start_paused = true)]
async fn equal_definitions_for_other_callers_are_the_same_pins() {
    let fake = Fake::new(&["x"]);
    let federation = gateway(&fake, PinMode::Strict, None);
    for context in [modern(), legacy(), caller(MODERN, json!({"sampling": {}}))] {
        assert_eq!(names(&federation, Method::ToolsList, context).await, ["a_x"]);
    }
    assert_eq!(pending(&federation), []);
}

#[tokio::test(start_paused = true)]
async fn the_mode_is_changed_while_it_runs() {
    let fake = Fake::new(&["x"]);
    let pins = pins("a", PinMode::Report, None);
    let federation = federation([member("a", &fake).pins(pins.clone())]);
    assert_eq!(tools(&federation).await, ["a_x"]);
    change(&fake, json!([described("x", "other")])).await;
    assert_eq!(tools(&federation).await, ["a_x"]);
    pins.set_mode(PinMode::Strict);
    assert_eq!(tools(&federation).await, [""; 0]);
    pins.set_mode(PinMode::Report);
    assert_eq!(tools(&federation).await, ["a_x"]);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_everything_passes_to_is_watched_and_under_strict_filtered() {
    let fake = Fake::new(&["x"]);
    let pins = pins("a", PinMode::Report, None);
    let sole = member("a", &fake).naming(Naming::default().prefix("")).pins(pins.clone());
    let federation = Federation::builder("gateway", "1").member(sole).build().unwrap();
    assert_eq!(tools(&federation).await, ["x"]);
    fake.set("tools", json!([described("x", "other")]));
    assert_eq!(tools(&federation).await, ["x"]);
    sleep(seconds(1)).await;
    assert_eq!(pending(&federation).len(), 1);
    pins.set_mode(PinMode::Strict);
    assert_eq!(tools(&federation).await, [""; 0]);
    assert!(error(&federation, tool("x", json!({}))).await.message.contains("quarantined"));
}

#[tokio::test(start_paused = true)]
async fn a_member_by_itself_shows_what_is_quarantined_and_does_not_call_it() {
    let fake = Fake::new(&["x", "y"]);
    let federation = gateway(&fake, PinMode::Strict, None);
    tools(&federation).await;
    let alone = federation.member("a").unwrap();
    let call = |name| alone.call(tool(name, json!({})), modern()).outcome();
    assert!(matches!(call("x").await, Outcome::Result(_)));
    fake.set("tools", json!([described("x", "evil"), {"name": "y", "inputSchema": {"type": "object"}}]));
    let listed = alone.call(request(Method::ToolsList, json!({})), modern()).outcome().await;
    let Outcome::Result(listed) = listed else { panic!("{listed:?}") };
    assert!(listed.as_str().contains("evil"));
    let Outcome::Error(refused) = call("x").await else { panic!() };
    assert!(refused.message.contains("quarantined"), "{}", refused.message);
    assert!(matches!(call("y").await, Outcome::Result(_)));
    assert_eq!(fake.requests(Method::ToolsCall).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_tool_of_a_strict_member_that_is_away_is_not_called_unseen() {
    let fake = Fake::new(&["x"]);
    fake.set_down(true);
    let federation = gateway(&fake, PinMode::Strict, None);
    let refused = error(&federation, tool("a_x", json!({}))).await;
    assert!(refused.message.contains("what a offers is not known"), "{}", refused.message);
    assert_eq!(fake.requests(Method::ToolsCall).len(), 0);
}
