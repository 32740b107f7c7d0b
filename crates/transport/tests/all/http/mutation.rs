//! Requests with bytes changed at random: whatever comes in, what goes out is HTTP and JSON-RPC, or nothing.

use std::{sync::Arc, time::Duration};

use anyport_protocol::Revision;
use anyport_transport::http::{Config, Limits};
use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::session::Session;
use crate::common::{
    Server,
    client::{Connection, Response, Verb, call, modern, post},
    schema,
};

const MUTATIONS: usize = 10_000;
const WORKERS: usize = 40;

/// Marsaglia's xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % limit.max(1)
    }
}

/// What stands where parsers look.
const TOKENS: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b"\0",
    b":",
    b"\"",
    b"{",
    b"}",
    b"[",
    b",",
    b"\\u0000",
    b"null",
    b"-1",
    b"1e999",
    b"\xff",
    b"\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n",
];

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(8)).min(bytes.len());
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next().to_le_bytes()[3],
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                let token = TOKENS[random.below(TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
            5 => {
                let token = TOKENS[random.below(TOKENS.len())];
                bytes.splice(at..end, token.iter().copied());
            }
            6 => {
                let other = random.below(bytes.len());
                bytes.swap(at, other);
            }
            _ if random.below(4) == 0 => bytes.truncate(at.max(1)),
            _ => bytes[at] = bytes[at].to_ascii_uppercase() ^ 0x20,
        }
        if bytes.is_empty() {
            bytes.push(b'x');
        }
    }
}

/// What answers must look like.
struct Expectation {
    own: Validator,
    newest: Validator,
    /// Whether a call without an id is answered, too.
    plain: bool,
}

impl Expectation {
    fn new(revision: Revision) -> Self {
        let of = |revision| schema::validator(revision, "JSONRPCMessage");
        Self { own: of(revision), newest: of(Revision::NEWEST), plain: false }
    }

    fn plain() -> Self {
        // Results are the tools' own, which no schema of MCP describes.
        let response = json!({"type": "object", "required": ["jsonrpc", "id", "result"]});
        let own = jsonschema::validator_for(&response).unwrap();
        Self { own, plain: true, ..Self::new(Revision::NEWEST) }
    }

    fn check(&self, request: &[u8], answer: &Response) {
        let shown = || format!("{:?}\n{answer:?}", String::from_utf8_lossy(request));
        assert!((200..600).contains(&answer.status), "{}", shown());
        assert!(answer.status != 500, "{}", shown());
        if answer.body.is_empty() {
            return;
        }
        assert_eq!(answer.header("content-type"), Some("application/json"), "{}", shown());
        match answer.json() {
            Value::Array(answers) => answers.iter().for_each(|answer| self.check_one(answer, &shown)),
            answer => self.check_one(&answer, &shown),
        }
    }

    fn check_one(&self, answer: &Value, shown: &dyn Fn() -> String) {
        let mut answer = answer.clone();
        // JSON-RPC 2.0 §5 has `null` where the id could not be read, the schemas before 2025-11-25 have no word for
        // it; and an HTTP error "MAY comprise a JSON-RPC error response that has no id".
        if self.plain && answer.get("result").is_some() {
            assert!(self.own.is_valid(&answer), "{}", shown());
            return;
        }
        if answer["id"].is_null() {
            assert!(answer.get("error").is_some(), "{}", shown());
            answer.as_object_mut().unwrap().remove("id");
        }
        let errors = answer.get("error").is_some() && self.newest.is_valid(&answer);
        assert!(errors || self.own.is_valid(&answer), "{}", shown());
    }
}

/// Sends mutations of `base` until `count` were sent.
async fn bombard(
    server: Arc<Server>,
    base: Vec<u8>,
    expected: Arc<Expectation>,
    seed: u64,
    count: usize,
) -> usize {
    let mut random = Random(seed);
    let mut connection: Option<Connection> = None;
    let mut answered = 0;
    for _ in 0..count {
        let mut bytes = base.clone();
        mutate(&mut random, &mut bytes);
        let mut open = match connection.take() {
            Some(open) => open,
            None => server.connect().await,
        };
        // A connection that was closed meanwhile is a closed connection.
        if open.try_send(&bytes).await.is_err() {
            continue;
        }
        match open.try_head().await {
            Ok(Some(head)) if head.is_stream() => {}
            Ok(Some(head)) => match open.body(head).await {
                Ok(answer) => {
                    expected.check(&bytes, &answer);
                    answered += 1;
                    if answer.header("connection") != Some("close") {
                        connection = Some(open);
                    }
                }
                Err(error) => assert!(is_reset(&error), "{error}: {:?}", String::from_utf8_lossy(&bytes)),
            },
            Ok(None) => {}
            Err(error) => assert!(is_reset(&error), "{error}: {:?}", String::from_utf8_lossy(&bytes)),
        }
    }
    answered
}

fn is_reset(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_mutations_are_answered_or_cut_off() {
    // Half a request is waited for only this long.
    let wait = Duration::from_millis(100);
    let limits = Limits::default().header_timeout(wait).body_timeout(wait);
    let server = Arc::new(Server::start(Config::default().limits(limits).rest(true)).await);
    let newest = Arc::new(Expectation::new(Revision::NEWEST));
    let mut bases = vec![
        (
            call(1, "echo", json!({"text": "mutate me", "list": [1, 2.5, null, {"a": "\u{e9}\n"}]})).bytes(),
            newest.clone(),
        ),
        (modern("a", "tools/list", "{}").bytes(), newest.clone()),
        (modern(2, "resources/read", r#"{"uri":"file:///a"}"#).bytes(), newest),
    ];
    let plain = Arc::new(Expectation::plain());
    let echo = json!({"method": "echo", "params": {"text": "mutate me"}, "id": 1});
    for body in [echo.clone(), json!([echo, {"method": "none"}, echo])] {
        let verb = Verb { target: "/mcp/call".into(), ..post(body.to_string()) };
        bases.push((verb.bytes(), plain.clone()));
    }
    for revision in [Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25] {
        let expected = Arc::new(Expectation::new(revision));
        let session = Session::new(&server, revision).await;
        let mut verbs = vec![
            session.call(1, "echo", json!({"text": "mutate me"})),
            session.request("s", "resources/subscribe", json!({"uri": "test://a"})),
            session.notification("notifications/cancelled", json!({"requestId": 1})),
            session.get(),
            Session::new(&server, revision).await.delete(),
            initialize(revision),
        ];
        if revision.has_batches() {
            let echo = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}});
            verbs.push(session.post(&json!([echo, {"jsonrpc": "2.0", "method": "notifications/x"}])));
        }
        bases.extend(verbs.iter().map(|verb| (verb.bytes(), expected.clone())));
    }
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (base, expected) = bases[worker % bases.len()].clone();
        let seed = 0x9e37_79b9_7f4a_7c15 ^ (worker as u64 + 1).wrapping_mul(0x1000_0000_01b3);
        workers.spawn(bombard(server.clone(), base, expected, seed, MUTATIONS / WORKERS));
    }
    let mut answered = 0;
    while let Some(done) = workers.join_next().await {
        answered += done.unwrap();
    }
    // Else the test would show nothing.
    assert!(answered > MUTATIONS / 4, "only {answered} were answered");
    server.canary().await;
    server.fake.until(|counts| counts.running == 0).await;
}

fn initialize(revision: Revision) -> Verb {
    let params = json!({"protocolVersion": revision.as_str(), "capabilities": {}, "clientInfo": {"name": "m", "version": "1"}});
    post(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string())
}
