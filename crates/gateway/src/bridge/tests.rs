//! Invariant: A bridge answers lists from its cache while its server starts, and reports differences, however
//! late a session listens.

use anyport_metrics::Metrics;
use anyport_store::{BLOB, Key, MemoryStore, Store as _, Write};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{catalog_record::Contents, *};
use crate::test_server::{Farm, call, caller, error, result};

const LEGACY: Revision = Revision::V2025_11_25;
const MODERN: Revision = Revision::V2026_07_28;

fn bridge(farm: &Farm, catalog: Option<CatalogRecord>) -> Bridge {
    let upstream = Upstream::builder("farm", farm.clone()).build();
    let supported: Vec<_> = Revision::ALL.into_iter().rev().collect();
    Bridge::new(upstream, supported.into(), catalog)
}

/// A bridge that has read what an earlier one stored.
async fn bridge_again(farm: &Farm, catalog: &CatalogRecord) -> Bridge {
    let bridge = bridge(farm, Some(catalog.clone()));
    bridge.cache.loaded().await;
    bridge
}

/// A store in memory, and the record of the server in it.
fn catalog() -> (Arc<MemoryStore>, CatalogRecord) {
    let store = Arc::new(MemoryStore::new(&[&CATALOGS, &BLOB], &Metrics::new()));
    (store.clone(), CatalogRecord::new(store, "farm"))
}

fn plain() -> Context {
    caller(MODERN, json!({}))
}

fn tools() -> Request {
    Request::new(Method::ToolsList, Raw::EMPTY_OBJECT)
}

async fn ask(bridge: &Bridge, request: Request) -> Value {
    result(bridge.call(request, plain()).outcome().await)
}

fn at_once(bridge: &Bridge, request: Request) -> Value {
    result(bridge.call(request, plain()).into_ready().expect("an answer at once"))
}

fn discover() -> Request {
    Request::new(Method::Discover, Raw::EMPTY_OBJECT)
}

/// Waits until what is to be stored is in the record.
async fn written(catalog: &CatalogRecord, what: &str) {
    for _ in 0..1_000 {
        let Contents { discovered, discovered_by_legacy, lists } = catalog.read().await.unwrap();
        let texts = [discovered, discovered_by_legacy].into_iter().flatten().chain(lists.values().cloned());
        if texts.into_iter().any(|text| text.as_str().contains(what)) || lists.contains_key(what) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} is not in the record");
}

