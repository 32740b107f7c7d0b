//! A gateway whose file changes, and that is told to stop, while clients of both eras call it.

#![cfg(unix)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Program,
    http::Server,
    initialize, legacy, modern,
    scripted::{self, Asked, Scripted},
    serve_gateway, until,
};

/// How many clients of each era call at once.
const CLIENTS: usize = 3;

/// How often the file is changed.
const CHANGES: usize = 100;

/// Invariant: While the file of a gateway is changed a hundred times, with faults or without, each call is carried out once and
/// answered rightly.
#[test]
fn a_hundred_changes_of_the_file_lose_no_call() {
    let upstream = Scripted::start(echo);
    let base = format!("[upstreams.a]\nurl = {:?}\n", upstream.url());
    let (home, mut gateway, server) = serve_gateway(&base);
    let is_over = AtomicBool::new(false);
    let answered = thread::scope(|scope| {
        let _over = Over(&is_over);
        let clients: Vec<_> = Client::all(&server).collect();
        let calls = clients.into_iter().map(|mut client| {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    let outcome = client.call();
                    assert!(matches!(outcome, Outcome::Answered), "{outcome:?}");
                }
                client.answered
            })
        });
        let calls: Vec<_> = calls.collect();
        for number in 0..CHANGES {
            let (more, says) = match number % 5 {
                0 => (format!("[upstreams.b]\nurl = {:?}\n", upstream.url()), READ),
                1 => ("[servers.some]\ninclude = [\"a_*\"]\n".to_owned(), READ),
                // Every server is connected anew.
                2 => (format!("[limits]\nbreaker_failures = {}\n", number + 10), READ),
                3 => ("[gateway]\ntool_serch = true\n".to_owned(), FAULT),
                _ => (String::new(), READ),
            };
            fs::write(home.path().join("anyport.toml"), base.clone() + &more).unwrap();
            signal(&gateway, "-HUP");
            gateway.error_line(|line| line.contains(says));
        }
        is_over.store(true, Ordering::SeqCst);
        calls.into_iter().flat_map(|calls| calls.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(answered.len() > CHANGES, "{} calls", answered.len());
    let carried_out = words(&upstream);
    assert!(carried_out.values().all(|times| *times == 1), "some calls were carried out twice");
    assert_eq!(carried_out.into_keys().collect::<BTreeSet<_>>(), answered.into_iter().collect());
}

