//! A server of a gateway that cannot be used for want of a secret, or since its entry describes none: the others work, and it comes up
//! once that is right.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Ended, Program, anyport, folder,
    http::Server,
    modern,
    scripted::{self, Scripted},
    to_the_end, until,
};

const SECRET: &str = "s3cret-of-the-tracker";

fn serve(home: &TempDir, arguments: &[&str]) -> (Program, Server) {
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]).args(arguments);
    let mut gateway = Program::start(command);
    let server = gateway.server();
    (gateway, server)
}

fn ran(home: &Path, arguments: &[&str]) -> Ended {
    let mut command: Command = anyport(home);
    command.args(arguments);
    to_the_end(command)
}

fn tools(server: &Server) -> Value {
    let answer = server.post(&modern(1, "tools/list", json!({})), &[]).json();
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].clone()).collect()
}

fn call(server: &Server, tool: &str) -> Value {
    server.post(&modern(1, "tools/call", json!({"name": tool, "arguments": {}})), &[]).json()
}

/// The server `name`, as `anyport status` shows it.
fn status(home: &TempDir, name: &str) -> Value {
    let status: Value = serde_json::from_str(&ran(home.path(), &["status", "--json"]).stdout).unwrap();
    let servers = status["gateways"][0]["servers"].as_array().unwrap();
    servers.iter().find(|server| server["name"] == name).unwrap().clone()
}

/// Two upstreams, of which `tracker` has a secret in the variable TRACKER_TOKEN.
fn text(remote: &Scripted) -> String {
    let url = remote.url();
    format!(
        "[upstreams.good]\nurl = {url:?}\n[upstreams.tracker]\nurl = {url:?}\nbearer = \"env:TRACKER_TOKEN\"\n"
    )
}

