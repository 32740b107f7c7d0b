//! Fleets of programs behind a gateway: slow to start, many, unused, or ending in their handshake.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Program, anyport, folder, http::Server, initialize, legacy, modern, to_the_end, until};

/// A server of 2025-11-25 with one tool, `name`, as a script. Each start is a line in `starts`, and each end one in `ends`; a start takes the seconds that the file
/// `delay` has, and as many starts as the file `failing` has letters end in the handshake.
const SERVER: &str = r#"
echo "$1" >> starts
if [ -s failing ]; then f=$(cat failing); printf '%s' "${f%?}" > failing; exit 1; fi
sleep "$(cat delay)"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *tools/list*) answer "$id" '{"tools":[{"name":"name","inputSchema":{"type":"object"}}]}' ;;
    *tools/call*) answer "$id" "{\"content\":[{\"type\":\"text\",\"text\":\"$1\"}]}" ;;
  esac
done
echo "$1" >> ends
"#;

/// A folder with the file of a gateway before `count` of these programs, each with `options`.
fn fleet(count: usize, options: &str) -> tempfile::TempDir {
    let upstreams = (0..count)
        .map(|at| format!("[upstreams.u{at}]\ncommand = [\"sh\", \"server.sh\", \"u{at}\"]\n{options}\n"));
    let text: String = upstreams.collect();
    folder(&[("anyport.toml", &text), ("server.sh", SERVER), ("delay", "0"), ("starts", ""), ("ends", "")])
}

fn serve(home: &Path) -> (Program, Server) {
    let mut command = anyport(home);
    command.args(["serve", "--port", "0"]);
    let mut program = Program::start(command);
    let server = program.server();
    (program, server)
}

