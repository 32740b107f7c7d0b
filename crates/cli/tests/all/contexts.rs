//! Conversations that a gateway keeps.
//!
//! Invariant: A conversation is one at all gateways of a store: no change is lost, and to strangers it does not exist.

use std::{fs, path::Path, thread};

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, documents, folder,
    http::{Connection, Server},
    modern, to_the_end, until,
};

/// A gateway with state of its own, on a store that both have.
fn serve(home: &Path, state: &str) -> (Program, Server) {
    let mut command = anyport(home);
    command.args(["serve", "--port", "0"]).env("ANYPORT_STATE_DIR", home.join(state));
    let mut program = Program::start(command);
    let server = program.server();
    (program, server)
}

fn key(home: &Path, name: &str) -> String {
    let mut command = anyport(home);
    command.args(["key", "create", name, "--config", "anyport.toml"]);
    let ended = to_the_end(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    format!("Bearer {}", ended.stdout.trim())
}

/// Two gateways, and the credentials of two callers.
struct Both {
    home: tempfile::TempDir,
    _programs: [Program; 2],
    servers: [Server; 2],
    ada: String,
    bob: String,
}

impl Both {
    fn start() -> Self {
        let text = format!(
            "[auth]\nkeys = true\n[store]\nurl = \"sqlite:shared\"\nstate_key = \"state.key\"\n[contexts]\ntools = true\n\
             [knowledge.book]\ndocs = [{:?}]\n",
            documents()
        );
        let home = folder(&[
            ("anyport.toml", &text),
            ("state.key", "qLx2mUQw7b1dI0a9kqvV7m4dO0nVtC2W8s0l3sUq0XA=\n"),
        ]);
        let (ada, bob) = (key(home.path(), "ada"), key(home.path(), "bob"));
        let [(one, at_one), (two, at_two)] = ["one", "two"].map(|state| serve(home.path(), state));
        Self { home, _programs: [one, two], servers: [at_one, at_two], ada, bob }
    }
}

fn call(server: &Server, credential: &str, tool: &str, arguments: &Value) -> Value {
    let message = modern(1, "tools/call", json!({"name": tool, "arguments": arguments}));
    server.post(&message, &[("Authorization", credential)]).json()["result"].clone()
}

fn done(server: &Server, credential: &str, tool: &str, arguments: &Value) -> Value {
    let result = call(server, credential, tool, arguments);
    assert_ne!(result["isError"], true, "{result}");
    result["structuredContent"].clone()
}

fn reason(result: &Value) -> &str {
    assert_eq!(result["isError"], true, "{result}");
    result["_meta"]["dev.anyport/error"]["reason"].as_str().unwrap_or_default()
}

fn read(server: &Server, credential: &str, uri: &str) -> Value {
    let message = modern(1, "resources/read", json!({"uri": uri}));
    let answer = server.post(&message, &[("Authorization", credential)]).json();
    match answer["result"]["contents"][0]["text"].as_str() {
        Some(text) => serde_json::from_str(text).unwrap(),
        None => answer["error"].clone(),
    }
}

/// Listens to changes of a resource.
fn listen(server: &Server, credential: &str, uri: &str) -> (Connection, Value) {
    let filter = json!({"notifications": {"resourceSubscriptions": [uri]}});
    let message = modern(9, "subscriptions/listen", filter);
    let headers = [
        ("Authorization", credential),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "subscriptions/listen"),
    ];
    let mut stream = server.send("POST", "/mcp", &headers, &message.to_string());
    assert_eq!(stream.head().0, 200);
    let acknowledged = stream.event().unwrap();
    (stream, acknowledged["params"]["notifications"]["resourceSubscriptions"].clone())
}

#[test]
fn two_gateways_continue_one_conversation() {
    let both = Both::start();
    let ([one, two], ada) = (&both.servers, &both.ada);
    let begun =
        done(one, ada, "context_update", &json!({"id": "trip", "patch": {"variables": {"city": "Rome"}}}));
    assert_eq!((&begun["version"], &begun["owner"]), (&json!(1), &json!("name:ada")));
    // Both change it at once.
    thread::scope(|scope| {
        for (place, server) in both.servers.iter().enumerate() {
            scope.spawn(move || {
                for number in 0..8 {
                    let name = format!("{place}-{number}");
                    let patch = json!({"variables": {&name: number}});
                    done(server, ada, "context_update", &json!({"id": "trip", "patch": patch}));
                    done(server, ada, "context_append", &json!({"id": "trip", "entries": [{"said": name}]}));
                }
            });
        }
    });
    let (at_one, at_two) = (read(one, ada, "context://trip"), read(two, ada, "context://trip"));
    assert_eq!(at_one, at_two);
    assert_eq!(at_one["version"], 33);
    assert_eq!(at_one["variables"].as_object().unwrap().len(), 17);
    assert_eq!(at_one["history"].as_array().unwrap().len(), 16);
    assert_eq!(at_one.get("updates"), None);
    // A change of a version that is not the newest tells which one is.
    let late = json!({"id": "trip", "version": 1, "patch": {"variables": {"city": "Oslo"}}});
    let conflict = call(two, ada, "context_update", &late);
    assert_eq!(reason(&conflict), "state");
    assert_eq!(conflict["structuredContent"]["version"], 33);
    assert_eq!(conflict["structuredContent"]["variables"]["city"], "Rome");
    assert_eq!(read(two, ada, "context://trip?version=33")["version"], 33);
    assert_eq!(read(two, ada, "context://trip?version=77")["code"], -32602);
    // Nothing of it can be read in the file.
    let stored = fs::read(both.home.path().join("shared/anyport.db")).unwrap();
    let wal = fs::read(both.home.path().join("shared/anyport.db-wal")).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&[stored, wal].concat()).contains("Rome"));
}