/// Invariant: A server of a gateway whose secret is missing harms no other: its last known tools stay, its calls say what is missing,
/// and it comes up once that is there.
#[test]
fn a_server_without_its_secret_keeps_its_tools_says_what_is_missing_and_comes_up_with_it() {
    let remote = Scripted::start(scripted::modern);
    let home = folder(&[("anyport.toml", &text(&remote)), (".env", &format!("TRACKER_TOKEN={SECRET}\n"))]);
    let both = json!(["good_look", "tracker_look"]);
    let (mut gateway, server) = serve(&home, &[]);
    until(|| tools(&server), |tools| *tools == both);
    // The store is written behind the answer.
    let begun = Instant::now();
    until(|| json!(begun.elapsed() >= Duration::from_secs(1)), |is_over| *is_over == json!(true));
    gateway.kill();

    fs::remove_file(home.path().join(".env")).unwrap();
    let missing = "the variable TRACKER_TOKEN is not set";
    let (mut gateway, server) = serve(&home, &[]);
    let (banner, _) = gateway.banner();
    let line = banner
        .lines()
        .find(|line| line.trim_start().starts_with("unusable"))
        .unwrap_or_else(|| panic!("{banner}"));
    assert!(
        line.contains("tracker: ") && line.contains(missing) && line.contains("anyport restart tracker"),
        "{line}"
    );
    until(|| tools(&server), |tools| *tools == both);
    assert_eq!(call(&server, "good_look")["result"]["content"][0]["text"], "seen");
    let refused = call(&server, "tracker_look");
    let message = refused["error"]["message"].as_str().unwrap_or_else(|| panic!("{refused}"));
    assert!(message.contains(missing) && message.contains("anyport restart tracker"), "{message}");
    assert!(!message.contains("next attempt"), "none is made: {message}");

    let ended = ran(home.path(), &["status"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains(missing) && !ended.stdout.contains("next attempt"), "{}", ended.stdout);
    let (good, tracker) = (status(&home, "good"), status(&home, "tracker"));
    assert_eq!((&good["state"], &good["last_error"]), (&json!("up"), &Value::Null));
    assert_eq!(
        (&tracker["state"], &tracker["retry_at"], &tracker["tools"]),
        (&json!("down"), &Value::Null, &json!(1))
    );
    assert_eq!((&tracker["transport"], &tracker["server"]), (&json!("http"), &json!(remote.url())));
    let restarted = ran(home.path(), &["restart", "tracker"]);
    assert!(restarted.code == Some(1) && restarted.stderr.contains(missing), "{restarted:?}");

    fs::write(home.path().join(".env"), format!("TRACKER_TOKEN={SECRET}\n")).unwrap();
    let restarted = ran(home.path(), &["restart", "tracker"]);
    assert_eq!((restarted.code, &*restarted.stdout), (Some(0), "restarted tracker\n"), "{restarted:?}");
    assert_eq!(call(&server, "tracker_look")["result"]["content"][0]["text"], "seen");
    assert!(remote.asked().last().unwrap().headers.contains(&format!("authorization: bearer {SECRET}")));
    assert_eq!(status(&home, "tracker")["state"], "up");
    gateway.kill();
    let said = gateway.stderr() + &banner;
    assert!(!said.contains(SECRET), "{said}");
}

#[test]
fn a_server_that_is_added_without_its_secret_comes_up_when_the_env_file_has_it() {
    let remote = Scripted::start(scripted::modern);
    let good = format!("[upstreams.good]\nurl = {:?}\n", remote.url());
    let home = folder(&[("anyport.toml", &good)]);
    let (mut gateway, server) = serve(&home, &[]);
    assert_eq!(tools(&server), json!(["good_look"]));
    fs::write(home.path().join("anyport.toml"), text(&remote)).unwrap();
    gateway.error_line(|line| line.contains("the file was read again: added tracker"));
    assert_eq!(tools(&server), json!(["good_look"]), "nothing is known of the other one");
    assert_eq!(status(&home, "tracker")["state"], "down");
    fs::write(home.path().join(".env"), format!("TRACKER_TOKEN={SECRET}\n")).unwrap();
    gateway.error_line(|line| line.contains("the file was read again: replaced tracker"));
    until(|| tools(&server), |tools| *tools == json!(["good_look", "tracker_look"]));
    // What works is not taken away by a fault of the file.
    fs::remove_file(home.path().join(".env")).unwrap();
    gateway.error_line(|line| line.contains("nothing was changed"));
    assert_eq!(call(&server, "tracker_look")["result"]["content"][0]["text"], "seen");
    let restarted = ran(home.path(), &["restart", "tracker"]);
    assert!(restarted.code == Some(1) && restarted.stderr.contains("stays as it is"), "{restarted:?}");
    assert_eq!(call(&server, "tracker_look")["result"]["content"][0]["text"], "seen");
}

/// Invariant: Callers of a gateway that others share learn nothing of its file and its environment.
#[test]
fn callers_from_elsewhere_do_not_learn_why_a_server_cannot_be_used() {
    let remote = Scripted::start(scripted::modern);
    let home = folder(&[("anyport.toml", &text(&remote)), ("token", "a-token-of-the-gateway")]);
    let (mut gateway, server) = serve(&home, &["--auth-token", "file:token"]);
    let message = modern(1, "tools/call", json!({"name": "tracker_look", "arguments": {}}));
    let refused = server.post(&message, &[("authorization", "Bearer a-token-of-the-gateway")]).json();
    let said = refused["error"]["message"].as_str().unwrap_or_else(|| panic!("{refused}"));
    assert!(
        said.contains("anyport status tracker") && !refused.to_string().contains("TRACKER_TOKEN"),
        "{refused}"
    );
    assert!(status(&home, "tracker")["last_error"].to_string().contains("TRACKER_TOKEN"));
    gateway.kill();
}

/// Entries that describe no server, and secrets that cannot be read, in the file of a client and in an anyport.toml.
#[test]
fn an_entry_that_describes_no_server_harms_no_other() {
    let remote = Scripted::start(scripted::modern);
    let url = remote.url();
    let servers = json!({"good": {"url": url}, "empty": {"env": {"KEY": SECRET}}, "unset": {"url": url, "headers": {"X": "${NOT_THERE}"}}});
    let toml = format!(
        "[upstreams.good]\nurl = {url:?}\n\
         [upstreams.empty]\nurl = \"x://y\"\nheaders = {{ X = {SECRET:?} }}\n\
         [upstreams.unset]\nurl = {url:?}\nheaders = {{ X = \"file:none\" }}\n\
         [upstreams.both]\nurl = {url:?}\ncommand = \"x\"\n\
         [upstreams.failing]\nurl = {url:?}\nbearer = \"cmd:false\"\n\
         [upstreams.variables]\ncommand = \"x\"\nenv_file = \"broken.env\"\n"
    );
    for (file, text, faults) in [
        (
            "mcp.json",
            json!({"mcpServers": servers}).to_string(),
            &[("empty", "neither a command nor a url"), ("unset", "NOT_THERE")][..],
        ),
        (
            "anyport.toml",
            toml,
            &[
                ("empty", "http, https, ws, wss or unix"),
                ("unset", "none cannot be read"),
                ("both", "there is a `command`, too"),
                ("failing", "false failed"),
                ("variables", "not NAME=VALUE"),
            ],
        ),
    ] {
        let home = folder(&[(file, &text), ("broken.env", &format!("A=1\n'{SECRET}\n"))]);
        let (mut gateway, server) = serve(&home, &["--config", file]);
        let (banner, _) = gateway.banner();
        assert_eq!(tools(&server), json!(["good_look"]), "{banner}");
        for (name, fault) in faults {
            let shown = status(&home, name);
            let why = shown["last_error"].as_str().unwrap_or_else(|| panic!("{shown}"));
            assert!(why.contains(fault) && shown["state"] == "down", "{fault} is not in {shown}");
            assert!(banner.contains(fault), "{fault} is not in {banner}");
            let refused = call(&server, &format!("{name}_anything"));
            let message = refused["error"]["message"].as_str().unwrap_or_default();
            assert!(message.contains(fault), "{fault} is not in {refused}");
            assert!(!format!("{shown}{refused}").contains(SECRET));
        }
        gateway.kill();
        let said = gateway.stderr() + &banner;
        assert!(!said.contains(SECRET), "{said}");
        let checked = ran(home.path(), &["config", "check", file]);
        assert_eq!(checked.code, Some(2), "{checked:?}");
    }
}

/// Invariant: Secrets that take their time hold up neither each other nor the end of the gateway.
#[test]
fn commands_for_secrets_run_side_by_side() {
    let remote = Scripted::start(scripted::modern);
    let url = remote.url();
    // Each ends when the other one has begun.
    let meets = |mine: &str, other: &str| {
        format!("cmd:sh -c 'touch {mine}; until [ -e {other} ]; do sleep 0.02; done; echo token-{mine}'")
    };
    let table =
        |name: &str, bearer: &str| format!("[upstreams.{name}]\nurl = {url:?}\nbearer = {bearer:?}\n");
    let both = table("one", &meets("a", "b")) + &table("two", &meets("b", "a"));
    let home = folder(&[("anyport.toml", &both)]);
    let (mut gateway, server) = serve(&home, &[]);
    assert_eq!(call(&server, "one_look")["result"]["content"][0]["text"], "seen");
    // One that waits for its user when the gateway is stopped, and ends with it.
    let waits = "cmd:sh -c 'echo $$ > waits.new; mv waits.new waits; exec sleep 50'";
    fs::write(home.path().join("anyport.toml"), both + &table("late", waits)).unwrap();
    let process = until(
        || fs::read_to_string(home.path().join("waits")).ok().map_or(Value::Null, Value::String),
        |process| process.is_string(),
    );
    assert_eq!(call(&server, "two_look")["result"]["content"][0]["text"], "seen");
    let id = rustix::process::Pid::from_raw(gateway.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(gateway.wait().success());
    let process: i32 = process.as_str().unwrap().trim().parse().unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    assert!(rustix::process::test_kill_process(process).is_err(), "it outlives the gateway");
}
