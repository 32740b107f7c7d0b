//! `anyport bridge` in front of programs that crash, hang, print garbage, flood or never end a line, and what is left of
//! them when it ends: real processes, which behave as servers do and as they should not.

#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "figures of a run are for whoever runs it")]

use std::{
    fs,
    process::Command,
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::support::{PATIENCE, Program, anyport, folder, modern};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server of 2025-11-25, whose tools do what their names say. It notes its process, and those that it starts.
const SERVER: &str = r#"
echo $$ >> pids
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
said() { answer "$1" '{"content":[{"type":"text","text":"here"}]}'; }
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"id":"question"'*) said "$asked" ;;
    *'"name":"echo"'*) said "$id" ;;
    *'"name":"crash"'*) echo 'out of memory' >&2; exit 7 ;;
    *'"name":"hang"'*) ;;
    *'"name":"stuck"'*) while :; do sleep 1; done ;;
    *'"name":"helper"'*) sleep 1000 & echo $! >> pids; said "$id" ;;
    *'"name":"garbage"'*) i=0; while [ $i -lt 2000 ]; do echo "debug: $i"; echo '{"a":'; echo "error $i" >&2; i=$((i+1)); done; said "$id" ;;
    *'"name":"flood"'*) (while :; do echo 'on and on and on'; echo 'and on' >&2; done) & echo $! >> pids; said "$id" ;;
    *'"name":"long"'*) head -c 100000000 /dev/zero | tr '\0' x; echo; said "$id" ;;
    *'"name":"ask"'*) asked=$id; printf '{"jsonrpc":"2.0","id":"question","method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}\n' ;;
  esac
done
"#;

/// The program in front of a server, with a client on standard input and output.
struct Bridged {
    program: Program,
    home: TempDir,
    last: u32,
}

impl Bridged {
    fn start(script: &str) -> Self {
        Self::start_in(folder(&[]), script)
    }

    fn start_in(home: TempDir, script: &str) -> Self {
        let mut command = anyport(home.path());
        command.args(["bridge", "--stdio", "--", "sh", "-c", script]);
        Self { program: Program::start(command), home, last: 0 }
    }

    /// Calls `tool` and does not wait for the answer; returns its id.
    fn send(&mut self, tool: &str, more: &Value) -> u32 {
        self.last += 1;
        let mut params = json!({"name": tool, "arguments": {}});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut request = modern(self.last, "tools/call", params);
        request["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {}});
        self.program.send(&request);
        self.last
    }

    /// Calls `tool` and returns the answer; those to other calls are none of its concern.
    fn call(&mut self, tool: &str) -> Value {
        let id = self.send(tool, &json!({}));
        loop {
            let answer = self.program.receive();
            if answer["id"] == id {
                return answer;
            }
        }
    }

    /// Calls `echo` until the server is there. A call that comes before it does so was never sent, and is told so.
    fn recovers(&mut self) {
        self.recovers_from(&["upstream_down"]);
    }

    /// The same where its end may be too recent to be known: then a call was sent, and nobody knows what became of it.
    fn recovers_from(&mut self, reasons: &[&str]) {
        let started = Instant::now();
        loop {
            let answer = self.call("echo");
            if is_here(&answer) {
                return;
            }
            let reason = answer["error"]["data"]["reason"].as_str().unwrap();
            assert!(reasons.contains(&reason), "{answer}");
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(reason != "upstream_down" || message.contains("the next attempt is in"), "{message}");
            assert!(started.elapsed() < PATIENCE, "it stays away: {answer}");
            wait(Duration::from_millis(20));
        }
    }

    /// The processes that the server has noted.
    fn noted(&self) -> Vec<String> {
        let noted = fs::read_to_string(self.home.path().join("pids")).unwrap_or_default();
        noted.lines().map(str::to_owned).collect()
    }

    /// Its children, those of them that have ended unseen included.
    fn children(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.program.id())).unwrap();
        let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let children: Vec<_> = tasks.map(|task| of(task.unwrap())).collect();
        children.iter().flat_map(|children| children.split_whitespace()).map(str::to_owned).collect()
    }

    /// What the program holds: its children, and its descriptors.
    fn holds(&self) -> (usize, usize) {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.program.id())).unwrap();
        (self.children().len(), descriptors.count())
    }

    /// The process that ends the server's, should the program be killed.
    fn guard(&self) -> String {
        let is_guard = |pid: &String| {
            fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().ends_with(b"\0__guard\0")
        };
        self.children().into_iter().find(is_guard).unwrap()
    }

    /// Its resident memory in KiB: now, and at its highest.
    fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

