//! Servers that send what is no message, in every way in which HTTP carries messages. Their responses stay open, so
//! what ends a call is what was said in them and not their end.
//!
//! Invariant: A malformed message costs its own call alone; a broken response ends its call at once, a broken
//! request is refused.

use std::net::SocketAddr;

use anyport_protocol::{Error, Revision};
use anyport_service::{Outcome, Reply};
use anyport_transport::client::{Connection, http::Endpoint};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

use super::{
    ours::{call, open, opening, text},
    script::{Asked, answer, events, json as body, legacy, modern, read, response},
};
use crate::common::{refused, within};

/// A server that answers what `era` knows, and hands everything else to the test.
struct Server {
    address: SocketAddr,
    held: mpsc::UnboundedReceiver<Held>,
    asked: mpsc::UnboundedReceiver<Asked>,
    serving: JoinHandle<()>,
}

/// A request that the test answers.
struct Held {
    asked: Asked,
    stream: TcpStream,
}

impl Server {
    async fn start(era: fn(&Asked) -> Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ((hold, held), (tell, asked)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (hold, tell) = (hold.clone(), tell.clone());
                tokio::spawn(async move {
                    let Some(asked) = read(&mut stream).await else { return };
                    // The test may be over.
                    _ = tell.send(asked.clone());
                    match era(&asked) {
                        Some(answer) => {
                            _ = stream.write_all(answer.as_bytes()).await;
                            _ = stream.shutdown().await;
                        }
                        None => _ = hold.send(Held { asked, stream }),
                    }
                });
            }
        });
        Self { address, held, asked, serving }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::new(&format!("http://{}/mcp", self.address)).unwrap().without_proxy()
    }

    async fn connect(&self) -> Connection {
        within(open(&self.endpoint(), &opening(None))).await.unwrap()
    }

    async fn held(&mut self) -> Held {
        within(self.held.recv()).await.unwrap()
    }

    /// The code of the error that the client answers a request of the server's with.
    async fn refusal(&mut self, id: &str) -> i64 {
        loop {
            let asked = within(self.asked.recv()).await.unwrap();
            if asked.body["id"] == id {
                return asked.body["error"]["code"].as_i64().unwrap();
            }
        }
    }
}