#[tokio::test(start_paused = true)]
async fn a_server_is_told_of_as_it_told_of_itself() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let bridge = bridge(&farm, None);
        let told = ask(&bridge, discover()).await;
        assert_eq!(told["supportedVersions"].as_array().unwrap().len(), 5);
        assert_eq!(told["supportedVersions"][0], "2026-07-28");
        assert_eq!(told["instructions"], "be kind");
        assert_eq!(told["capabilities"]["x-unknown"], json!({"a": 1}));
        assert_eq!(told["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "farm");
        assert_eq!((&told["ttlMs"], &told["cacheScope"]), (&json!(60_000), &json!("private")));
        let unknown = Request { method: "acme/do".into(), params: Raw::EMPTY_OBJECT.into() };
        assert_eq!(ask(&bridge, unknown).await["called"], "acme/do");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream_says_which_older_server_it_is_of() {
    for (revision, name) in [(LEGACY, json!("farm")), (MODERN, Value::Null)] {
        let farm = Farm::new(revision);
        let bridge = bridge(&farm, None);
        let wanted = json!({"notifications": {"toolsListChanged": true}});
        let mut reply = bridge.call(Request::new(Method::Listen, Raw::from(wanted)), plain());
        let Event::Notification(first) = reply.next().await else { panic!("{revision}") };
        assert_eq!(first.method, Method::Acknowledged);
        bridge.upstream().close();
        let Event::Outcome(end) = reply.next().await else { panic!("{revision}") };
        // A modern server speaks for itself.
        assert_eq!(result(end)["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], name, "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_known_is_told_at_once_while_the_server_starts() {
    let (store, catalog) = catalog();
    let first = bridge(&Farm::new(LEGACY), Some(catalog.clone()));
    assert!(first.call(discover(), plain()).into_ready().is_err(), "the very first time waits");
    assert_eq!(ask(&first, tools()).await["tools"][0]["name"], "read");
    written(&catalog, "be kind").await;
    written(&catalog, "tools/list {}").await;

    let farm = Farm::new(LEGACY);
    farm.set_tools(json!([{"name": "new"}]));
    let again = bridge_again(&farm, &catalog).await;
    assert_eq!(at_once(&again, discover())["instructions"], "be kind");
    let known = at_once(&again, tools());
    assert_eq!((&known["tools"][0]["name"], &known["ttlMs"]), (&json!("read"), &json!(0)));
    let elsewhere = caller(MODERN, json!({"sampling": {}}));
    assert!(again.call(tools(), elsewhere).into_ready().is_err(), "it may differ for another profile");

    // Whoever listens hears that it was another list.
    let wanted = json!({"notifications": {"toolsListChanged": true, "promptsListChanged": true}});
    let mut reply = again.call(Request::new(Method::Listen, Raw::from(wanted)), plain());
    let mut told = Vec::new();
    while let Ok(Event::Notification(event)) = timeout(Duration::from_secs(1), reply.next()).await {
        told.push(event.method);
    }
    assert_eq!(told, [Method::Acknowledged, Method::ToolsChanged]);
    assert_eq!(ask(&again, tools()).await["tools"], json!([{"name": "new"}]));
    written(&catalog, "new").await;
    let records = store.list(&Key::all(&CATALOGS), None, 10).await.unwrap();
    assert_eq!(records.len(), 1, "one record for one server");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_keeps_its_tools_and_its_calls_say_why() {
    let (_store, catalog) = catalog();
    let first = bridge(&Farm::new(LEGACY), Some(catalog.clone()));
    ask(&first, tools()).await;
    written(&catalog, "tools/list {}").await;
    let away = bridge_again(&Farm::new(LEGACY).failing(&["not found"; 9]), &catalog).await;
    assert_eq!(at_once(&away, tools())["tools"][0]["name"], "read");
    let (_, data) = error(away.call(call("read", json!({})), plain()).outcome().await);
    assert_eq!((&data["reason"], &data["why"]), (&json!("upstream_down"), &json!("not found")));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(at_once(&away, tools())["tools"][0]["name"], "read");
    // A session that began to listen meanwhile hears of the server once it is back.
    let mut reply = away.call(
        Request::new(Method::Listen, Raw::from(json!({"notifications": {"toolsListChanged": true}}))),
        caller(LEGACY, json!({})),
    );
    let told = timeout(Duration::from_secs(600), reply.next()).await.unwrap();
    assert!(matches!(told, Event::Notification(told) if told.method == Method::Acknowledged));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_no_more_what_it_was_is_as_good_as_none() {
    let (store, catalog) = catalog();
    let key = Key::new(&CATALOGS, "farm");
    let stored = |text: &str| json!({"format": 1, "discovered": text}).to_string();
    let garbage =
        ["", "{", "[]", r#"{"format":1,"lists":1}"#, "\u{0}", &stored("{"), &stored("{\"a\":1,\"a\":2}")];
    for garbage in garbage.map(str::to_owned) {
        store.put(&key, garbage.clone().into(), Write::ANY).await.unwrap();
        let bridge = bridge(&Farm::new(MODERN), Some(catalog.clone()));
        assert_eq!(ask(&bridge, discover()).await["instructions"], "be kind", "{garbage:?}");
    }
    // The record of a newer release is left to it.
    store.put(&key, r#"{"format":2}"#.into(), Write::ANY).await.unwrap();
    let bridge = bridge(&Farm::new(MODERN), Some(catalog.clone()));
    assert_eq!(ask(&bridge, discover()).await["instructions"], "be kind");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(store.get(&key).await.unwrap().unwrap().value, r#"{"format":2}"#);
}

/// A session that wants to hear of `notifications`; the reply is its one stream.
fn listens(bridge: &Bridge, notifications: Value) -> Reply {
    let params = Raw::from(json!({"notifications": notifications}));
    bridge.call(Request::new(Method::Listen, params), caller(LEGACY, json!({})))
}

async fn told(reply: &mut Reply) -> Option<Method> {
    match timeout(Duration::from_secs(60), reply.next()).await {
        Ok(Event::Notification(told)) => Some(told.method),
        Ok(event) => panic!("{event:?}"),
        Err(_) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_stream_hears_later_of_a_list_that_others_have_read_meanwhile() {
    let farm = Farm::new(LEGACY);
    let bridge = bridge(&farm, None);
    ask(&bridge, tools()).await;
    let mut reply = listens(&bridge, json!({"toolsListChanged": true}));
    assert_eq!(told(&mut reply).await, Some(Method::Acknowledged));
    // Nobody reads the stream now. Somebody else finds the list to be another.
    farm.server(0).lose("gone");
    farm.set_tools(json!([{"name": "new"}]));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(ask(&bridge, tools()).await["tools"][0]["name"], "new");
    sleep(Duration::from_secs(120)).await;
    assert_eq!(told(&mut reply).await, Some(Method::ToolsChanged));
    assert_eq!(told(&mut reply).await, None, "once");
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_resource_is_gone_still_hears_of_the_rest() {
    let farm = Farm::new(LEGACY);
    let bridge = bridge(&farm, None);
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["test://a", "test://b"]});
    let mut reply = listens(&bridge, wanted);
    assert_eq!(told(&mut reply).await, Some(Method::Acknowledged));
    sleep(Duration::from_secs(60)).await;
    farm.refuse("test://b");
    farm.server(0).lose("gone");
    while let Some(method) = told(&mut reply).await {
        assert_ne!(method, Method::LogMessage);
    }
    farm.server(1).say(Method::ResourceUpdated, json!({"uri": "test://a"}));
    assert_eq!(told(&mut reply).await, Some(Method::ResourceUpdated));
    farm.server(1).say(Method::ToolsChanged, json!({}));
    assert_eq!(told(&mut reply).await, Some(Method::ToolsChanged));
    // When all is closed it ends.
    bridge.upstream().close();
    let end = timeout(Duration::from_secs(60), reply.outcome()).await.unwrap();
    assert!(matches!(end, Outcome::Failed(failure) if *failure == Failure::ShuttingDown));
}

/// Invariant: One listener, or one list, of a server does not use up the requests, pages and time of others.
#[tokio::test(start_paused = true)]
async fn a_list_without_end_is_given_as_far_as_it_was_read() {
    let farm = Farm::new(LEGACY);
    farm.set_tools(json!([]));
    farm.endless();
    let bridge = bridge(&farm, None);
    let reply = bridge.call(tools(), caller(LEGACY, json!({})));
    let page = result(timeout(Duration::from_secs(60), reply.outcome()).await.unwrap());
    assert_eq!(page["tools"], json!([]));
    let read = farm.server(0).calls().len();
    assert!(read <= pages::LIST_MAX + 1, "{read} pages were read");
    assert_eq!(page["nextCursor"], read.to_string(), "whoever wants to goes on");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_has_pages_now_is_another_one() {
    let farm = Farm::new(LEGACY);
    let bridge = bridge(&farm, None);
    ask(&bridge, tools()).await;
    let mut reply = listens(&bridge, json!({"toolsListChanged": true}));
    assert_eq!(told(&mut reply).await, Some(Method::Acknowledged));
    sleep(Duration::from_secs(60)).await;
    farm.endless();
    farm.server(0).lose("gone");
    assert_eq!(told(&mut reply).await, Some(Method::ToolsChanged));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_subscribes_while_the_server_is_away_is_told_so_and_hears_of_its_lists_when_it_is_back()
 {
    let (_store, catalog) = catalog();
    let first = bridge(&Farm::new(LEGACY), Some(catalog.clone()));
    ask(&first, tools()).await;
    written(&catalog, "tools/list {}").await;
    let farm = Farm::new(LEGACY).failing(&["not found"; 5]);
    farm.set_tools(json!([{"name": "new"}]));
    let away = bridge_again(&farm, &catalog).await;

    let mut lists = listens(&away, json!({"toolsListChanged": true, "promptsListChanged": true}));
    assert_eq!(told(&mut lists).await, Some(Method::Acknowledged), "at once");
    let subscribes = listens(&away, json!({"toolsListChanged": true, "resourceSubscriptions": ["test://a"]}));
    let refused = timeout(Duration::from_secs(60), subscribes.outcome()).await.expect("no answer");
    assert_eq!(error(refused).1["reason"], "upstream_down");

    let mut changes = Vec::new();
    while let Some(change) = told(&mut lists).await {
        changes.push(change);
    }
    changes.sort_by_key(|method| method.as_str());
    // Nothing was known of its prompts.
    assert_eq!(changes, [Method::PromptsChanged, Method::ToolsChanged]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_asked_for_with_more_than_others_say_is_not_what_everybody_gets() {
    let farm = Farm::new(LEGACY);
    let bridge = bridge(&farm, None);
    let with = |params: Value| Request::new(Method::ToolsList, Raw::from(params));
    let tenant = caller(MODERN, json!({"sampling": {}}));
    for params in [json!({"tenant": "a"}), json!({"_meta": {"acme/tenant": "a"}})] {
        let list = result(bridge.call(with(params), tenant.clone()).outcome().await);
        assert_eq!(list["tools"][0]["name"], "read");
    }
    assert_eq!(bridge.cache.list(&key(Method::ToolsList, &tenant)), None);
    let plain = json!({"_meta": {"progressToken": 1, "io.modelcontextprotocol/clientCapabilities": {}}, "cursor": null});
    result(bridge.call(with(plain), tenant.clone()).outcome().await);
    assert!(bridge.cache.list(&key(Method::ToolsList, &tenant)).is_some());
}

/// Invariant: A server that is ended for want of use is started by the next call, and by nothing else.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_used_is_ended_and_its_lists_stay() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let bridge = bridge(&farm, None).idle_stop(Duration::from_secs(30));
        let filter = json!({"notifications": {"toolsListChanged": true}});
        let mut listener = bridge.call(Request::new(Method::Listen, Raw::from(filter)), plain());
        let Event::Notification(first) = listener.next().await else { panic!("{revision}") };
        assert_eq!(first.method, Method::Acknowledged);
        let listening = tokio::spawn(async move { (listener.next().await, listener) });
        let known = ask(&bridge, tools()).await["tools"].clone();
        sleep(Duration::from_secs(20)).await;
        result(bridge.call(call("read", json!({})), plain()).outcome().await);
        sleep(Duration::from_secs(20)).await;
        assert!(bridge.upstream().is_open() && !bridge.is_stopped(), "{revision}: it was used");
        sleep(Duration::from_secs(45)).await;
        assert!(!bridge.upstream().is_open() && bridge.is_stopped(), "{revision}");
        let opened = farm.connections();
        assert_eq!(at_once(&bridge, tools())["tools"], known, "{revision}");
        assert_eq!(at_once(&bridge, discover())["instructions"], "be kind", "{revision}");
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(farm.connections(), opened, "{revision}: nobody has needed it");
        farm.set_tools(json!([{"name": "new"}]));
        result(bridge.call(call("read", json!({})), plain()).outcome().await);
        assert!(bridge.upstream().is_open() && !bridge.is_stopped(), "{revision}");
        let (Event::Notification(changed), _) = listening.await.unwrap() else { panic!("{revision}") };
        assert_eq!(changed.method, Method::ToolsChanged, "{revision}: it is another one now");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_with_a_subscription_or_a_call_in_flight_is_in_use() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let bridge = bridge(&farm, None).idle_stop(Duration::from_secs(30));
        let filter = json!({"notifications": {"resourceSubscriptions": ["test://a"]}});
        let mut listener = bridge.call(Request::new(Method::Listen, Raw::from(filter)), plain());
        let Event::Notification(_) = listener.next().await else { panic!("{revision}") };
        let listening = tokio::spawn(async move { listener.next().await });
        sleep(Duration::from_secs(300)).await;
        assert!(bridge.upstream().is_open(), "{revision}");
        listening.abort();
        sleep(Duration::from_secs(70)).await;
        assert!(!bridge.upstream().is_open(), "{revision}");
        let hanging = tokio::spawn(bridge.call(call("read", json!({"hang": true})), plain()).outcome());
        sleep(Duration::from_secs(300)).await;
        assert!(bridge.upstream().is_open(), "{revision}");
        hanging.abort();
        sleep(Duration::from_secs(70)).await;
        assert!(!bridge.upstream().is_open(), "{revision}");
    }
}