fn is_here(answer: &Value) -> bool {
    answer["result"]["content"][0]["text"] == "here"
}

fn wait(time: Duration) {
    let (_keep, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(time);
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "it does not come to pass: {what}");
        wait(Duration::from_millis(10));
    }
}

/// Whether a process runs; one that is dead and not waited for does not.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

fn signal(name: &str, pid: impl std::fmt::Display) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

/// In turn: crashes in the middle of a call, is killed while a call hangs, prints garbage, exits at once at a new start.
fn cycles(count: usize) {
    let mut bridged = Bridged::start(SERVER);
    bridged.recovers();
    let cycle = |bridged: &mut Bridged, round: usize| {
        match round % 3 {
            0 => {
                let answer = bridged.call("crash");
                // Whether a tool that is not known to be harmless did its work, nobody knows.
                assert_eq!(answer["error"]["data"]["reason"], "outcome_unknown", "{answer}");
            }
            1 => {
                bridged.send("hang", &json!({}));
                assert!(is_here(&bridged.call("echo")), "another caller's call hangs as well");
                signal("-KILL", bridged.noted().last().unwrap());
                let answer = bridged.program.receive();
                assert_eq!(answer["error"]["data"]["reason"], "outcome_unknown", "{answer}");
            }
            _ => assert!(is_here(&bridged.call("garbage"))),
        }
        bridged.recovers();
    };
    for round in 0..6 {
        cycle(&mut bridged, round);
    }
    let ((_, descriptors), (before, _)) = (bridged.holds(), bridged.memory());
    for round in 0..count {
        cycle(&mut bridged, round);
    }
    wait_until("the server and its guard are left, and no more descriptors", || {
        let (children, now) = bridged.holds();
        children == 2 && now <= descriptors
    });
    let (after, _) = bridged.memory();
    println!("{count} cycles: {before} KiB before, {after} KiB after");
    assert!(after < before + 16 * 1024, "{before} KiB before, {after} KiB after {count} cycles");
}

#[test]
fn a_server_that_fails_again_and_again_is_started_again_and_nothing_is_left_of_it() {
    cycles(24);
}

#[test]
#[ignore = "takes minutes: cargo test -p anyport-cli --test all bad_servers -- --ignored"]
fn a_thousand_failures_leave_nothing_behind() {
    cycles(1000);
}