/// Invariant: A gateway that is told to stop answers every call that has reached a server, cuts no answer, and refuses what comes
/// later.
#[test]
fn the_end_under_load_loses_no_call() {
    let (is_held, held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let upstream = {
        let (is_held, held) = (is_held.clone(), held.clone());
        Scripted::start(move |asked| {
            if asked.body["method"] == "tools/call" && is_held.load(Ordering::SeqCst) {
                held.fetch_add(1, Ordering::SeqCst);
                until(|| json!(is_held.load(Ordering::SeqCst)), |held| *held == false);
            }
            echo(asked)
        })
    };
    let (_home, mut gateway, server) = serve_gateway(&format!("[upstreams.a]\nurl = {:?}\n", upstream.url()));
    let calls = AtomicUsize::new(0);
    let (answered, unanswered) = thread::scope(|scope| {
        let clients: Vec<_> = Client::all(&server).collect();
        let spawned = clients.into_iter().map(|mut client| {
            let calls = &calls;
            scope.spawn(move || {
                loop {
                    match client.call() {
                        Outcome::Answered => _ = calls.fetch_add(1, Ordering::SeqCst),
                        Outcome::Refused => {
                            let last = client.last_word();
                            return (client.answered, last);
                        }
                        Outcome::Wrong(what) => panic!("{}: {what}", client.last_word()),
                    }
                }
            })
        });
        let spawned: Vec<_> = spawned.collect();
        // Lists are called for all the time, also when the signal comes.
        let lists = scope.spawn(|| {
            loop {
                let message = modern(1, "tools/list", json!({}));
                match attempt(&server, &message, &[]) {
                    Attempt::Answer(200, _, body) if body.contains("a_say") => {}
                    Attempt::Answer(status, _, body) => panic!("a list was answered with {status}: {body}"),
                    Attempt::Cut(what) => panic!("the answer of a list was cut: {what}"),
                    Attempt::Refused => return,
                }
            }
        });
        let count = |count: &AtomicUsize| json!(count.load(Ordering::SeqCst));
        until(|| count(&calls), |calls| calls.as_u64().unwrap() > 50);
        is_held.store(true, Ordering::SeqCst);
        until(|| count(&held), |held| *held == 2 * CLIENTS);
        signal(&gateway, "-TERM");
        gateway.error_line(|line| line.starts_with("stopping"));
        is_held.store(false, Ordering::SeqCst);
        lists.join().unwrap();
        let ended = spawned.into_iter().map(|client| client.join().unwrap());
        ended.unzip::<_, _, Vec<_>, BTreeSet<_>>()
    });
    assert_eq!(gateway.wait().code(), Some(0));
    let carried_out = words(&upstream);
    assert!(carried_out.values().all(|times| *times == 1), "some calls were carried out twice");
    // What was refused was not carried out.
    assert!(unanswered.iter().all(|word| !carried_out.contains_key(word)), "{unanswered:?}");
    assert_eq!(carried_out.into_keys().collect::<BTreeSet<_>>(), answered.into_iter().flatten().collect());
}

const READ: &str = "the file was read again";
const FAULT: &str = "the file has a fault, and nothing was changed";

/// Lets the clients end if the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A client that calls a tool with words that nobody else uses.
struct Client {
    server: Server,
    number: usize,
    calls: u64,
    /// The session, of a client of the older era.
    session: Option<String>,
    /// The words that came back.
    answered: Vec<String>,
}

/// What came of a call.
#[derive(Debug)]
enum Outcome {
    Answered,
    /// Nothing was accepted: there was no connection, or nothing came back on it, or 503 with the time to come again.
    Refused,
    Wrong(String),
}

impl Client {
    /// Those of both eras.
    fn all(server: &Server) -> impl Iterator<Item = Self> {
        (0..2 * CLIENTS).map(|number| {
            let session = (number % 2 == 1).then(|| {
                let opened = server.post(&initialize(1, "2025-11-25"), &[]);
                let session = opened.header("mcp-session-id").unwrap().to_owned();
                let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
                assert_eq!(server.post(&ready, &[("Mcp-Session-Id", &session)]).status, 202);
                session
            });
            Self { server: server.clone(), number, calls: 0, session, answered: Vec::new() }
        })
    }

    fn last_word(&self) -> String {
        format!("word-{}-{}", self.number, self.calls)
    }

    fn call(&mut self) -> Outcome {
        self.calls += 1;
        let word = self.last_word();
        let params = json!({"name": "a_say", "arguments": {"word": word}});
        let answer = match &self.session {
            None => attempt(&self.server, &modern(self.calls, "tools/call", params), &[]),
            Some(session) => {
                let headers = [("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", "2025-11-25")];
                attempt(&self.server, &legacy(self.calls, "tools/call", params), &headers)
            }
        };
        match answer {
            Attempt::Refused => Outcome::Refused,
            Attempt::Answer(503, head, _) if head.contains("\r\nretry-after: ") => Outcome::Refused,
            Attempt::Answer(200, _, body) => {
                // One message and no other.
                let message: Value = serde_json::from_str(&body).unwrap_or_default();
                if message["id"] != self.calls || message["result"]["content"][0]["text"] != word.as_str() {
                    return Outcome::Wrong(body);
                }
                self.answered.push(word);
                Outcome::Answered
            }
            other => Outcome::Wrong(format!("{other:?}")),
        }
    }
}

/// What came back for a request.
#[derive(Debug)]
enum Attempt {
    /// The status, the head and the whole body.
    Answer(u16, String, String),
    /// There was no connection, or nothing came back on it.
    Refused,
    /// A part of an answer.
    Cut(String),
}

fn attempt(server: &Server, message: &Value, headers: &[(&str, &str)]) -> Attempt {
    let body = message.to_string();
    let mut head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n",
        server.path,
        server.authority,
        body.len()
    );
    if message["params"]["_meta"].is_object() {
        let method = message["method"].as_str().unwrap();
        head += &format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
        head += &message["params"]["name"]
            .as_str()
            .map_or_else(String::new, |name| format!("Mcp-Name: {name}\r\n"));
    }
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    let Ok(mut stream) = TcpStream::connect(&server.authority) else { return Attempt::Refused };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let sent = stream.write_all(format!("{head}\r\n{body}").as_bytes());
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    if answer.is_empty() {
        return Attempt::Refused;
    }
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Attempt::Cut(answer) };
    let head = format!("{head}\r\n").to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    if length != Some(body.len()) {
        return Attempt::Cut(format!("{answer} ({sent:?}, {read:?})"));
    }
    Attempt::Answer(head[9..12].parse().unwrap(), head, body.to_owned())
}

/// What the server behind the gateway answers: each call with its word. Its tool does something, so that no call may be repeated.
fn echo(asked: &Asked) -> Option<String> {
    let result = |mut result: Value| {
        result["resultType"] = json!("complete");
        scripted::result(asked, &result)
    };
    match asked.body["method"].as_str() {
        Some("tools/list") => {
            let tool = json!({"name": "say", "inputSchema": {"type": "object"}});
            result(json!({"ttlMs": 0, "cacheScope": "private", "tools": [tool]}))
        }
        Some("tools/call") => {
            let word = &asked.body["params"]["arguments"]["word"];
            result(json!({"content": [{"type": "text", "text": word}]}))
        }
        _ => scripted::modern(asked),
    }
}

/// How often the server behind the gateway was called with each word.
fn words(upstream: &Scripted) -> BTreeMap<String, usize> {
    let mut words = BTreeMap::new();
    for asked in upstream.asked() {
        if let Some(word) = asked.body["params"]["arguments"]["word"].as_str() {
            *words.entry(word.to_owned()).or_default() += 1;
        }
    }
    words
}

fn signal(program: &Program, name: &str) {
    assert!(Command::new("kill").args([name, &program.id().to_string()]).status().unwrap().success());
}
