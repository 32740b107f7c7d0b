//! What `anyport bridge` asks of a server over HTTP, and how it treats one that says more than a client reads.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::support::{PATIENCE, Program, anyport, folder, initialize, legacy, modern};
use serde_json::{Value, json};

/// A server that counts what reaches it. Of its tools, `echo` answers, and `tell` tells of its progress in large events.
#[derive(Clone, Default)]
struct Upstream {
    /// Messages by method, and requests of HTTP by verb.
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Events that have left.
    told: Arc<AtomicUsize>,
    modern: bool,
}

const EVENTS: usize = 300;
/// Events of a short stream.
#[cfg(target_os = "linux")]
const FIRST: usize = 3;
/// Bytes of an event.
const LARGE: usize = 100_000;

impl Upstream {
    fn start(modern: bool) -> (Self, SocketAddr) {
        let upstream = Self { modern, ..Self::default() };
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, server) = (listener.local_addr().unwrap(), upstream.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (server, stream) = (server.clone(), stream.unwrap());
                thread::spawn(move || server.serve(stream));
            }
        });
        (upstream, address)
    }

    fn asked(&self, what: &str) -> usize {
        self.asked.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    fn serve(&self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(stream);
        while let Some((verb, body)) = request(&mut reader) {
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            let method = message["method"].as_str().unwrap_or_default().to_owned();
            for name in [verb.clone(), method.clone()] {
                *self.asked.lock().unwrap().entry(name).or_default() += 1;
            }
            let tool = message["params"]["name"].as_str().unwrap_or_default();
            let mut out = reader.get_ref();
            if tool == "tell" {
                if self.tell(out, &message).is_err() {
                    return;
                }
                continue;
            }
            let answer =
                |part: &str, value: Value| json!({"jsonrpc": "2.0", "id": message["id"], part: value});
            let (status, body) = match (verb.as_str(), method.as_str()) {
                ("GET", _) => ("405 Method Not Allowed", None),
                (_, "server/discover") if self.modern => {
                    let capabilities = json!({"tools": {}});
                    let versions = json!(["2026-07-28"]);
                    (
                        "200 OK",
                        Some(answer(
                            "result",
                            json!({"resultType": "complete", "supportedVersions": versions, "capabilities": capabilities, "ttlMs": 0, "cacheScope": "private"}),
                        )),
                    )
                }
                (_, "initialize") => {
                    let info = json!({"name": "u", "version": "1"});
                    (
                        "200 OK",
                        Some(answer(
                            "result",
                            json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}),
                        )),
                    )
                }
                (_, "tools/list") => {
                    let echo = json!({"name": "echo", "inputSchema": {"type": "object"}});
                    let list = json!({"resultType": "complete", "tools": [echo], "ttlMs": 60_000, "cacheScope": "private"});
                    ("200 OK", Some(answer("result", list)))
                }
                (_, "tools/call") => {
                    let content = json!([{"type": "text", "text": "here"}]);
                    ("200 OK", Some(answer("result", json!({"resultType": "complete", "content": content}))))
                }
                (_, name) if name.starts_with("notifications/") => ("202 Accepted", None),
                _ => ("200 OK", Some(answer("error", json!({"code": -32601, "message": "no"})))),
            };
            let body = body.map_or(String::new(), |body| body.to_string());
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            out.write_all((head + &body).as_bytes()).unwrap();
        }
    }

    /// Tells of progress as fast as anybody takes it.
    fn tell(&self, mut out: &TcpStream, message: &Value) -> std::io::Result<()> {
        out.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        let mut chunk = |text: String| out.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
        let token = &message["params"]["_meta"]["progressToken"];
        let events = message["params"]["arguments"]["events"].as_u64().unwrap();
        for step in 1..=usize::try_from(events).unwrap() {
            let text = "x".repeat(LARGE);
            let params = json!({"progressToken": token, "progress": step, "message": text});
            let event = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
            chunk(format!("data: {event}\n\n"))?;
            self.told.store(step, Ordering::Relaxed);
        }
        let result = json!({"resultType": "complete", "content": []});
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        chunk(format!("data: {answer}\n\n"))?;
        chunk(String::new())
    }
}

/// A request: its verb and its body.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let verb = line.split(' ').next()?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((verb, body))
}

fn bridge(address: SocketAddr, more: &[&str]) -> (Program, tempfile::TempDir) {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["bridge", &format!("http://{address}/mcp")]).args(more);
    (Program::start(command), home)
}

