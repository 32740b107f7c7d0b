//! An HTTP server on one port of this machine, in whose place comes one of the other era.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use anyport::Revision;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{broadcast, watch},
    task::JoinHandle,
};

use super::super::{D, M};

pub(super) struct Site {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    /// The server that is there: how many came before it, and what it speaks.
    server: watch::Sender<(u32, Revision)>,
    /// The changes of resources.
    changes: broadcast::Sender<String>,
    /// Each request, as the number of the server and the method; of a stream GET.
    heard: Mutex<Vec<(u32, String)>>,
}

struct Asked {
    verb: String,
    headers: HashMap<String, String>,
    body: Value,
}

/// What the server says to a request.
enum Said {
    Response(&'static str, String),
    /// A stream that begins with this message, and has the changes.
    Stream(Option<Value>),
}

impl Site {
    pub(super) async fn start(revision: Revision) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (server, changes) = (watch::Sender::new((1, revision)), broadcast::Sender::new(64));
        let shared = Arc::new(Shared { server, changes, heard: Mutex::default() });
        let all = shared.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(all.clone().serve(stream));
            }
        });
        Self { address, shared, accepting }
    }

    /// Another server takes the place of the one that is there, whose connections break off.
    pub(super) fn replace(&self, revision: Revision) {
        self.shared.server.send_modify(|server| *server = (server.0 + 1, revision));
    }

    /// A resource changes.
    pub(super) fn change(&self, uri: &str) {
        self.shared.changes.send(uri.to_owned()).unwrap();
    }

    /// How often the server with this number has heard `method`.
    pub(super) fn heard(&self, server: u32, method: &str) -> usize {
        let heard = self.shared.heard.lock().unwrap();
        heard.iter().filter(|(number, heard)| *number == server && heard == method).count()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let (mut server, mut changes) = (self.server.subscribe(), self.changes.subscribe());
        let Some(asked) = read(&mut stream).await else { return };
        let (number, revision) = *server.borrow_and_update();
        let method = asked.body["method"].as_str().unwrap_or(&asked.verb).to_owned();
        self.heard.lock().unwrap().push((number, method));
        let said = if revision == M { modern(&asked) } else { legacy(&asked, number) };
        let first = match said {
            Said::Response(head, body) => {
                let length = body.len();
                let text =
                    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
                _ = stream.write_all(text.as_bytes()).await;
                return;
            }
            Said::Stream(first) => first,
        };
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n";
        let first = first.map_or(String::new(), |first| format!("data: {first}\n\n"));
        _ = stream.write_all(format!("{head}{first}").as_bytes()).await;
        let mut rest = [0; 64];
        loop {
            tokio::select! {
                // Both ends are gone with the server, and with the client.
                _ = server.changed() => return,
                read = stream.read(&mut rest) => if !matches!(read, Ok(1..)) { return },
                change = changes.recv() => {
                    let Ok(uri) = change else { return };
                    let mut params = json!({ "uri": uri });
                    if revision == M {
                        params["_meta"] = json!({"io.modelcontextprotocol/subscriptionId": asked.body["id"]});
                    }
                    let method = "notifications/resources/updated";
                    let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
                    _ = stream.write_all(format!("data: {message}\n\n").as_bytes()).await;
                }
            }
        }
    }
}

fn capabilities() -> Value {
    json!({"tools": {"listChanged": true}, "resources": {"subscribe": true}})
}

fn said(status: &'static str, body: &Value) -> Said {
    Said::Response(status, body.to_string())
}

fn result(asked: &Asked, result: &Value) -> Said {
    let head = "200 OK\r\nContent-Type: application/json";
    said(head, &json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": result}))
}

/// The answers that both have.
fn common(asked: &Asked, revision: Revision) -> Option<Said> {
    match asked.body["method"].as_str()? {
        "tools/call" => {
            let content = json!([{"type": "text", "text": revision.as_str()}]);
            Some(result(asked, &json!({"resultType": "complete", "content": content})))
        }
        "tools/list" => {
            let tools = json!([{"name": "pay", "inputSchema": {"type": "object"}}]);
            let list = json!({"resultType": "complete", "tools": tools, "ttlMs": 0, "cacheScope": "private"});
            Some(result(asked, &list))
        }
        _ => None,
    }
}

/// A server of 2026-07-28 alone.
fn modern(asked: &Asked) -> Said {
    const BAD: &str = "400 Bad Request\r\nContent-Type: application/json";
    let error = |code: i64, message: &str| json!({"jsonrpc": "2.0", "id": asked.body["id"], "error": {"code": code, "message": message}});
    if asked.verb != "POST" {
        return Said::Response("405 Method Not Allowed", String::new());
    }
    if !asked.headers.contains_key("mcp-method") {
        return said(BAD, &error(-32020, "Header mismatch: Mcp-Method is required"));
    }
    match asked.body["method"].as_str() {
        Some("server/discover") => {
            let result_of = json!({
                "resultType": "complete", "supportedVersions": [M.as_str()], "capabilities": capabilities(),
                "ttlMs": 0, "cacheScope": "private",
            });
            result(asked, &result_of)
        }
        Some("subscriptions/listen") => {
            let meta = json!({"io.modelcontextprotocol/subscriptionId": asked.body["id"]});
            let params = json!({"notifications": asked.body["params"]["notifications"], "_meta": meta});
            let method = "notifications/subscriptions/acknowledged";
            Said::Stream(Some(json!({"jsonrpc": "2.0", "method": method, "params": params})))
        }
        _ => common(asked, M).unwrap_or_else(|| {
            said("404 Not Found\r\nContent-Type: application/json", &error(-32601, "Method not found"))
        }),
    }
}

/// A server of 2025-11-25 with sessions, in the words of the SDK for TypeScript.
fn legacy(asked: &Asked, number: u32) -> Said {
    let session = format!("session-{number}");
    let error = |status: &'static str, code: i64, message: &str| {
        said(status, &json!({"jsonrpc": "2.0", "id": null, "error": {"code": code, "message": message}}))
    };
    if asked.body["method"] == "initialize" {
        let info = json!({"name": "site", "version": "1"});
        let agreed =
            json!({"protocolVersion": D.as_str(), "capabilities": capabilities(), "serverInfo": info});
        let Said::Response(_, body) = result(asked, &agreed) else { unreachable!() };
        // There are few sessions here, each of its own server.
        let head = match number {
            1 => "200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: session-1",
            2 => "200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: session-2",
            _ => "200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: session-3",
        };
        return Said::Response(head, body);
    }
    const BAD: &str = "400 Bad Request\r\nContent-Type: application/json";
    match asked.headers.get("mcp-session-id") {
        None => return error(BAD, -32000, "Bad Request: Server not initialized"),
        Some(known) if *known != session => {
            return error("404 Not Found\r\nContent-Type: application/json", -32001, "Session not found");
        }
        Some(_) => {}
    }
    match (&*asked.verb, asked.body["method"].as_str()) {
        ("GET", _) => Said::Stream(None),
        ("DELETE", _) => Said::Response("200 OK", String::new()),
        (_, Some(method)) if method.starts_with("notifications/") => {
            Said::Response("202 Accepted", String::new())
        }
        _ => common(asked, D).unwrap_or_else(|| result(asked, &json!({}))),
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let verb = lines.next()?.split(' ').next()?.to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&bytes[head + 4..head + 4 + length]).unwrap_or_default();
    Some(Asked { verb, headers, body })
}
