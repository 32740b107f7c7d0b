//! The commands that change and show an `anyport.toml`: servers are added, removed, enabled and imported with everything else in the file as
//! it was, and a gateway is installed in clients.

use std::fs;

use serde_json::{Value, json};

use crate::{
    configured::Home,
    support::{
        Program, anyport, documents,
        scripted::{self, Scripted},
    },
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

/// Invariant: A value of a client's file stays the text that it is when its server is copied into the file of a gateway: it runs no
/// command and reads no file there.
#[test]
fn an_imported_value_does_not_become_the_source_of_a_secret() {
    let home = home();
    let server = Scripted::start(scripted::modern);
    home.write(
        "team.json",
        &json!({"mcpServers": {"remote": {"type": "http", "url": server.url(), "headers": {
            "X-Command": format!("cmd:touch {}", home.path("ran").display()), "X-File": "file:anyport.toml",
            "X-Variable": "env:HOME", "X-Text": "text:a", "X-Plain": "plain",
        }}}})
        .to_string(),
    );
    home.done(&["import", &home.path("team.json").display().to_string(), "--scope", "gateway"]);
    assert!(home.read(FILE).contains("X-File = \"text:file:anyport.toml\""), "{}", home.read(FILE));
    home.done(&["config", "check"]);
    home.done(&["tools", "remote"]);
    assert!(!home.path("ran").exists());
    let asked = server.asked();
    for header in [
        "x-command: cmd:touch",
        "x-file: file:anyport.toml",
        "x-variable: env:home",
        "x-text: text:a",
        "x-plain: plain",
    ] {
        assert!(asked.iter().all(|asked| asked.headers.contains(header)), "{header}: {:?}", asked[0].headers);
    }
    // And back.
    home.done(&["import", "anyport.toml", "remote", "--client", "cursor"]);
    assert!(
        home.read(".cursor/mcp.json").contains("\"file:anyport.toml\""),
        "{}",
        home.read(".cursor/mcp.json")
    );
    home.write(
        FILE,
        "[upstreams.kept]\nurl = \"https://k.example/mcp\"\nheaders = { X-A = \"cmd:pass show a\" }\n",
    );
    let ended = home.run(&["import", "anyport.toml", "kept", "--client", "cursor"]);
    assert!(ended.code == Some(1) && ended.stdout.contains("read from cmd:pass show a"), "{ended:?}");
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

/// What `schema` says of the value at `keys`.
fn described<'s>(schema: &'s Value, keys: &[&str]) -> Option<&'s Value> {
    keys.iter().try_fold(schema, |outer, key| {
        // A table that may be missing is one of two.
        let all = outer["anyOf"].as_array().into_iter().flatten();
        let mut tables = all.chain([outer]).filter_map(|one| one["$ref"].as_str());
        let table = tables.next_back().and_then(|place| schema.pointer(place.trim_start_matches('#')));
        let table = table.unwrap_or(outer);
        table["properties"]
            .get(key)
            .or_else(|| table.get("additionalProperties").filter(|inner| inner.is_object()))
    })
}

#[test]
fn the_whole_configuration_is_one_that_a_file_can_have() {
    let home = home();
    let more = "call_timeout_max = 4000\n\n[upstreams.tracker.tools.look]\nhidden = true\n\n[upstreams.files]\ncommand = [\"files\"]\n\
                open_timeout = 7\n[upstreams.files.sandbox]\nwrite = [\"data\"]\n[upstreams.files.limits]\nmemory = \"1MiB\"\n\
                [knowledge.docs]\ndocs = [\"docs\"]\n[servers.few]\ntool_search = true\n";
    home.write(FILE, &format!("{TEXT}{more}"));
    let options = ["--limit", "connections=9,max_calls_per_upstream=20,queue_timeout=6"];
    let value = home.json(&[&["config", "show", "--json"][..], &options].concat());
    let schema: Value = serde_json::from_str(&home.done(&["config", "schema"])).unwrap();
    let values = value["values"].as_array().unwrap();
    for value in values {
        let key = value["key"].as_str().unwrap();
        let keys: Vec<&str> = key.split('.').collect();
        assert!(described(&schema, &keys).is_some(), "{key} is no key of the file");
    }
    let of = |key: &str| {
        let found = values.iter().find(|value| value["key"] == key);
        let found = found.unwrap_or_else(|| panic!("{key} is not shown"));
        (found["value"].clone(), found["origin"].as_str().unwrap().to_owned())
    };
    for (key, value, origin) in [
        ("connections", json!(9), "option"),
        ("open_timeout", json!(60), "default"),
        ("first_byte_timeout", json!(600), "default"),
        ("call_timeout", json!(600), "default"),
        ("call_timeout_max", json!(4000), "file"),
        ("max_concurrent_calls", json!(20), "option"),
        ("max_queued_calls", json!(128), "default"),
        ("queue_timeout", json!(6), "option"),
        ("pin", json!("report"), "default"),
        ("max_result_tokens", json!(0), "default"),
        ("on_large_result", json!("truncate"), "default"),
    ] {
        assert_eq!(of(&format!("upstreams.tracker.{key}")), (value, origin.to_owned()), "{key}");
    }
    assert_eq!(of("upstreams.files.open_timeout"), (json!(7), "file".to_owned()));
    // What is shown is a file itself, which comes to the same.
    let shown = home.done(&["config", "show"]);
    home.write(FILE, &shown);
    // A limit that several parts have comes where it is set.
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&home.done(&["config", "show"])), sorted(&shown));
}