#[test]
fn a_program_that_exits_at_once_is_not_started_without_end() {
    let mut bridged = Bridged::start("echo $$ >> pids; echo 'no licence' >&2; exit 3");
    let started = Instant::now();
    let mut messages = Vec::new();
    while started.elapsed() < Duration::from_secs(3) {
        let answer = bridged.call("echo");
        assert_eq!(answer["error"]["data"]["reason"], "upstream_down", "{answer}");
        messages.push(answer["error"]["message"].as_str().unwrap().to_owned());
        wait(Duration::from_millis(5));
    }
    let message = messages.last().unwrap();
    for part in ["no licence", "exit status: 3", "since", "the next attempt is in"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    // Twice at each attempt, once for each era; attempts after 0, 0.25, 0.75, 1.75 s at least half of that apart.
    let starts = bridged.noted().len();
    assert!((2..=16).contains(&starts), "{starts} starts for {} calls", messages.len());
}

#[test]
fn garbage_floods_and_endless_lines_cost_neither_memory_nor_other_calls() {
    let mut bridged = Bridged::start(SERVER);
    bridged.recovers();
    let (before, _) = bridged.memory();
    assert!(is_here(&bridged.call("flood")));
    for _ in 0..50 {
        assert!(is_here(&bridged.call("echo")));
    }
    let (flooded, _) = bridged.memory();
    println!("{before} KiB before, {flooded} KiB in the flood");
    assert!(flooded < before + 16 * 1024, "{before} KiB before, {flooded} KiB in the flood");
    signal("-KILL", bridged.noted().last().unwrap());

    // Longer than any message may be: the call that it answers, or that it keeps from being answered, is told.
    let mut long = || {
        let answer = bridged.call("long");
        assert_eq!(answer["error"]["data"]["reason"], "invalid_upstream", "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("limits.bytes"), "{answer}");
        assert!(is_here(&bridged.call("echo")));
        bridged.memory()
    };
    let (first, _) = long();
    long();
    let (last, most) = long();
    println!("{first} KiB after a line of 100 MB, {last} KiB after three, {most} KiB at most");
    assert!(most < before + 160 * 1024, "{before} KiB before, {most} KiB at most");
    // The allocator keeps some of it for the next.
    assert!(last < first + 16 * 1024, "{first} KiB after one, {last} KiB after three");
}

/// Invariant: However the program ends, no process of a server remains, not even after SIGKILL.
#[test]
fn however_the_program_is_ended_it_leaves_no_process() {
    // What ends with its input, and what has to be made to.
    let stubborn = format!("trap '' TERM HUP\n{SERVER}\nwhile :; do sleep 1; done");
    for script in [SERVER, &stubborn] {
        for way in ["end of input", "SIGTERM", "two SIGTERMs"] {
            let mut bridged = Bridged::start(script);
            bridged.recovers();
            assert!(is_here(&bridged.call("helper")));
            let hangs = bridged.send("stuck", &json!({}));
            // It has begun: the program reads what it is sent in order.
            bridged.program.send(&json!({"jsonrpc": "2.0", "id": "p", "method": "ping"}));
            assert_eq!(bridged.program.receive()["id"], "p", "{hangs}");
            let mut noted = bridged.noted();
            assert!(noted.len() >= 2 && noted.iter().any(|pid| runs(pid)), "{noted:?}");
            noted.push(bridged.guard());
            match way {
                "end of input" => bridged.program.close_input(),
                "SIGTERM" => signal("-TERM", bridged.program.id()),
                _ => {
                    signal("-TERM", bridged.program.id());
                    wait(Duration::from_millis(100));
                    signal("-TERM", bridged.program.id());
                }
            }
            bridged.program.wait();
            // Killed before its end; the kernel may take a moment.
            let started = Instant::now();
            while noted.iter().any(|pid| runs(pid)) {
                let left: Vec<_> = noted.iter().filter(|pid| runs(pid)).collect();
                assert!(started.elapsed() < PATIENCE, "{way} leaves {left:?}");
                wait(Duration::from_millis(5));
            }
        }
    }
}

/// Invariant: However the program ends, no process of a server remains, not even after SIGKILL.
#[test]
fn killed_without_asking_it_leaves_no_process() {
    let stubborn = format!("trap '' TERM HUP\n{SERVER}\nwhile :; do sleep 1; done");
    for script in [SERVER, &stubborn] {
        let mut bridged = Bridged::start(script);
        bridged.recovers();
        // What the server has started ends with it.
        assert!(is_here(&bridged.call("helper")));
        let mut noted = bridged.noted();
        noted.push(bridged.guard());
        bridged.program.kill();
        wait_until("the server has ended, and its guard", || noted.iter().all(|pid| !runs(pid)));
    }
}

#[test]
fn whoever_loses_the_guard_goes_on() {
    let mut bridged = Bridged::start(SERVER);
    bridged.recovers();
    signal("-KILL", bridged.guard());
    assert_eq!(bridged.call("crash")["error"]["data"]["reason"], "outcome_unknown");
    bridged.recovers();
    bridged.program.error_line(|line| line.contains("nothing ends the server any more"));
    wait_until("nothing is left of it", || bridged.children().len() == 1);
    assert!(is_here(&bridged.call("echo")));
}

#[test]
fn a_parked_call_tells_that_its_server_was_killed_and_that_the_program_was_started_anew() {
    let mut bridged = Bridged::start(SERVER);
    bridged.recovers();
    let ask = |bridged: &mut Bridged| {
        let question = bridged.call("ask");
        assert_eq!(question["result"]["resultType"], "input_required", "{question}");
        let keys = question["result"]["inputRequests"].as_object().unwrap();
        let answers: serde_json::Map<_, _> =
            keys.keys().map(|key| (key.clone(), json!({"action": "accept", "content": {}}))).collect();
        json!({"inputResponses": answers, "requestState": question["result"]["requestState"]})
    };
    let retry = |bridged: &mut Bridged, answers: &Value| {
        let id = bridged.send("ask", answers);
        let answer = bridged.program.receive();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    };
    let answers = ask(&mut bridged);
    assert!(is_here(&retry(&mut bridged, &answers)), "nothing happened in between");

    let answers = ask(&mut bridged);
    signal("-KILL", bridged.noted().last().unwrap());
    bridged.recovers_from(&["upstream_down", "outcome_unknown"]);
    let answer = retry(&mut bridged, &answers);
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    assert_eq!(answer["error"]["data"]["reason"], "upstream_lost", "{answer}");

    let answers = ask(&mut bridged);
    bridged.program.close_input();
    bridged.program.wait();
    let mut bridged = Bridged::start_in(bridged.home, SERVER);
    bridged.recovers();
    let answer = retry(&mut bridged, &answers);
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert_eq!(answer["error"]["data"]["reason"], "lost", "{answer}");
}
