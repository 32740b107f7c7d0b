//! `[log]` of a gateway: levels by module, which change while it runs, and a line for each call.

#![cfg(unix)]

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    Ended, Program, anyport, documents, folder, http::Server, serve_gateway, to_the_end, until,
};

fn file(level: &str) -> String {
    format!("[log]\nlevel = {level:?}\n[knowledge.book]\ndocs = [{:?}]\n", documents())
}

#[test]
fn the_level_of_a_module_changes_while_the_gateway_runs() {
    let (home, mut gateway, server) = serve_gateway(&file("warn"));
    let place = home.path().join("anyport.toml");
    server.call("book_list_docs", &json!({}));
    fs::write(&place, file("warn,anyport_layers=debug")).unwrap();
    let read = gateway.error_line(|line| line.contains("the file was read again"));
    assert!(read.contains("[log] has changed"), "{read}");
    server.call("book_list_docs", &json!({}));
    let line = gateway.error_line(|line| line.contains("DEBUG") || line.contains("answered"));
    assert!(line.contains("answered") && line.contains("tools/call"), "{line}");
    // With a fault, the level stays.
    fs::write(&place, file("loud")).unwrap();
    let fault = gateway.error_line(|line| line.contains("is no level"));
    assert!(fault.contains("nothing was changed"), "{fault}");
    server.call("book_list_docs", &json!({}));
    gateway.error_line(|line| line.contains("answered"));
}

/// The lines of calls in a log of JSON.
fn calls(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    lines.filter(|line| line["target"] == "anyport::calls").map(|line| line["fields"].clone()).collect()
}

#[test]
fn the_configuration_of_the_book_writes_a_line_for_each_call() {
    let page = include_str!("../../../../docs/serve.md");
    let block = page.split("```toml\n[log]\n").nth(1).unwrap().split("```").next().unwrap();
    let text = format!("[log]\n{block}").replace("\"handbook\"", &format!("{:?}", documents()));
    let home = folder(&[("anyport.toml", &text)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut gateway = Program::start(command);
    // The banner is an object as well.
    let banner = gateway.error_line(|line| line.contains("/mcp"));
    let authority = banner.split("http://").nth(1).unwrap().split("/mcp").next().unwrap();
    let server = Server::at(&format!("http://{authority}/mcp"));
    let read = || fs::read_to_string(home.path().join("anyport.log")).unwrap_or_default();
    server.call("handbook_search_docs", &json!({"query": "not-in-the-log"}));
    server.call("nothing", &json!({}));
    let found = |count: usize| {
        let tools = || calls(&read()).into_iter().filter(|call| call["method"] == "tools/call");
        until(|| tools().collect::<Vec<_>>().into(), |calls| calls.as_array().unwrap().len() == count)
    };
    let lines = found(2);
    let (first, second) = (&lines[0], &lines[1]);
    let expected = [
        ("name", "handbook_search_docs"),
        ("upstream", "handbook"),
        ("principal", "anonymous"),
        ("outcome", "ok"),
    ];
    for (member, value) in expected {
        assert_eq!(first[member], value, "{member}: {first}");
    }
    assert!(first["duration_ms"].as_f64().unwrap() > 0.0 && first["revision"].is_string(), "{first}");
    assert_eq!((&second["outcome"], &second["upstream"]), (&json!("error"), &Value::Null), "{second}");
    assert!(!read().contains("not-in-the-log"));
}

fn ran(home: &std::path::Path, arguments: &[&str]) -> Ended {
    let mut command = anyport(home);
    command.args(arguments);
    to_the_end(command)
}

#[test]
fn a_command_shows_and_changes_the_level_of_a_running_gateway() {
    let file = |more: &str| format!("{}[audit]\nredact = [\"query\"]\n{more}", file("warn"));
    let (home, mut gateway, server) = serve_gateway(&file(""));
    let home = home.path();
    let shown = ran(home, &["log"]);
    assert!(shown.code == Some(0) && shown.stdout.ends_with("): warn\n"), "{shown:?}");
    // The level of everything stays.
    let changed = ran(home, &["log", "anyport::calls=debug"]);
    assert!(changed.stdout.ends_with("): warn,anyport::calls=debug\n"), "{changed:?}");
    gateway.error_line(|line| line.contains("the log has the level"));
    server.call("book_search_docs", &json!({"query": "hidden-77", "limit": 3}));
    let line = gateway.error_line(|line| line.contains("anyport::calls"));
    let written = r#"arguments={"query":"<hidden>","limit":3}"#;
    assert!(line.contains(written) && line.contains("duration_ms="), "{line}");
    assert!(!line.contains("hidden-77"), "{line}");
    // What else of the file changes takes nothing back.
    fs::write(home.join("anyport.toml"), file("[gateway]\nname = \"b\"\n")).unwrap();
    gateway.error_line(|line| line.contains("the file was read again"));
    server.call("book_list_docs", &json!({}));
    gateway.error_line(|line| line.contains("anyport::calls"));
    let path = home.join("anyport.toml");
    let json = ran(home, &["log", "off", "--config", path.to_str().unwrap(), "--json"]);
    let said: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(said["gateways"][0]["level"], "off");
    for (arguments, code, part) in [
        (&["log", "loud"][..], 2, "is no level"),
        (&["log", "--config", "other.toml"], 1, "no running gateway serves this file"),
    ] {
        let refused = ran(home, arguments);
        assert!(refused.code == Some(code) && refused.stderr.contains(part), "{refused:?}");
    }
    assert_eq!(ran(folder(&[]).path(), &["log"]).code, Some(1));
}

/// Invariant: A log that cannot be written stops no call, and the lines that are lost are counted.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_no_call() {
    let home = folder(&[("anyport.toml", &file("debug"))]);
    let mut command = anyport(home.path());
    // No file of the program can grow beyond a block: each write ends in an error, as on a disk that is full.
    let program = command.get_program().to_owned();
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]).arg(program);
    limited.args(["serve", "--port", "0", "--log-file", "anyport.log"]).current_dir(home.path());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    command = limited;
    let mut gateway = Program::start(command);
    let server = gateway.server();
    for _ in 0..50 {
        assert!(server.call("book_list_docs", &json!({})).is_object());
    }
    let lost = until(
        || {
            let metrics = server.ask("GET", "/metrics", &[], "").body;
            let lost = metrics.lines().find(|line| line.contains("log_queue")).unwrap_or_default();
            lost.rsplit(' ').next().unwrap_or_default().parse::<u64>().unwrap_or_default().into()
        },
        |lost| lost.as_u64().unwrap() > 0,
    );
    assert!(lost.is_u64());
    assert!(server.call("book_list_docs", &json!({})).is_object());
}
