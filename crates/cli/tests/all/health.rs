//! How a program is, for load balancers and operators; its numbers.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, documents, folder, http::Server, modern, serve_gateway, to_the_end, until,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn health(server: &Server, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let answer = server.get(path, headers);
    (answer.status, answer.json())
}

/// A gateway whose callers have tokens, and the tokens of one with this scope and one without.
fn protected(more: &str, scope: &str) -> (tempfile::TempDir, Program, Server, [String; 2]) {
    let text = format!(
        "[auth]\nsecret = {{ from = \"env:JWT_SECRET\" }}\n[knowledge.book]\ndocs = [{:?}]\n{more}",
        documents()
    );
    let home = folder(&[("anyport.toml", &text)]);
    let token = |scope: &str| {
        let mut command = anyport(home.path());
        command.args(["token", "ada", "--secret", "env:JWT_SECRET", "--scope", scope]);
        let ended = to_the_end({
            command.env("JWT_SECRET", SECRET);
            command
        });
        assert_eq!(ended.code, Some(0), "{ended:?}");
        format!("Bearer {}", ended.stdout.trim())
    };
    let tokens = [token(scope), token("other")];
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]).env("JWT_SECRET", SECRET);
    let mut program = Program::start(command);
    let server = program.server();
    (home, program, server, tokens)
}

