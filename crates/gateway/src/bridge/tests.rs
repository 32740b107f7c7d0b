use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;
use crate::{
    UpstreamLimits,
    farm::{Farm, call, caller, error, result},
};

const LEGACY: Revision = Revision::V2025_11_25;
const MODERN: Revision = Revision::V2026_07_28;

fn bridge(farm: &Farm, path: Option<PathBuf>) -> Bridge {
    let upstream = Upstream::new("farm", farm.clone(), UpstreamLimits::default());
    let supported: Vec<_> = Revision::ALL.into_iter().rev().collect();
    Bridge::new(upstream, supported.into(), path)
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

/// Until what is to be kept is in its file; writing is the only thing that real time passes for.
async fn written(path: &std::path::Path, what: &str) {
    for _ in 0..1_000 {
        if std::fs::read_to_string(path).is_ok_and(|text| text.contains(what)) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
        tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
    }
    panic!("{what} is not in {}", path.display());
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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bridge/farm.json");
    let first = bridge(&Farm::new(LEGACY), Some(path.clone()));
    assert!(first.call(discover(), plain()).into_ready().is_err(), "the very first time waits");
    assert_eq!(ask(&first, tools()).await["tools"][0]["name"], "read");
    written(&path, "be kind").await;
    written(&path, "tools/list {}").await;

    let farm = Farm::new(LEGACY);
    farm.set_tools(json!([{"name": "new"}]));
    let again = bridge(&farm, Some(path.clone()));
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
    written(&path, "new").await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let names: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing is left beside it: {names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_keeps_its_tools_and_its_calls_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("farm.json");
    let first = bridge(&Farm::new(LEGACY), Some(path.clone()));
    ask(&first, tools()).await;
    written(&path, "tools/list {}").await;
    let away = bridge(&Farm::new(LEGACY).failing(&["not found"; 9]), Some(path));
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
async fn a_file_that_is_no_more_what_it_was_is_as_good_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("farm.json");
    for garbage in ["", "{", "[]", r#"{"lists": 1}"#, "\u{0}"] {
        std::fs::write(&path, garbage).unwrap();
        let bridge = bridge(&Farm::new(MODERN), Some(path.clone()));
        assert_eq!(ask(&bridge, discover()).await["instructions"], "be kind", "{garbage:?}");
    }
}