/// Invariant: A plain call through the bridge is one request to the server.
#[test]
fn a_plain_call_is_one_request_to_the_server() {
    const CALLS: usize = 20;
    for server_is_modern in [true, false] {
        for client_is_modern in [true, false] {
            let (upstream, address) = Upstream::start(server_is_modern);
            let (mut program, _home) = bridge(address, &["--stdio"]);
            if !client_is_modern {
                program.call(&initialize(0, "2025-11-25"));
                program.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
            }
            let params = json!({"name": "echo", "arguments": {}});
            let call = |program: &mut Program, id: usize| {
                let request = match client_is_modern {
                    true => modern(id, "tools/call", params.clone()),
                    false => legacy(id, "tools/call", params.clone()),
                };
                let answer = program.call(&request);
                assert_eq!(answer["result"]["content"][0]["text"], "here", "{answer}");
            };
            call(&mut program, 1);
            // What connecting took; after that, nothing is sent but calls.
            let connected = upstream.asked("POST") + upstream.asked("GET");
            for id in 2..2 + CALLS {
                call(&mut program, id);
            }
            let pair = format!("client {client_is_modern}, server {server_is_modern}");
            assert_eq!(upstream.asked("tools/call"), CALLS + 1, "{pair}");
            let sent = upstream.asked("POST") + upstream.asked("GET") - connected;
            assert_eq!(sent, CALLS, "{pair}: {:?}", upstream.asked.lock().unwrap());
        }
    }
}

/// Invariant: A plain call through a gateway is one request to its server.
#[test]
fn a_federated_call_is_one_request_to_its_server() {
    const CALLS: usize = 20;
    for server_is_modern in [true, false] {
        let (upstream, address) = Upstream::start(server_is_modern);
        let (other, others_address) = Upstream::start(true);
        let urls = [("up", address), ("other", others_address)];
        let text =
            urls.map(|(name, address)| format!("[upstreams.{name}]\nurl = \"http://{address}/mcp\"\n"));
        let home = folder(&[("anyport.toml", &text.concat())]);
        let mut command = anyport(home.path());
        command.args(["serve", "--stdio"]);
        let mut gateway = Program::start(command);
        let listed = gateway.call(&modern(1, "tools/list", json!({})));
        assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 2, "{listed}");
        for id in 2..2 + CALLS {
            let answer = gateway.call(&modern(id, "tools/call", json!({"name": "up_echo", "arguments": {}})));
            assert_eq!(answer["result"]["content"][0]["text"], "here", "{answer}");
        }
        assert_eq!(upstream.asked("tools/call"), CALLS);
        for once in ["tools/list", if server_is_modern { "server/discover" } else { "initialize" }] {
            assert_eq!(upstream.asked(once), 1, "{once}: {:?}", upstream.asked.lock().unwrap());
        }
        assert_eq!(other.asked("tools/call"), 0);
    }
}

/// Invariant: A client that does not read slows its server down, and costs no memory.
#[cfg(target_os = "linux")]
#[test]
fn a_client_that_does_not_read_holds_the_server_up_and_costs_no_memory() {
    let (upstream, address) = Upstream::start(true);
    let (mut program, _home) = bridge(address, &["--port", "0"]);
    let authority = program.server().authority;
    let ask = |events: usize| {
        let arguments = json!({"events": events});
        let mut request = modern(1, "tools/call", json!({"name": "tell", "arguments": arguments}));
        request["params"]["_meta"]["progressToken"] = "t".into();
        let body = request.to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
             Mcp-Method: tools/call\r\nMcp-Name: tell\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut client = TcpStream::connect(&authority).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all((head + &body).as_bytes()).unwrap();
        client
    };
    // The first stream allocates what stays, such as threads and tables. It is a short one: what it leaves hides nothing.
    read_events(ask(FIRST), FIRST);
    upstream.told.store(0, Ordering::Relaxed);
    let before = own_memory(program.id());
    let stream = ask(EVENTS);
    // It is told until every buffer on the way is full, and then no more.
    let (mut last, mut quiet) = (0, 0);
    while quiet < 20 {
        let (_keep, nothing) = std::sync::mpsc::channel::<()>();
        let _ = nothing.recv_timeout(std::time::Duration::from_millis(50));
        let now = upstream.told.load(Ordering::Relaxed);
        quiet = if now == last && now > 0 { quiet + 1 } else { 0 };
        last = now;
    }
    assert!(last < EVENTS, "all of it left though nobody read");
    let after = own_memory(program.id());
    println!("{last} events of {LARGE} bytes left; {before} KiB before, {after} KiB after");
    assert!(after < before + 2048, "{before} KiB before, {after} KiB while {last} events had left");

    // A late reader gets everything, in order.
    read_events(stream, EVENTS);
}

/// Memory of a process in KiB. Pages of its files do not count: the kernel loads and drops them as it likes.
#[cfg(target_os = "linux")]
fn own_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Reads the answer of `tell` to its end: so many events, in order.
#[cfg(target_os = "linux")]
fn read_events(stream: TcpStream, events: usize) {
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let (mut next, mut line) = (1, Vec::new());
    loop {
        line.clear();
        assert_ne!(reader.read_until(b'\n', &mut line).unwrap(), 0, "cut after {next}");
        let text = String::from_utf8_lossy(&line);
        if let Some(place) = text.find(r#""progress":"#) {
            let digits: String = text[place + 11..].chars().take_while(char::is_ascii_digit).collect();
            assert_eq!(digits.parse::<usize>().unwrap(), next);
            next += 1;
        }
        if text.contains(r#""resultType""#) {
            break;
        }
    }
    assert_eq!(next, events + 1);
}
