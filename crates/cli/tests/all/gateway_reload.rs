//! Changes of `[servers]`, `[gateway]` and `[limits]` in the file of a running gateway.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Program, anyport,
    http::{Connection, Server},
    initialize, legacy, modern,
    scripted::{self, Scripted},
    serve_gateway, to_the_end, until,
};

/// Writes another file, and returns what the gateway says of it.
fn change(home: &TempDir, gateway: &mut Program, text: &str) -> String {
    fs::write(home.path().join("anyport.toml"), text).unwrap();
    gateway.error_line(|line| line.contains("the file was read again"))
}

/// The virtual server `name` of a gateway.
fn selection(gateway: &Server, name: &str) -> Server {
    Server { path: format!("/s/{name}/mcp"), ..gateway.clone() }
}

fn tools(server: &Server) -> Value {
    let answer = server.post(&modern(1, "tools/list", json!({})), &[]).json();
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].clone()).collect()
}

/// A listener that has read the list, and that was acknowledged.
fn listener(server: &Server) -> Connection {
    tools(server);
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut listener = server.open(&modern(9, "subscriptions/listen", filter));
    let acknowledged = listener.event().unwrap();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    listener
}

fn assert_changed(listener: &mut Connection) {
    let event = listener.event().unwrap();
    assert_eq!(event["method"], "notifications/tools/list_changed", "{event}");
}

/// That the stream of a listener ends.
fn assert_ended(listener: &mut Connection) {
    let mut event = listener.event().unwrap();
    // 2026-07-28, cancellation: the server says so first, and the response follows.
    if event["method"] == "notifications/cancelled" {
        event = listener.event().unwrap();
    }
    assert!(event["id"] == 9 && event["result"].is_object(), "{event}");
}

/// The gateway, as `anyport status` describes it.
#[cfg(unix)]
fn status(home: &TempDir) -> Value {
    let mut command = anyport(home.path());
    command.args(["status", "--json"]);
    let ended = to_the_end(command);
    let status: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    status["gateways"][0].clone()
}