impl Server {
    /// 2026-07-28, streamable-http §Sending Messages: "The client MUST NOT send JSON-RPC responses." Others are answered.
    async fn is_refused(&mut self, connection: &Connection, id: &str) {
        if connection.revision().is_stateless() {
            while let Ok(asked) = self.asked.try_recv() {
                assert_ne!(asked.body["id"], id, "{asked:?}");
            }
        } else {
            assert_eq!(self.refusal(id).await, -32600);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Held {
    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Says it in an event.
    async fn say(&mut self, text: &str) {
        self.write(&format!("data: {text}\n\n")).await;
    }
}

/// Begins a call, and gives what the server has of it.
async fn begin(server: &mut Server, connection: &Connection) -> (JoinHandle<Outcome>, Held) {
    let reply: Reply = call(connection, "echo", json!({}));
    let outcome = tokio::spawn(reply.outcome());
    (outcome, server.held().await)
}

async fn ends(outcome: JoinHandle<Outcome>) -> Error {
    let error = refused(within(outcome).await.unwrap());
    assert_eq!(error.data.as_ref().unwrap().as_str(), r#"{"reason":"invalid_upstream"}"#, "{error}");
    assert!(error.message.starts_with("the server's message is no JSON-RPC: "), "{error}");
    error
}

async fn is_answered(outcome: JoinHandle<Outcome>) {
    assert_eq!(text(&within(outcome).await.unwrap()), "on");
}

/// Answers to the request `id` that are none.
fn broken_answers(id: &Value) -> Vec<String> {
    vec![
        format!(r#"{{"jsonrpc":"2.0","id":{id}}}"#),
        format!(r#"{{"jsonrpc":"1.0","id":{id},"result":{{}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}},"error":{{}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":"no"}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"x":NaN}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"a":1,"a":2}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{}{}}}"#, "[".repeat(200), "]".repeat(200)),
        format!(r#"[{{"jsonrpc":"2.0","id":{id},"result":1,"error":2}}]"#),
    ]
}

/// What is no message, and no answer to anything that was asked. Its request has the id `q`.
const HARMLESS: [&str; 5] = [
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":[]}"#,
    r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":7777,"result":{},"error":{}}"#,
    r#"{"jsonrpc":"1.0","method":"notifications/progress"}"#,
    r#"{"jsonrpc":"2.0","id":"q","method":"roots/list","params":null}"#,
];

/// What says nothing of what it was meant to be.
const UNKNOWN: [&str; 4] = ["nonsense", "{", "17", r#"{"type":"heartbeat"}"#];

/// Servers whose calls are answered on their own responses.
fn eras() -> [fn(&Asked) -> Option<String>; 2] {
    [|asked| modern(asked).or_else(|| accepts(asked)), |asked| legacy(asked, "s").or_else(|| accepts(asked))]
}

/// What is posted without a method answers the server, and has no answer of its own.
fn accepts(asked: &Asked) -> Option<String> {
    let answers = asked.verb == "POST" && asked.method().is_empty();
    answers.then(|| response("202 Accepted", &[], ""))
}

#[tokio::test]
async fn a_broken_answer_ends_its_call_at_once() {
    for era in eras() {
        let mut server = Server::start(era).await;
        let connection = server.connect().await;
        for index in 0..broken_answers(&Value::Null).len() {
            let (outcome, mut held) = begin(&mut server, &connection).await;
            let broken = &broken_answers(&held.asked.body["id"])[index];
            held.write(&events("")).await;
            held.say(broken).await;
            ends(outcome).await;
            let (outcome, mut held) = begin(&mut server, &connection).await;
            let broken = &broken_answers(&held.asked.body["id"])[index];
            let length = format!("Content-Length: {}", broken.len());
            held.write(&response("200 OK", &["Content-Type: application/json", &length], broken)).await;
            ends(outcome).await;
        }
        // On a call's own response, what cannot be told apart from its answer is taken for that.
        for unknown in UNKNOWN {
            let (outcome, mut held) = begin(&mut server, &connection).await;
            held.write(&events("")).await;
            held.say(unknown).await;
            ends(outcome).await;
        }
    }
}

#[tokio::test]
async fn what_is_not_the_answer_is_passed_over_and_requests_are_refused() {
    for era in eras() {
        let mut server = Server::start(era).await;
        let connection = server.connect().await;
        let (outcome, mut held) = begin(&mut server, &connection).await;
        held.write(&events("")).await;
        for harmless in HARMLESS {
            held.say(harmless).await;
        }
        server.is_refused(&connection, "q").await;
        let on = answer(&held.asked, "on").to_string();
        held.say(&on).await;
        is_answered(outcome).await;
        // A body that holds a request alone does not say what became of ours.
        let (outcome, mut held) = begin(&mut server, &connection).await;
        let request: Value = serde_json::from_str(HARMLESS[4]).unwrap();
        held.write(&body(&request)).await;
        drop(held);
        server.is_refused(&connection, "q").await;
        let error = refused(within(outcome).await.unwrap());
        assert_eq!(error.data.unwrap().as_str(), r#"{"reason":"outcome_unknown"}"#);
    }
}

/// Calls are held, and so is the session's own stream.
fn with_stream(asked: &Asked) -> Option<String> {
    if asked.verb == "GET" {
        return None;
    }
    legacy(asked, "s").or_else(|| accepts(asked))
}

/// HTTP+SSE: what is posted is accepted, and answered on the one stream.
fn old(asked: &Asked) -> Option<String> {
    match (asked.verb.as_str(), asked.target.as_str()) {
        ("GET", _) => None,
        (_, "/post") => Some(response("202 Accepted", &[], "")),
        _ => Some(response("405 Method Not Allowed", &["Content-Length: 0"], "")),
    }
}

/// A connection to a server whose one stream is in the hands of the test.
async fn streaming(revision: Revision) -> (Server, Connection, Held) {
    let is_old = revision == Revision::V2024_11_05;
    let mut server = Server::start(if is_old { old } else { with_stream }).await;
    let endpoint = server.endpoint();
    let opened = tokio::spawn(async move { open(&endpoint, &opening(None)).await.unwrap() });
    let mut stream = server.held().await;
    stream.write(&events("")).await;
    if is_old {
        stream.write("event: endpoint\ndata: /post\n\n").await;
        let asked = posted(&mut server, "initialize").await;
        let result = json!({"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}});
        stream.say(&json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": result}).to_string()).await;
    }
    let connection = within(opened).await.unwrap();
    assert_eq!(connection.revision(), revision);
    (server, connection, stream)
}

/// What the client sends by this method, after what was looked at before. It may be refused first.
async fn posted(server: &mut Server, method: &str) -> Asked {
    loop {
        let asked = within(server.asked.recv()).await.unwrap();
        if asked.method() == method && (asked.target == "/post" || method == "tools/call") {
            return asked;
        }
    }
}

#[tokio::test]
async fn on_a_stream_of_the_whole_connection_nonsense_costs_its_own_call_alone() {
    for revision in [Revision::V2024_11_05, Revision::V2025_11_25] {
        let (mut server, connection, mut stream) = streaming(revision).await;
        for index in 0..broken_answers(&Value::Null).len() {
            let other = tokio::spawn(call(&connection, "echo", json!({})).outcome());
            let other_asked = posted(&mut server, "tools/call").await;
            let broken = tokio::spawn(call(&connection, "echo", json!({})).outcome());
            let asked = posted(&mut server, "tools/call").await;
            for nonsense in HARMLESS.into_iter().chain(UNKNOWN) {
                stream.say(nonsense).await;
            }
            assert_eq!(server.refusal("q").await, -32600, "{revision}");
            stream.say(&broken_answers(&asked.body["id"])[index]).await;
            ends(broken).await;
            stream.say(&answer(&other_asked, "on").to_string()).await;
            is_answered(other).await;
        }
    }
}

#[tokio::test]
async fn a_broken_answer_to_what_opens_a_connection_is_told_at_once() {
    for index in 0..broken_answers(&Value::Null).len() {
        let mut server = Server::start(old).await;
        let endpoint = server.endpoint();
        let opened = tokio::spawn(async move { open(&endpoint, &opening(None)).await });
        let mut stream = server.held().await;
        stream.write(&events("event: endpoint\ndata: /post\n\n")).await;
        let asked = posted(&mut server, "initialize").await;
        for harmless in HARMLESS {
            stream.say(harmless).await;
        }
        stream.say(&broken_answers(&asked.body["id"])[index]).await;
        let Err(error) = within(opened).await.unwrap() else { panic!("it is open") };
        assert!(error.to_string().contains("the server's message is no JSON-RPC"), "{error}");
    }
}
