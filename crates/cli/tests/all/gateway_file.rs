//! The commands that change and show an `anyport.toml`: servers are added, removed, enabled and imported with everything else in the file as
//! it was, and a gateway is installed in clients.

use std::fs;

use serde_json::{Value, json};

use crate::{
    configured::Home,
    support::{Program, anyport, documents},
};

const FILE: &str = "project/anyport.toml";

const TEXT: &str = "# our servers\n[gateway]\nname = \"team\" # as clients see it\n\n# the tracker\n[upstreams.tracker]\n\
                    url = \"https://tracker.example/mcp\" # mine\nbearer = \"env:TOKEN\"\nprefix = \"\"\n\n[limits]\nrounds = 3\n";

fn home() -> Home {
    let home = Home::new();
    home.write(FILE, TEXT);
    home
}

#[test]
fn a_server_is_added_to_the_nearest_file_of_a_gateway_and_removed_from_it() {
    let home = home();
    let said = home.done(&["add", "files", "-e", "KEY=env:TOKEN", "--", "npx", "-y", "files", "."]);
    assert!(said.contains("added files to ~/project/anyport.toml"), "{said}");
    let table =
        "\n[upstreams.files]\ncommand = [\"npx\", \"-y\", \"files\", \".\"]\nenv = { KEY = \"${TOKEN}\" }\n";
    let (before, after) = TEXT.split_once("\n[limits]").unwrap();
    assert_eq!(home.read(FILE), format!("{before}{table}\n[limits]{after}"));
    home.done(&["add", "docs", "https://docs.example/mcp", "--bearer", "env:DOCS_TOKEN"]);
    assert!(
        home.read(FILE)
            .contains("[upstreams.docs]\nurl = \"https://docs.example/mcp\"\nbearer = \"env:DOCS_TOKEN\"\n")
    );
    home.done(&["config", "check"]);
    let listed = home.json(&["servers", "--json"]);
    let names: Vec<&str> =
        listed["servers"].as_array().unwrap().iter().map(|server| server["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["tracker", "files", "docs"]);
    let shown = home.done(&["get", "tracker"]);
    for text in [
        "(Anyport gateway), upstreams.tracker",
        "https://tracker.example/mcp",
        "Authorization=Bearer ${TOKEN}",
    ] {
        assert!(shown.contains(text), "{shown}");
    }
    home.done(&["remove", "files"]);
    home.done(&["remove", "docs"]);
    assert_eq!(home.read(FILE), TEXT);
    // Its own options stay where a server is replaced.
    let other = ["add", "tracker", "https://other.example/mcp"];
    assert_eq!(home.run(&other).code, Some(2));
    home.done(&[&other[..], &["--force"]].concat());
    assert!(
        home.read(FILE).contains("url = \"https://other.example/mcp\"")
            && home.read(FILE).contains("prefix = \"\"\n")
    );
}

#[test]
fn whose_file_is_changed_can_be_said() {
    let home = home();
    home.done(&["add", "mine", "--scope", "user", "--", "mine"]);
    assert!(home.read(".config/anyport/mcp.json").contains("mine") && home.read(FILE) == TEXT);
    let ended = home.run(&["remove", "mine"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("anyport remove mine --scope user"), "{}", ended.stderr);
    home.write("elsewhere/gateway.toml", "");
    home.done(&["add", "there", "--config", "../elsewhere/gateway.toml", "--", "there"]);
    assert_eq!(home.read("elsewhere/gateway.toml"), "[upstreams.there]\ncommand = [\"there\"]\n");
    let ended = home.run(&["add", "x", "--config", "servers.json", "--", "x"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("--client"), "{}", ended.stderr);
    // A folder without one gets one.
    fs::remove_file(home.path(FILE)).unwrap();
    home.done(&["add", "first", "--scope", "gateway", "--", "first"]);
    assert_eq!(home.read(FILE), "[upstreams.first]\ncommand = [\"first\"]\n");
}

#[test]
fn a_file_that_the_gateway_could_not_read_is_not_written() {
    let home = home();
    let text = format!("{TEXT}\n[knowledge.files]\ndocs = [\"docs\"]\n");
    home.write(FILE, &text);
    let ended = home.run(&["add", "files", "--", "files"]);
    assert!(
        ended.code == Some(2) && ended.stderr.contains("there is an upstream files, too"),
        "{}",
        ended.stderr
    );
    assert_eq!(home.read(FILE), text);
}

#[test]
fn a_server_is_disabled_and_enabled_where_its_client_has_a_key_for_it() {
    let home = home();
    home.done(&["disable", "tracker"]);
    assert!(home.read(FILE).contains("prefix = \"\"\ndisabled = true\n"), "{}", home.read(FILE));
    assert!(home.done(&["disable", "tracker"]).contains("already"));
    assert!(home.done(&["get", "tracker"]).contains("the gateway does not use it"));
    home.done(&["enable", "tracker"]);
    assert_eq!(home.read(FILE), TEXT);
    let codex = "[mcp_servers.a]\ncommand = \"a\" # first\n";
    home.write(".codex/config.toml", codex);
    home.done(&["disable", "a", "--client", "codex"]);
    assert_eq!(home.read(".codex/config.toml"), format!("{codex}enabled = false\n"));
    home.done(&["enable", "a", "--client", "codex"]);
    assert_eq!(home.read(".codex/config.toml"), format!("{codex}enabled = true\n"));
    home.write(".cursor/mcp.json", "{\"mcpServers\": {\"b\": {\"command\": \"b\"}}}");
    let ended = home.run(&["disable", "b", "--client", "cursor"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("Cursor has no key"), "{}", ended.stderr);
    let ended = home.run(&["disable", "a"]);
    assert!(ended.stderr.contains("anyport disable a --client codex"), "{}", ended.stderr);
}

#[test]
fn the_servers_of_a_client_are_imported_with_their_references() {
    let home = home();
    home.write(
        ".config/Code/User/mcp.json",
        r#"{"inputs": [{"id": "key", "type": "promptString"}], "servers": {
            "search": {"command": "search", "args": ["${workspaceFolder}"], "env": {"KEY": "${input:key}"}, "cwd": "sub"},
            "remote": {"type": "http", "url": "https://r.example/mcp", "headers": {"Authorization": "Bearer ${env:TOKEN}", "X-A": "1"}}}}"#,
    );
    home.done(&["import", "vscode"]);
    let text = home.read(FILE);
    let project = home.path("project");
    let search = format!(
        "[upstreams.search]\ncommand = [\"search\", \"{0}\"]\nenv = {{ KEY = \"${{input:key}}\" }}\ncwd = \"{0}/sub\"\n",
        project.display()
    );
    assert!(text.contains(&search), "{text}");
    let remote = "[upstreams.remote]\nurl = \"https://r.example/mcp\"\nbearer = \"env:TOKEN\"\nheaders = { X-A = \"1\" }\n";
    assert!(text.contains(remote), "{text}");
    assert!(home.done(&["import", "vscode"]).contains("already"));
}

#[test]
fn a_gateway_is_installed_as_a_program_or_at_its_url_while_it_runs() {
    let home = home();
    let installed = || -> Value {
        let file: Value = serde_json::from_str(&home.read(".cursor/mcp.json")).unwrap();
        file["mcpServers"]["team"].clone()
    };
    home.done(&["install", "cursor"]);
    let path = home.path(FILE);
    let entry = installed();
    assert_eq!(entry["args"], json!(["serve", "--stdio", "--config", path]));
    assert_eq!(entry["env"], json!({"TOKEN": "${env:TOKEN}"}));
    home.done(&["install", "cursor", "anyport.toml", "--name", "other"]);
    // One upstream is installed by its name, as any other server.
    home.done(&["install", "cursor", "tracker"]);
    assert!(home.read(".cursor/mcp.json").contains("https://tracker.example/mcp"));
    home.write(FILE, &format!("[gateway]\nname = \"team\"\n[knowledge.book]\ndocs = [{:?}]\n", documents()));
    let mut command = anyport(&home.path("project"));
    command.args(["serve", "--port", "0"]);
    let mut gateway = Program::start(command);
    let server = gateway.server();
    let said = home.run(&["install", "cursor", "--force"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(installed(), json!({"url": server.url()}), "{}", home.read(".cursor/mcp.json"));
    gateway.close_input();
}

#[test]
fn the_whole_configuration_is_shown_with_where_each_value_comes_from() {
    let home = home();
    let text = "\n[upstreams.files]\ncommand = [\"files\", \"--token\", \"s3cret\"]\nenv = { A = \"s3cret\", B = \"file:key\", C = \"${FROM_FILE}\" }\n";
    home.write(FILE, &format!("{TEXT}{text}"));
    home.write("project/.env", "FROM_FILE=s3cret\n");
    let shown = home.done(&["config", "show", "--origin", "--limit", "drain=3"]);
    for line in [
        "gateway.name = \"team\"  # anyport.toml:3\n",
        "upstreams.tracker.bearer = \"env:TOKEN\"  # anyport.toml:8; TOKEN: the environment\n",
        "upstreams.tracker.start = \"on-demand\"  # default\n",
        "upstreams.tracker.connections = 64  # default\n",
        "upstreams.files.command = [\"files\",\"--token\",\"<hidden>\"]  # anyport.toml:15\n",
        "upstreams.files.env.A = \"<hidden>\"  # anyport.toml:16\n",
        "upstreams.files.env.B = \"file:key\"  # anyport.toml:16\n",
        "upstreams.files.env.C = \"${FROM_FILE}\"  # anyport.toml:16; FROM_FILE: .env\n",
        "upstreams.files.prefix = \"files\"  # default\n",
        "limits.rounds = 3  # anyport.toml:12\n",
        "limits.drain = 3  # --limit\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    assert!(!shown.contains("s3cret") && !shown.contains("t0p"), "{shown}");
    let plain = home.done(&["config", "show"]);
    assert!(plain.contains("gateway.name = \"team\"\n") && !plain.contains('#'), "{plain}");
    let value = home.json(&["config", "show", "--json"]);
    let values = value["values"].as_array().unwrap();
    let bearer = values.iter().find(|value| value["key"] == "upstreams.tracker.bearer").unwrap();
    let expected = json!({"key": "upstreams.tracker.bearer", "value": "env:TOKEN", "origin": "file", "line": 8,
        "variables": {"TOKEN": "the environment"}});
    assert_eq!(*bearer, expected);
}