/// Invariant: Virtual servers come, change and go with the file. Sessions of the others go on, and those learn of a change whose lists
/// have changed.
#[test]
fn virtual_servers_come_change_and_go_with_the_file() {
    let remote = Scripted::start(scripted::modern);
    let url = remote.url();
    let upstreams = format!("[upstreams.a]\nurl = {url:?}\n[upstreams.b]\nurl = {url:?}\n");
    let with = |selections: &str| format!("{upstreams}{selections}");
    let stays = "[servers.stays]\ninclude = [\"a_*\", \"b_*\"]\n";
    let (home, mut gateway, server) = serve_gateway(&with(&format!(
        "{stays}[servers.changes]\ninclude = [\"a_*\"]\n[servers.goes]\ninclude = [\"b_*\"]\n"
    )));
    let [staying, changing, going, coming] =
        ["stays", "changes", "goes", "comes"].map(|name| selection(&server, name));
    until(|| tools(&staying), |tools| *tools == json!(["a_look", "b_look"]));
    assert_eq!(coming.post(&modern(1, "tools/list", json!({})), &[]).status, 404);
    let [mut of_all, mut of_staying, mut of_changing, mut of_going] =
        [&server, &staying, &changing, &going].map(listener);
    let opened = [&staying, &going].map(|server| {
        let opened = server.post(&initialize(1, "2025-11-25"), &[]);
        opened.header("mcp-session-id").unwrap_or_else(|| panic!("{opened:?}")).to_owned()
    });
    let ping = |server: &Server, session: &String| {
        server.post(&legacy(2, "ping", json!({})), &[("Mcp-Session-Id", session)]).status
    };

    let said = change(
        &home,
        &mut gateway,
        &with(&format!(
            "{stays}[servers.changes]\ninclude = [\"b_*\"]\ninstructions = \"Those of b.\"\n[servers.comes]\n"
        )),
    );
    assert!(said.contains("virtual servers: added comes, removed goes, changed changes"), "{said}");
    assert_eq!(tools(&coming), json!(["a_look", "b_look"]));
    assert_changed(&mut of_changing);
    assert_eq!(tools(&changing), json!(["b_look"]));
    let described = changing.post(&modern(1, "server/discover", json!({})), &[]).json();
    assert!(described["result"]["instructions"].as_str().unwrap().contains("Those of b."), "{described}");
    assert_ended(&mut of_going);
    assert_eq!(going.post(&modern(1, "tools/list", json!({})), &[]).status, 404);
    assert_eq!((ping(&staying, &opened[0]), ping(&going, &opened[1])), (200, 404));

    // The next that the others learn is what concerns them.
    let searched = "[servers.stays]\ninclude = [\"a_*\", \"b_*\"]\ntool_search = true\n";
    change(&home, &mut gateway, &with(searched));
    assert_changed(&mut of_staying);
    assert_eq!(tools(&staying), json!(["search_tools", "describe_tool", "call_tool"]));
    assert_eq!(ping(&staying, &opened[0]), 200);
    assert_ended(&mut of_changing);
    change(&home, &mut gateway, &with("[gateway]\nname = \"ours\"\ninstructions = \"All of it.\"\n"));
    // One change, one notification.
    assert_ended(&mut of_staying);
    let described = server.post(&modern(1, "server/discover", json!({})), &[]).json()["result"].clone();
    assert_eq!(described["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "ours", "{described}");
    assert!(described["instructions"].as_str().unwrap().starts_with("All of it."), "{described}");
    change(&home, &mut gateway, &with("[gateway]\ntool_search = true\n"));
    assert_changed(&mut of_all);
    assert_eq!(tools(&server), json!(["search_tools", "describe_tool", "call_tool"]));
    fs::write(home.path().join("anyport.toml"), with("[gateway]\ntool_serch = false\n")).unwrap();
    gateway.error_line(|line| line.contains("the file has a fault, and nothing was changed"));
    assert_eq!(tools(&server), json!(["search_tools", "describe_tool", "call_tool"]));
}

/// A server whose calls take as long as the first flag says. The second one says whether it was called.
fn hanging() -> (Scripted, Arc<AtomicBool>, Arc<AtomicBool>) {
    let (hangs, is_asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (still_hangs, was_asked) = (hangs.clone(), is_asked.clone());
    let remote = Scripted::start(move |asked| {
        if asked.body["method"] == "tools/call" {
            was_asked.store(true, Ordering::SeqCst);
            until(|| json!(still_hangs.load(Ordering::SeqCst)), |hangs| *hangs == json!(false));
        }
        scripted::modern(asked)
    });
    (remote, hangs, is_asked)
}

/// Invariant: Of the limits of the file, a running gateway changes those of calls, servers and documents; the others are named.
#[cfg(unix)]
#[test]
fn limits_are_changed_while_it_runs_as_far_as_that_is_possible() {
    let (remote, hangs, is_asked) = hanging();
    let upstream = |name: &str| format!("[upstreams.{name}]\nurl = {:?}\n", remote.url());
    let (home, mut gateway, server) = serve_gateway(&upstream("a"));
    assert_eq!((tools(&server), &status(&home)["needs_restart"]), (json!(["a_look"]), &json!([])));
    let call =
        |tool: &str| server.post(&modern(1, "tools/call", json!({"name": tool, "arguments": {}})), &[]);
    let in_flight = thread::scope(|scope| {
        let in_flight = scope.spawn(|| call("a_look"));
        until(|| json!(is_asked.swap(false, Ordering::SeqCst)), |is_asked| *is_asked == json!(true));
        let limits = "[limits]\nmax_concurrent_calls = 2\nmax_sessions = 7\nmax_cold_starts = 3\n";
        let said = change(&home, &mut gateway, &(upstream("a") + &upstream("b") + limits));
        assert!(said.contains("added b; replaced a; [limits] has changed: max_concurrent_calls"), "{said}");
        let line = gateway.error_line(|line| line.contains("takes a restart of the gateway"));
        assert!(line.contains("max_cold_starts, max_sessions") && !line.contains("max_concurrent"), "{line}");
        let described = status(&home);
        assert_eq!(described["needs_restart"], json!(["max_cold_starts", "max_sessions"]), "{described}");
        until(|| tools(&server), |tools| *tools == json!(["a_look", "b_look"]));
        // The call of before has its place among those of now.
        let first = scope.spawn(|| call("b_look"));
        until(|| json!(is_asked.load(Ordering::SeqCst)), |is_asked| *is_asked == json!(true));
        let refused = call("b_look");
        assert!(refused.status == 503 && refused.body.contains("max_concurrent_calls"), "{refused:?}");
        hangs.store(false, Ordering::SeqCst);
        assert_eq!(first.join().unwrap().json()["result"]["content"][0]["text"], "seen");
        in_flight.join().unwrap()
    });
    assert_eq!(in_flight.json()["result"]["content"][0]["text"], "seen", "it finishes");
    let said = change(&home, &mut gateway, &(upstream("a") + "[limits]\nbreaker_failures = 3\n"));
    assert!(
        said.contains("removed b; replaced a; [limits] has changed: breaker_failures, max_conc"),
        "{said}"
    );
    assert_eq!(status(&home)["needs_restart"], json!([]), "the file says what holds");
    assert_eq!(call("a_look").json()["result"]["content"][0]["text"], "seen");
}

/// Invariant: Calls at all endpoints of a gateway share the places of `max_concurrent_calls` and `max_calls_per_caller`.
#[test]
fn a_virtual_server_has_no_places_of_its_own() {
    let (remote, hangs, is_asked) = hanging();
    let file = format!(
        "[upstreams.a]\nurl = {:?}\n[servers.one]\n[servers.two]\n[limits]\nmax_concurrent_calls = 1\n",
        remote.url()
    );
    let (_home, _gateway, server) = serve_gateway(&file);
    assert_eq!(tools(&server), json!(["a_look"]));
    let at = |path: &str| Server { path: path.to_owned(), ..server.clone() };
    let call = |server: &Server| {
        server.post(&modern(1, "tools/call", json!({"name": "a_look", "arguments": {}})), &[])
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| call(&at("/s/one/mcp")));
        until(|| json!(is_asked.load(Ordering::SeqCst)), |is_asked| *is_asked == json!(true));
        for path in ["/s/two/mcp", "/s/one/mcp", "/mcp"] {
            let refused = call(&at(path));
            assert!(
                refused.status == 503 && refused.body.contains("max_concurrent_calls"),
                "{path}: {refused:?}"
            );
        }
        hangs.store(false, Ordering::SeqCst);
        assert_eq!(first.join().unwrap().json()["result"]["content"][0]["text"], "seen");
    });
    assert_eq!(call(&at("/s/two/mcp")).json()["result"]["content"][0]["text"], "seen");
}
