//! `anyport serve --config` with servers that hang, die, flood, or are away: their calls end at their deadlines, the others do not
//! notice, and they are back with their first handshake.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{
    Program, anyport, folder,
    http::{Answer, Server},
    modern,
    scripted::{self, Scripted},
    to_the_end, until,
};

/// A server of 2025-11-25, whose tools do what their names say.
const SERVER: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
said() { answer "$1" '{"content":[{"type":"text","text":"here"}]}'; }
schema='"inputSchema":{"type":"object"}'
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *tools/list*) answer "$id" "{\"tools\":[{\"name\":\"echo\",$schema},{\"name\":\"hang\",$schema},{\"name\":\"crash\",$schema},{\"name\":\"flood\",$schema},{\"name\":\"ask\",$schema}]}" ;;
    *'"id":"question"'*) said "$asked" ;;
    *'"name":"echo"'*) said "$id" ;;
    *'"name":"hang"'*) ;;
    *'"name":"crash"'*) echo 'out of memory' >&2; exit 7 ;;
    *'"name":"flood"'*) i=0; while [ $i -lt 20000 ]; do printf '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"on and on"}}\n'; i=$((i+1)); done; said "$id" ;;
    *'"name":"ask"'*) asked=$id; printf '{"jsonrpc":"2.0","id":"question","method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}\n' ;;
  esac
done
"#;

/// The table of an upstream that runs the server, with further keys.
fn program(name: &str, keys: &str) -> String {
    format!("[upstreams.{name}]\ncommand = [\"sh\", \"server.sh\"]\n{keys}\n")
}