#[test]
fn only_operators_see_more_than_a_word() {
    let (_home, _gateway, server, [operator, other]) = protected("[health]\nrequire = [\"ops\"]\n", "ops");
    let plain = json!({"status": "healthy", "interface": "http", "protocol": "mcp"});
    for headers in [&[][..], &[("Authorization", &*other)], &[("Authorization", "Bearer nonsense")]] {
        let (status, seen) = health(&server, "/health", headers);
        // The machine that tests run on may be busy.
        let is_known = seen["status"] == "healthy" || seen["status"] == "degraded";
        assert!(status == 200 && is_known, "{seen}");
        let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(members(&seen), members(&plain), "{headers:?}");
    }
    let (status, seen) = health(&server, "/health", &[("Authorization", &operator)]);
    assert_eq!(status, 200);
    for (part, members) in [
        ("system", &["cpu_percent", "memory_percent", "memory_available_mb"][..]),
        ("application", &["pending_tasks", "uptime_seconds", "version"]),
        ("pools", &["calls", "buffered_bytes"]),
        ("dependencies", &["book", "store"]),
    ] {
        assert!(members.iter().all(|member| !seen[part][member].is_null()), "{part}: {seen}");
    }
    assert_eq!(seen["dependencies"]["store"]["status"], "healthy");
    assert!(seen["dependencies"]["store"]["latency_ms"].is_number(), "{seen}");
    assert!(seen["timestamp"].as_str().unwrap().ends_with('Z'));
    // The numbers.
    let metrics = |headers: &[(&str, &str)]| server.get("/metrics", headers);
    assert_eq!(metrics(&[]).status, 401);
    assert_eq!(metrics(&[("Authorization", &other)]).status, 403);
    let numbers = metrics(&[("Authorization", &operator)]);
    assert_eq!(numbers.status, 200);
    assert_eq!(
        numbers.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(numbers.body.contains("# TYPE anyport_calls_running gauge"), "{}", numbers.body);
    assert!(numbers.body.contains("anyport_limit_refusals_total{limit=\"max_concurrent_calls\"} 0"));
    assert!(numbers.body.ends_with("# EOF\n"));
}

#[test]
fn a_server_that_is_down_degrades_and_one_alone_makes_unhealthy() {
    let down = "[upstreams.far]\nurl = \"http://127.0.0.1:1/mcp\"\nstart = \"eager\"\n";
    let (_home, _gateway, server) =
        serve_gateway(&format!("{down}[knowledge.book]\ndocs = [{:?}]\n", documents()));
    let list = || server.post(&modern(1, "tools/list", json!({})), &[]);
    let seen = until(
        || {
            list();
            health(&server, "/health", &[]).1
        },
        |seen| seen["dependencies"]["far"]["status"] == "unhealthy",
    );
    assert_eq!(
        (&seen["status"], seen["dependencies"]["book"]["kind"].as_str()),
        (&json!("degraded"), Some("upstream"))
    );
    assert!(seen["dependencies"]["far"]["last_error"].is_string(), "{seen}");
    assert!(seen["reasons"].to_string().contains("the upstream far is not there"), "{seen}");
    assert_eq!(server.get("/health/ready", &[]).status, 200, "it is degraded, and answers");
    let (_home, _gateway, server) = serve_gateway(down);
    let list = || server.post(&modern(1, "tools/list", json!({})), &[]);
    until(
        || {
            list();
            health(&server, "/health", &[]).1
        },
        |seen| seen["status"] == "unhealthy",
    );
    let (status, words) =
        (server.get("/health/ready", &[]).status, server.get("/health", &[("Accept", "text/plain")]));
    assert_eq!((status, words.status, &*words.body), (503, 503, "unhealthy"));
    assert_eq!(server.get("/health/live", &[]).status, 200, "the process answers");
    assert_eq!(server.ask("HEAD", "/health/ready", &[], "").body, "");
}

#[test]
fn a_model_may_ask_if_that_is_switched_on_and_it_changes_with_the_file() {
    let (home, _gateway, server, [operator, other]) = protected("[health]\nrequire = [\"ops\"]\n", "ops");
    let call = |token: &str| {
        let message = modern(1, "tools/call", json!({"name": "health_check", "arguments": {}}));
        let headers = [
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", "health_check"),
            ("Authorization", token),
        ];
        server.ask("POST", "/mcp", &headers, &message.to_string()).json()
    };
    assert_eq!(call(&operator)["error"]["data"]["reason"], "unknown_tool");
    let path = home.path().join("anyport.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("[health]\n", "[health]\ntool = true\n")).unwrap();
    let answer = until(|| call(&operator), |answer| answer["result"].is_object());
    let report = &answer["result"]["structuredContent"];
    assert_eq!(report["dependencies"]["book"]["kind"], "upstream", "{report}");
    assert!(report["system"]["memory_percent"].is_number(), "{report}");
    assert_eq!(call(&other)["result"]["isError"], true);
    let status = to_the_end({
        let mut command = anyport(home.path());
        command.args(["status", "--json"]);
        command
    });
    assert!(!status.stdout.contains("anyport.health"), "{}", status.stdout);
}

#[test]
fn documents_tell_how_they_are() {
    let (_program, server) = Program::http(&[]);
    let (_, seen) = health(&server, "/health", &[]);
    assert_eq!(seen["dependencies"]["documents"]["status"], "healthy", "{seen}");
    assert_eq!(server.get("/metrics", &[]).status, 200);
    // A proxy on this machine passes on requests of anybody.
    for header in [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.1")] {
        assert!(health(&server, "/health", &[header]).1["dependencies"].is_null());
        assert_eq!(server.get("/metrics", &[header]).status, 403);
    }
}

#[test]
fn a_command_says_by_its_exit_code_whether_a_server_is_well() {
    let (home, program, server, [operator, _]) = protected("", "ops");
    let health = |arguments: &[&str]| {
        let mut command = anyport(home.path());
        command.arg("health").args(arguments).env("OPS", operator.trim_start_matches("Bearer "));
        to_the_end(command)
    };
    let url = format!("http://{}", server.authority);
    let word = health(&[&url]);
    assert_eq!((word.code, word.stdout.lines().count()), (Some(0), 1), "{word:?}");
    let details = health(&[&format!("{url}/mcp"), "--token", "env:OPS", "--json"]);
    let seen: Value = serde_json::from_str(&details.stdout).unwrap();
    assert_eq!(seen["dependencies"]["store"]["status"], "healthy", "{seen}");
    let wrong = health(&[&url, "--token", "abcdef"]);
    assert!(wrong.code == Some(2) && !wrong.stderr.contains("abcdef"), "{wrong:?}");
    drop(program);
    let gone = health(&[&url]);
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert_eq!(health(&["nonsense"]).code, Some(2));
}