fn tools(server: &Server) -> Vec<String> {
    let answer = server.post(&modern(1, "tools/list", json!({})), &[]).json();
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// The programs that were started so far, by their names.
fn starts(home: &Path) -> Vec<String> {
    let text = fs::read_to_string(home.join("starts")).unwrap();
    let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
    names.sort();
    names
}

/// Lets a second pass.
fn pass_second() {
    let begun = Instant::now();
    until(|| json!(begun.elapsed() >= Duration::from_secs(1)), |is_over| *is_over == json!(true));
}

/// The number of programs that run.
fn running(home: &Path) -> usize {
    let lines = |name| fs::read_to_string(home.join(name)).unwrap().lines().count();
    lines("starts") - lines("ends")
}

/// The servers of the gateway, as `anyport status` has them.
fn status(home: &Path) -> Vec<Value> {
    let mut command = anyport(home);
    command.args(["status", "--json"]);
    let ended = to_the_end(command);
    let status: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    status["gateways"][0]["servers"].as_array().unwrap().clone()
}

/// Waits until the lists of `count` servers are stored: they outlive the gateway.
fn until_all_are_known(home: &Path, server: &Server, count: usize) -> Vec<String> {
    until(|| json!(tools(server).len()), |found| *found == json!(count));
    let known = tools(server);
    // The store is written behind the answer.
    pass_second();
    assert_eq!(starts(home).len(), count);
    known
}

/// Invariant: While programs start, their tools are listed as they were last known, and clients that come meanwhile share them.
#[test]
fn a_cold_fleet_lists_its_tools_at_once_and_ten_clients_share_its_programs() {
    const COUNT: usize = 20;
    let home = fleet(COUNT, "");
    let home = home.path();
    let (mut gateway, server) = serve(home);
    let known = until_all_are_known(home, &server, COUNT);
    gateway.kill();
    until(|| json!(running(home)), |found| *found == json!(0));

    // Longer than any list may take, even on a machine that is busy.
    fs::write(home.join("delay"), "5").unwrap();
    fs::write(home.join("starts"), "").unwrap();
    fs::write(home.join("ends"), "").unwrap();
    let (mut gateway, server) = serve(home);
    let begun = Instant::now();
    assert_eq!(tools(&server), known);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    fs::write(home.join("delay"), "0").unwrap();
    let clients = (0..10).map(|client| {
        let (server, known) = (server.clone(), known.clone());
        thread::spawn(move || {
            // Every other one is a legacy client with a session.
            let session = (client % 2 == 0).then(|| {
                let opened = server.post(&initialize(1, "2025-11-25"), &[]);
                opened.header("mcp-session-id").unwrap().to_owned()
            });
            for tool in &known {
                let params = json!({"name": tool, "arguments": {}});
                let answer = match &session {
                    Some(id) => server.post(&legacy(2, "tools/call", params), &[("Mcp-Session-Id", id)]),
                    None => server.post(&modern(2, "tools/call", params), &[]),
                };
                let text = answer.json()["result"]["content"][0]["text"].clone();
                assert_eq!(text, tool.strip_suffix("_name").unwrap(), "{answer:?}");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.join().unwrap();
    }
    let servers = status(home);
    assert!(servers.len() == COUNT && servers.iter().all(|server| server["state"] == "up"), "{servers:?}");
    // Where clients of both eras come first at once, a second program is started to find out its eras, and ended.
    until(|| json!(running(home)), |found| *found == json!(COUNT));
    gateway.close_input();
}

/// Invariant: A restart of a gateway loses no tool, however slowly its servers start.
#[test]
fn a_restart_with_a_hundred_servers_loses_no_tool() {
    const COUNT: usize = 100;
    let home = fleet(COUNT, "");
    let home = home.path();
    let (mut gateway, server) = serve(home);
    let known = until_all_are_known(home, &server, COUNT);
    gateway.kill();
    fs::write(home.join("delay"), "600").unwrap();
    let (mut gateway, server) = serve(home);
    assert_eq!(tools(&server), known, "none of them has answered yet");
    gateway.kill();
}

#[test]
fn so_many_programs_start_at_once_as_max_cold_starts_says() {
    let home = fleet(3, "");
    let home = home.path();
    // Longer than it takes to look, even on a machine that is busy.
    fs::write(home.join("delay"), "3").unwrap();
    let mut command = anyport(home);
    command.args(["serve", "--port", "0", "--limit", "max_cold_starts=1", "--limit", "first_list_wait=1"]);
    let mut gateway = Program::start(command);
    let server = gateway.server();
    tools(&server);
    assert_eq!(starts(home).len(), 1);
    until(|| json!(tools(&server).len()), |found| *found == json!(3));
    gateway.close_input();
}

#[test]
fn a_program_that_is_not_used_is_ended_and_the_next_call_starts_it() {
    let home = fleet(1, "idle_stop = 2");
    let home = home.path();
    let (mut gateway, server) = serve(home);
    assert_eq!(tools(&server), ["u0_name"]);
    let idle = until(|| status(home)[0].clone(), |server| server["state"] == "idle");
    assert_eq!(idle["tools"], 1);
    assert!((5..500).contains(&idle["tool_tokens"].as_u64().unwrap()), "{idle}");
    assert_eq!(tools(&server), ["u0_name"], "from memory");
    pass_second();
    assert_eq!(starts(home), ["u0"]);
    let call = modern(2, "tools/call", json!({"name": "u0_name", "arguments": {}}));
    assert_eq!(server.post(&call, &[]).json()["result"]["content"][0]["text"], "u0");
    assert_eq!((starts(home).len(), &status(home)[0]["state"]), (2, &json!("up")));
    gateway.close_input();
}

#[test]
fn a_program_that_ends_in_its_handshake_is_started_again_within_the_call() {
    let home = fleet(1, "");
    let home = home.path();
    fs::write(home.join("failing"), "xx").unwrap();
    let (mut gateway, server) = serve(home);
    assert_eq!(tools(&server), ["u0_name"]);
    assert_eq!(starts(home), ["u0"; 3]);
    gateway.close_input();
}
