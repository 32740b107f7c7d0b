//! A server that follows a script: one request a connection, each answered by a function.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) verb: String,
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl Script {
    /// Answers each request with the bytes that `answer` makes of it, and closes the connection; an empty answer keeps
    /// it open and says nothing, and one that ends with [`STALLS`] keeps it open after that.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1", answer).await
    }

    /// The same at another address of this machine.
    pub(crate) async fn start_at(
        host: &str,
        answer: impl Fn(&Asked) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let all = asked.clone();
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (all, answer) = (all.clone(), answer.clone());
                tokio::spawn(async move {
                    let Some(asked) = read(&mut stream).await else { return };
                    all.lock().unwrap().push(asked.clone());
                    let answer = answer(&asked);
                    if answer.is_empty() {
                        _ = stream.read_u8().await;
                    }
                    let begins = answer.strip_suffix(STALLS);
                    _ = stream.write_all(begins.unwrap_or(&answer).as_bytes()).await;
                    if begins.is_some() {
                        _ = stream.read_u8().await;
                    }
                    _ = stream.shutdown().await;
                });
            }
        });
        Self { address, asked, serving }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(crate) async fn read(stream: &mut tokio::net::TcpStream) -> Option<Asked> {
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
    let mut first = lines.next()?.split(' ');
    let (verb, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&bytes[head + 4..]).unwrap_or_default();
    Some(Asked { verb, target, headers, body })
}

/// The end of an answer after which nothing follows, and the connection stays open.
pub(crate) const STALLS: &str = "\0stalls";

/// A response.
pub(crate) fn response(status: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().flat_map(|header| [header, "\r\n"]).collect();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n{body}")
}

pub(crate) fn json(body: &Value) -> String {
    response("200 OK", &["Content-Type: application/json"], &body.to_string())
}

pub(crate) fn events(body: &str) -> String {
    response("200 OK", &["Content-Type: text/event-stream"], body)
}

/// What a server of 2025-11-25 with sessions answers to everything but calls.
pub(crate) fn legacy(asked: &Asked, session: &str) -> Option<String> {
    let session = format!("Mcp-Session-Id: {session}");
    match (asked.verb.as_str(), asked.method()) {
        ("POST", "server/discover") => Some(response("400 Bad Request", &[], "what?")),
        ("POST", "initialize") => Some(response(
            "200 OK",
            &["Content-Type: application/json", &session],
            &serde_json::json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": {
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "script", "version": "1"},
            }})
            .to_string(),
        )),
        ("POST", method) if method.starts_with("notifications/") => Some(response("202 Accepted", &[], "")),
        ("GET", _) if asked.header("last-event-id").is_none() => {
            Some(response("405 Method Not Allowed", &["Content-Length: 0"], ""))
        }
        ("DELETE", _) => Some(response("405 Method Not Allowed", &["Content-Length: 0"], "")),
        _ => None,
    }
}

/// What a server of 2026-07-28 answers to `server/discover`.
pub(crate) fn modern(asked: &Asked) -> Option<String> {
    (asked.method() == "server/discover").then(|| {
        json(&serde_json::json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": {
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
        }}))
    })
}

/// The answer to a call.
pub(crate) fn answer(asked: &Asked, text: &str) -> Value {
    serde_json::json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": {"content": [{"type": "text", "text": text}]}})
}
