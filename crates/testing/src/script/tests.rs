use std::time::Duration;

use anyport_protocol::Revision;
use anyport_server::{Context, NoArguments, Server, Tool};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    time::Instant,
};

use super::Script;
use crate::{Link, Lost, Wire};

const LEGACY: &str = r#"
> initialize {"protocolVersion": "2025-06-18", "capabilities": "*", "clientInfo": "*"}
< {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
> notifications/initialized
> {"jsonrpc": "2.0", "id": "$call", "method": "tools/call", "params": {"name": "greet", "...": "*"}}
< notifications/progress {"progressToken": 1, "progress": 1}
? roots/list
> {"roots": "$roots"}
< {"jsonrpc": "2.0", "id": "$call", "result": {"content": [], "heard": "$roots"}}
"#;

fn server() -> Server {
    let hello = Tool::new("hello").run(async |_: NoArguments, _: Context| "Hello!");
    Server::builder("hello", "1.0.0").add(hello).build().unwrap()
}

#[tokio::test]
async fn a_legacy_server_is_played_over_http_to_the_end() {
    let (address, playing) = Script::server(LEGACY).unwrap().http().await.unwrap();
    let mut wire = Wire::over(Link::connect(address, "/mcp"));
    wire.answer_with(|question| Ok(json!({"roots": [{"uri": question.method}]})));
    wire.open(Revision::V2025_06_18).await.unwrap();
    assert_eq!(wire.session(), Some("script"));
    let params = json!({"name": "greet", "_meta": {"progressToken": 1}});
    let answer = wire.call("tools/call", params).await.unwrap();
    assert_eq!(answer.notifications.len(), 1);
    assert_eq!(answer.outcome.unwrap()["heard"], json!([{"uri": "roots/list"}]));
    playing.finish().await.unwrap();
}

#[tokio::test]
async fn only_a_modern_server_tells_its_errors_by_the_status_too() {
    let legacy = LEGACY.lines().take(4).collect::<Vec<_>>().join("\n");
    for (opening, revision, status) in [
        (legacy.as_str(), Revision::V2025_06_18, 200),
        (
            "> server/discover\n< {\"supportedVersions\": [\"2026-07-28\"], \"capabilities\": {}}",
            Revision::NEWEST,
            404,
        ),
    ] {
        let script = format!("{opening}\n> no/such {{}}\n! {{\"code\": -32601, \"message\": \"no\"}}\n");
        let (address, playing) = Script::server(&script).unwrap().http().await.unwrap();
        let mut wire = Wire::over(Link::connect(address, "/mcp"));
        wire.open(revision).await.unwrap();
        if revision.is_stateless() {
            wire.discover().await.unwrap();
        }
        let answer = wire.call("no/such", json!({})).await.unwrap();
        assert_eq!((answer.code(), answer.status), (Some(-32601), Some(status)), "{revision}");
        playing.finish().await.unwrap();
    }
}

#[tokio::test]
async fn the_first_difference_is_told_with_what_came_before() {
    let (address, playing) = Script::server(LEGACY).unwrap().http().await.unwrap();
    let mut wire = Wire::over(Link::connect(address, "/mcp"));
    wire.open(Revision::V2025_06_18).await.unwrap();
    let lost = wire.call("tools/call", json!({"name": "great"})).await;
    assert!(matches!(lost, Err(Lost::Ended(_) | Lost::Garbage(_))), "{lost:?}");
    let difference = playing.finish().await.unwrap_err();
    assert_eq!((difference.line, difference.before.len()), (5, 3));
    assert_eq!(difference.what, "/params/name: expected \"greet\", got \"great\"");
    let told = difference.to_string();
    assert!(told.contains("expected > {\"jsonrpc\"") && told.contains("notifications/initialized"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_pipe_takes_no_time_but_that_of_the_script() {
    let script = "> ping\npause 5s\n< {}\nclose\n";
    let (stream, playing) = Script::server(script).unwrap().pipe();
    let (input, mut output) = tokio::io::split(stream);
    let start = Instant::now();
    output.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\"}\n").await.unwrap();
    let mut lines = BufReader::new(input).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), r#"{"jsonrpc":"2.0","id":"a","result":{}}"#);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(lines.next_line().await.unwrap(), None);
    playing.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silence_garbage_and_what_comes_too_much_are_differences() {
    let played = async |script: &str, said: &str| {
        let (mut stream, playing) = Script::server(script).unwrap().pipe();
        stream.write_all(said.as_bytes()).await.unwrap();
        playing.finish().await.unwrap_err().what
    };
    assert_eq!(played("> ping", "").await, "nothing came within 5s");
    assert_eq!(played("> ping", "not a message\n").await, "it is no JSON");
    let ping = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
    assert_eq!(played("> ping", &ping.repeat(2)).await, "more was said");
    assert_eq!(played("< {}", "").await, "no request is open that this could answer");
    assert_eq!(played("> ping {\"a\": 1}", ping).await, "/params/a: is not there");
}

#[tokio::test]
async fn a_client_is_played_against_any_server() {
    let legacy = r#"
        > initialize {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        < {"protocolVersion": "2024-11-05", "serverInfo": {"name": "hello", "...": "*"}, "...": "*"}
        > notifications/initialized
        > tools/call {"name": "hello", "arguments": {}}
        < {"content": [{"type": "text", "text": "Hello!"}]}
        > no/such/method
        ! {"code": -32601, "...": "*"}
        close
    "#;
    let modern = r#"
        > server/discover
        < {"supportedVersions": "*", "...": "*"}
        > tools/call {"name": "hello", "arguments": {}}
        < {"content": [{"type": "text", "text": "Hello!"}], "...": "*"}
    "#;
    for script in [legacy, modern] {
        let script = Script::client(script).unwrap();
        script.clone().over(Link::stdio(server())).await.unwrap();
        script.over(Link::http(server(), Default::default()).await.unwrap()).await.unwrap();
    }
    let wrong = Script::client("> server/discover\n< {\"name\": \"x\"}").unwrap();
    let difference = wrong.over(Link::stdio(server())).await.unwrap_err();
    assert_eq!(difference.line, 2);
}

#[test]
fn a_line_that_is_none_is_told() {
    for (script, fault) in [
        ("> ping\nwait 5s", "line 2 of the script: expected >, <, ?, !, pause, close, exit or #: wait 5s"),
        ("pause long", "line 1 of the script: a pause is as long as 5s or 200ms: pause long"),
        ("? {\"a\": 1}", "line 1 of the script: a question has a method: ? {\"a\": 1}"),
    ] {
        assert_eq!(Script::server(script).unwrap_err().to_string(), fault);
    }
    assert!(Script::server("> ping {").unwrap_err().fault.starts_with("not JSON"));
}