/// A gateway over `text`.
fn serve(text: &str) -> (tempfile::TempDir, Program, Server) {
    let home = folder(&[("anyport.toml", text), ("server.sh", SERVER)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut gateway = Program::start(command);
    let server = gateway.server();
    (home, gateway, server)
}

fn call(server: &Server, tool: &str) -> Answer {
    server.post(&modern(1, "tools/call", json!({"name": tool, "arguments": {}})), &[])
}

fn message(answer: &Answer) -> String {
    let answer = answer.json();
    answer["error"]["message"].as_str().unwrap_or_else(|| panic!("no error: {answer}")).to_owned()
}

fn pause(time: Duration) {
    let (_keep, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(time);
}

/// The server `name`, as `anyport status` shows it.
fn status(home: &tempfile::TempDir, name: &str) -> Value {
    let mut command = anyport(home.path());
    command.args(["status", "--json"]);
    let status: Value = serde_json::from_str(&to_the_end(command).stdout).unwrap();
    let servers = status["gateways"][0]["servers"].as_array().unwrap();
    servers.iter().find(|server| server["name"] == name).unwrap().clone()
}

/// Invariant: Each upstream has deadlines of its own, whose errors name it, the time and the key. The time in which a person answers
/// does not count.
#[test]
fn deadlines_of_an_upstream() {
    let text = [
        program("first", "first_byte_timeout = 1"),
        program("silent", "call_timeout = 1"),
        program("all", "call_timeout = 1\ncall_timeout_max = 1"),
        "[upstreams.late]\ncommand = [\"sh\", \"-c\", \"sleep 100\"]\nopen_timeout = 1\n".to_owned(),
        "[limits]\nfirst_list_wait = 1\n".to_owned(),
    ];
    let (home, mut gateway, server) = serve(&text.concat());
    for (tool, expected) in [
        ("first_hang", "the call to first has received nothing for 1000 ms (first_byte_timeout)"),
        ("silent_hang", "the call to silent has reported no progress for 1000 ms (call_timeout)"),
        ("all_hang", "the call to all took longer than 1000 ms (call_timeout_max)"),
    ] {
        let answer = call(&server, tool);
        assert_eq!(message(&answer), expected);
        assert_eq!(
            answer.json()["error"]["data"],
            json!({"upstream": &tool[..tool.len() - 5], "reason": "timeout"})
        );
    }
    let late = until(|| status(&home, "late"), |late| late["state"] == "down");
    assert!(late["last_error"].as_str().unwrap().contains("within 1s (open_timeout)"), "{late}");
    assert!(late["retry_at"].is_string(), "{late}");

    // A question that is open for longer than the deadlines.
    let mut asked = modern(2, "tools/call", json!({"name": "all_ask", "arguments": {}}));
    asked["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {}});
    let question = server.post(&asked, &[]).json();
    assert_eq!(question["result"]["resultType"], "input_required", "{question}");
    pause(Duration::from_millis(1_500));
    let questions = question["result"]["inputRequests"].as_object().unwrap().keys();
    asked["params"]["inputResponses"] =
        questions.map(|key| (key.clone(), json!({"action": "decline"}))).collect();
    asked["params"]["requestState"] = question["result"]["requestState"].clone();
    let answered = server.post(&asked, &[]).json();
    assert_eq!(answered["result"]["content"][0]["text"], "here", "{answered}");
    gateway.kill();
}

/// Invariant: A server that hangs takes no more places than its own, and calls beyond them and its queue are refused at once.
#[test]
fn places_and_the_queue_of_an_upstream() {
    let keys = "max_concurrent_calls = 1\nmax_queued_calls = 1\nqueue_timeout = 2\ncall_timeout = 10";
    let (_home, mut gateway, server) = serve(&(program("busy", keys) + &program("other", "")));
    assert_eq!(call(&server, "busy_echo").json()["result"]["content"][0]["text"], "here");
    let hanging = thread::spawn({
        let server = server.clone();
        move || call(&server, "busy_hang")
    });
    // Until it hangs, one call after the other is answered, or refused while it waits in the queue itself; then one waits in vain.
    while !call(&server, "busy_echo").body.contains("none ended in 2 s (queue_timeout)") {}
    let is_refused = |answer: &Answer| answer.body.contains("max_queued_calls");
    let refused = thread::scope(|scope| {
        // One of two at once finds the queue full.
        let calls = [(); 2].map(|()| scope.spawn(|| call(&server, "busy_echo")));
        calls.map(|call| call.join().unwrap()).into_iter().find(is_refused).unwrap()
    });
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    let expected =
        "busy is busy: 1 calls are running (max_concurrent_calls) and 1 are waiting (max_queued_calls)";
    assert!(message(&refused).starts_with(expected), "{refused:?}");
    let data = &refused.json()["error"]["data"];
    assert_eq!((&data["reason"], &data["upstream"]), (&json!("overloaded"), &json!("busy")));
    assert_eq!(call(&server, "other_echo").json()["result"]["content"][0]["text"], "here");
    assert!(message(&hanging.join().unwrap()).contains("call_timeout"));
    gateway.kill();
}

/// A gateway has one pool of calls for all its servers over HTTP.
#[test]
fn the_pool_of_calls_to_servers_over_http() {
    let (_far_home, mut far, far_server) = serve(&program("tools", ""));
    let upstream = |name| format!("[upstreams.{name}]\nurl = {:?}\ncall_timeout = 20\n", far_server.url());
    let limits = "[limits]\nhttp_pool = 7\nhttp_pool_per_host = 1\nhttp_pool_timeout = 1\n";
    let (home, mut gateway, server) = serve(&(upstream("one") + &upstream("two") + limits));
    let echoes = |tool| call(&server, tool).json()["result"]["content"][0]["text"] == "here";
    assert!(echoes("one_tools_echo"));
    let pool = || server.get("/health", &[]).json()["pools"]["upstream_http_calls"].clone();
    let hanging = server.open(&modern(7, "tools/call", json!({"name": "one_tools_hang", "arguments": {}})));
    until(pool, |pool| *pool == json!({"in_use": 1, "max": 7, "waiting": 0}));
    // Another server on the same host.
    let refused = call(&server, "two_tools_echo");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    let words = [
        "the call was not sent",
        "1 of 1 in use (http_pool_per_host), 1 waiting",
        "1 of 7 in use (http_pool)",
    ];
    assert!(words.iter().all(|words| message(&refused).contains(words)), "{refused:?}");
    assert_eq!(refused.json()["error"]["data"]["reason"], "overloaded", "{refused:?}");
    // That is no failure of the server.
    assert_ne!(status(&home, "two")["state"], "down");
    let numbers = server.get("/metrics", &[]).body;
    assert!(numbers.contains("anyport_limit_refusals_total{limit=\"http_pool_timeout\"} 1"), "{numbers}");
    drop(hanging);
    until(pool, |pool| pool["in_use"] == 0);
    assert!(echoes("two_tools_echo"));
    gateway.kill();
    far.kill();
}

/// Invariant: One of many upstreams that is dead, hangs, flaps or floods costs the others no call, and is back with its first good
/// handshake.
#[test]
fn bad_upstreams_do_not_harm_the_others() {
    const GOOD: usize = 16;
    let remote = Scripted::start(scripted::modern);
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let good = (0..GOOD).map(|number| {
        let (name, url) = (format!("good{number}"), remote.url());
        match number % 4 {
            0 => {
                program(&name, &format!("prefix = \"\"\ninclude = [\"echo\"]\ntools.echo.name = \"{name}\""))
            }
            _ => {
                format!("[upstreams.{name}]\nurl = \"{url}\"\nprefix = \"\"\ntools.look.name = \"{name}\"\n")
            }
        }
    });
    let text = good.collect::<String>()
        + &format!("[upstreams.dead]\nurl = \"http://{dead}/mcp\"\n")
        + &program("hanging", "first_byte_timeout = 1")
        + &program("flapping", "")
        + &program("flooding", "")
        + "[limits]\nbreaker_failures = 2\nfirst_list_wait = 2\n";
    let (home, mut gateway, server) = serve(&text);
    let names = || -> Value {
        let listed = server.post(&modern(1, "tools/list", json!({})), &[]).json();
        listed["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect()
    };
    until(names, |names| names.as_array().unwrap().len() == GOOD + 3 * 5);

    let (over, opened) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for bad in ["hanging_hang", "flapping_crash", "flooding_flood", "dead_look"] {
            let (server, over, opened) = (&server, &over, &opened);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let answer = call(server, bad).json();
                    if answer["error"]["data"]["reason"] == "upstream_down" {
                        opened.fetch_add(1, Ordering::Relaxed);
                        pause(Duration::from_millis(20));
                    }
                }
            });
        }
        for round in 0..12 {
            for number in 0..GOOD {
                let answer = call(&server, &format!("good{number}")).json();
                assert!(answer["result"]["content"].is_array(), "good{number} in round {round}: {answer}");
            }
            let listed = names();
            let has = |number: usize| listed.as_array().unwrap().contains(&json!(format!("good{number}")));
            assert!((0..GOOD).all(has), "{listed}");
            pause(Duration::from_millis(100));
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(opened.load(Ordering::Relaxed) > 0, "no circuit was open");

    let down = status(&home, "dead");
    assert!(down["state"] == "down" && down["retry_at"].is_string(), "{down}");
    // It comes back, and nobody calls it: its tools are listed by themselves.
    let revived = Scripted::at(dead, scripted::modern);
    until(|| json!(revived.asked().len()), |asked| *asked != json!(0));
    until(names, |names| names.as_array().unwrap().contains(&json!("dead_look")));
    assert_eq!(call(&server, "dead_look").json()["result"]["content"][0]["text"], "seen");
    assert_eq!(status(&home, "dead")["state"], "up");
    gateway.kill();
}
