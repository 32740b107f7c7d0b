//! A server over HTTP, with TLS or without, that answers each request as a function says.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) verb: String,
    pub(crate) path: String,
    /// Lines of the head after the first, in lower case.
    pub(crate) headers: String,
    /// JSON, or a text.
    pub(crate) body: Value,
}

/// A server that lives as long as the test.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    requests: Arc<Requests>,
}

#[derive(Default)]
struct Requests {
    asked: Mutex<Vec<Asked>>,
    /// Those that were answered with a stream that is open.
    streams: Mutex<Vec<Asked>>,
}

impl Scripted {
    /// Answers what `answer` says, and closes the connection; where it says nothing, it keeps it open and is silent.
    pub(crate) fn start(answer: impl Fn(&Asked) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::serving(TcpListener::bind("127.0.0.1:0").unwrap(), None, answer)
    }

    /// The same at an address where nothing listened until now.
    pub(crate) fn at(
        address: SocketAddr,
        answer: impl Fn(&Asked) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::serving(TcpListener::bind(address).unwrap(), None, answer)
    }

    /// The same over TLS, with a certificate and its key.
    pub(crate) fn secure(
        certified: &rcgen::CertifiedKey<rcgen::KeyPair>,
        answer: impl Fn(&Asked) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        Self::serving(TcpListener::bind("127.0.0.1:0").unwrap(), Some(Arc::new(config)), answer)
    }

    fn serving(
        listener: TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(&Asked) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (requests, answer) = (Arc::<Requests>::default(), Arc::new(answer));
        let all = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, answer, tls) = (all.clone(), answer.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &all, &*answer),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(config).unwrap();
                        serve(rustls::StreamOwned::new(connection, stream), &all, &*answer);
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.requests.asked.lock().unwrap().clone()
    }

    /// What was answered with [`stream`], as far as that is open.
    pub(crate) fn streams(&self) -> Vec<Asked> {
        self.requests.streams.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: impl Read + Write,
    all: &Requests,
    answer: &(dyn Fn(&Asked) -> Option<String> + Send + Sync),
) {
    let Some(asked) = read(&mut stream) else { return };
    all.asked.lock().unwrap().push(asked.clone());
    match answer(&asked) {
        Some(answer) => {
            _ = stream.write_all(answer.as_bytes());
            _ = stream.flush();
            if answer.contains(STREAM) {
                all.streams.lock().unwrap().push(asked.clone());
                _ = stream.read(&mut [0]);
                let mut streams = all.streams.lock().unwrap();
                let at =
                    streams.iter().position(|open| open.headers == asked.headers && open.body == asked.body);
                streams.swap_remove(at.unwrap());
            }
        }
        None => _ = stream.read(&mut [0]),
    }
}

fn read(stream: &mut impl Read) -> Option<Asked> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let mut more = |bytes: &mut Vec<u8>| match stream.read(&mut piece) {
        Ok(0) => None,
        Ok(length) => {
            bytes.extend_from_slice(&piece[..length]);
            Some(())
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Some(()),
        Err(_) => None,
    };
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        more(&mut bytes)?;
        // TLS, where none is spoken.
        if bytes.first() == Some(&0x16) {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let (first, headers) = text.split_once("\r\n")?;
    let headers = headers.to_ascii_lowercase();
    let mut first = first.split(' ');
    let (verb, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
    while bytes.len() < head + 4 + length {
        more(&mut bytes)?;
    }
    let body = &bytes[head + 4..];
    let text = || Value::String(String::from_utf8_lossy(body).into_owned());
    let body = serde_json::from_slice(body).unwrap_or_else(|_| text());
    Some(Asked { verb, path, headers, body })
}

/// A response, after which the connection ends.
pub(crate) fn response(status: &str, headers: &[&str], body: &str) -> Option<String> {
    let headers: String = headers.iter().flat_map(|header| [header, "\r\n"]).collect();
    let length = body.len();
    Some(format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"))
}

/// The type of a stream of events.
const STREAM: &str = "Content-Type: text/event-stream\r\n";

/// A stream that begins with `message` and stays open for as long as the client reads it.
pub(crate) fn stream(message: &Value) -> Option<String> {
    Some(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{STREAM}\r\ndata: {message}\n\n"))
}

/// A JSON document.
pub(crate) fn document(body: &Value) -> Option<String> {
    response("200 OK", &["Content-Type: application/json"], &body.to_string())
}

/// The result of what was asked.
pub(crate) fn result(asked: &Asked, result: &Value) -> Option<String> {
    document(&json!({"jsonrpc": "2.0", "id": asked.body["id"], "result": result}))
}

/// What a small server of 2026-07-28 with one tool answers.
pub(crate) fn modern(asked: &Asked) -> Option<String> {
    let kept = json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "private"});
    let with = |more: Value| {
        let mut all = kept.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        result(asked, &all)
    };
    match (asked.verb.as_str(), asked.body["method"].as_str().unwrap_or_default()) {
        ("POST", "server/discover") => with(json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "scripted", "version": "1"}},
        })),
        ("POST", "tools/list") => with(json!({"tools": [{
            "name": "look",
            "description": "Looks.",
            "inputSchema": {"type": "object"},
            "annotations": {"readOnlyHint": true},
        }]})),
        ("POST", "tools/call") => {
            result(asked, &json!({"resultType": "complete", "content": [{"type": "text", "text": "seen"}]}))
        }
        ("POST", _) => document(
            &json!({"jsonrpc": "2.0", "id": asked.body["id"], "error": {"code": -32601, "message": "no such method"}}),
        ),
        _ => response("404 Not Found", &[], ""),
    }
}