#[test]
fn a_conversation_does_not_exist_for_strangers_until_it_is_shared() {
    let both = Both::start();
    let ([one, two], ada, bob) = (&both.servers, &both.ada, &both.bob);
    done(one, ada, "context_update", &json!({"id": "trip", "patch": {"variables": {"x": 1}}}));
    for name in ["name:ada/trip", "name:ada/none"] {
        for (tool, arguments) in [
            ("context_get", json!({"id": name})),
            ("context_update", json!({"id": name, "patch": {}})),
            ("context_append", json!({"id": name, "entries": [{}]})),
            ("context_share", json!({"id": name, "to": "name:bob"})),
        ] {
            let refused = call(two, bob, tool, &arguments);
            assert_eq!(reason(&refused), "context", "{tool}");
            let text = refused["content"][0]["text"].as_str().unwrap();
            assert_eq!(text.replace(name, "NAME"), "there is no conversation \"NAME\"", "{tool}");
        }
        assert_eq!(read(two, bob, &format!("context://{name}"))["code"], -32602);
    }
    assert_eq!(done(two, bob, "context_list", &json!({}))["contexts"], json!([]));
    let listed = |server: &Server, credential: &str| {
        let list =
            server.post(&modern(1, "resources/list", json!({})), &[("Authorization", credential)]).json();
        let all = list["result"]["resources"].as_array().unwrap().iter().map(|one| one["uri"].clone());
        let all: Vec<Value> = all.filter(|uri| uri.as_str().unwrap().starts_with("context:")).collect();
        json!(all)
    };
    assert_eq!(listed(two, ada), json!(["context://trip"]));
    assert_eq!(listed(two, bob), json!([]));

    done(one, ada, "context_share", &json!({"id": "trip", "to": "name:bob", "may": "read"}));
    assert_eq!(done(two, bob, "context_get", &json!({"id": "trip"}))["variables"]["x"], 1);
    until(|| listed(two, bob), |all| *all == json!(["context://name:ada/trip"]));
    let refused = call(two, bob, "context_update", &json!({"id": "trip", "patch": {}}));
    assert_eq!(reason(&refused), "permission_denied");
    for (arguments, field) in [
        (json!({"id": "trip", "patch": {"history": []}}), "patch.history"),
        (json!({"id": "t r", "patch": {}}), "is no id"),
    ] {
        let refused = call(one, ada, "context_update", &arguments);
        assert_eq!(reason(&refused), "validation");
        assert!(refused["content"][0]["text"].as_str().unwrap().contains(field), "{refused}");
    }
}

#[test]
fn a_listener_hears_of_changes_at_another_gateway_and_a_stranger_does_not() {
    let both = Both::start();
    let ([one, two], ada, bob) = (&both.servers, &both.ada, &both.bob);
    done(one, ada, "context_update", &json!({"id": "trip", "patch": {}}));
    done(one, bob, "context_update", &json!({"id": "trip", "patch": {}}));
    let (mut of_ada, heard) = listen(two, ada, "context://trip");
    assert_eq!(heard, json!(["context://trip"]));
    let (mut of_bob, _) = listen(two, bob, "context://trip");
    // The watch of the store may begin after the stream.
    let mut told = || of_ada.event().unwrap();
    let ada_changes = || done(one, ada, "context_append", &json!({"id": "trip", "entries": [{"by": "ada"}]}));
    ada_changes();
    let update = told();
    assert_eq!(update["method"], "notifications/resources/updated");
    assert_eq!(update["params"]["uri"], "context://trip");
    // The first that bob hears is of his own.
    done(one, bob, "context_append", &json!({"id": "trip", "entries": [{"by": "bob"}]}));
    assert_eq!(of_bob.event().unwrap()["params"]["uri"], "context://trip");
    let version =
        |credential: &str| done(two, credential, "context_get", &json!({"id": "trip"}))["version"].clone();
    until(|| json!([version(ada), version(bob)]), |versions| *versions == json!([2, 2]));
}

/// The configuration of the page serves conversations, which outlive the gateway.
#[test]
fn the_page_on_conversations_has_a_configuration_that_works() {
    let page = include_str!("../../../../docs/contexts.md");
    let text = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let home =
        folder(&[("anyport.toml", text), ("docs/a.md", "# A"), ("alone.toml", "[contexts]\ntools = true\n")]);
    let mut command = anyport(home.path());
    command.args(["config", "check", "alone.toml"]);
    assert_eq!(to_the_end(command).code, Some(0), "conversations need no server beside them");
    let (mut gateway, server) = serve(home.path(), "state");
    let change: Value =
        serde_json::from_str(page.split("```json\n").nth(1).unwrap().split("```").next().unwrap()).unwrap();
    let anonymous = "";
    let mut begun = change.clone();
    begun["version"] = json!(0);
    assert_eq!(done(&server, anonymous, "context_update", &begun)["version"], 1);
    for version in 1..4 {
        let next = json!({"id": "trip", "version": version, "patch": {"variables": {"draft": version}}});
        done(&server, anonymous, "context_update", &next);
    }
    gateway.kill();
    let (_gateway, server) = serve(home.path(), "state");
    let changed = done(&server, anonymous, "context_update", &change);
    assert_eq!((&changed["version"], &changed["variables"]), (&json!(5), &json!({"city": "Lisbon"})));
}
