//! WebSockets over real sockets: the gate before the upgrade, both eras, hostile frames, and every bound.
//!
//! # Layout
//! - `opening`: the handshake, and who may open one.
//! - `dialogue`: what is said on one, with a client that we did not write.
//! - `frames`: hostile frames, written byte by byte.
//! - `limits`: every bound, hit by its name.

mod dialogue;
mod frames;
mod limits;
mod opening;

use anyport_transport::{http, websocket};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::CloseFrame},
};

use crate::common::{
    Server,
    client::{Connection, Verb, meta},
    within,
};

fn config(websocket: websocket::Config) -> http::Config {
    http::Config::default().websocket(websocket)
}

async fn start() -> Server {
    Server::start(config(websocket::Config::default())).await
}

/// A client that we did not write.
struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn open(server: &Server) -> Self {
        let stream = within(TcpStream::connect(server.address)).await.unwrap();
        let request = format!("ws://{}/ws", server.address).into_client_request().unwrap();
        let (socket, response) = within(client_async(request, stream)).await.unwrap();
        assert_eq!(response.status(), 101);
        Self(socket)
    }

    async fn say(&mut self, message: &Value) {
        within(self.0.send(Message::text(message.to_string()))).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        loop {
            match within(self.0.next()).await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Reads until the server closes, and returns its code and reason.
    async fn closed(&mut self) -> (u16, String) {
        loop {
            match within(self.0.next()).await {
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return (code.into(), reason.to_string());
                }
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no close frame, but {other:?}"),
            }
        }
    }
}

/// A handshake as a test writes and alters it.
fn handshake() -> Verb {
    Verb::new("GET", "/ws")
        .add("Connection", "Upgrade")
        .add("Upgrade", "websocket")
        .add("Sec-WebSocket-Version", "13")
        .add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// A connection that is a WebSocket, for frames that no client would write.
async fn raw(server: &Server) -> Connection {
    let mut connection = server.connect().await;
    let head = connection.begin(&handshake()).await;
    assert_eq!(head.status, 101, "{head:?}");
    connection
}

/// A frame with its first byte as given, masked with zeros, as a client may.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A frame of the server's, which is never masked: its first byte and its payload.
async fn read_frame(connection: &mut Connection) -> (u8, Vec<u8>) {
    let head = connection.exactly(2).await;
    let length = match head[1] {
        126 => u16::from_be_bytes(connection.exactly(2).await.try_into().unwrap()).into(),
        127 => usize::try_from(u64::from_be_bytes(connection.exactly(8).await.try_into().unwrap())).unwrap(),
        length => usize::from(length),
    };
    (head[0], connection.exactly(length).await)
}

/// Reads until the close frame: its code and reason.
async fn read_close(connection: &mut Connection) -> (u16, String) {
    loop {
        let (first, payload) = read_frame(connection).await;
        if first == 0x88 {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            return (code, String::from_utf8(payload[2..].to_vec()).unwrap());
        }
    }
}

/// A `tools/call` of 2026-07-28.
fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments, "_meta": meta()}))
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn initialize(version: &str) -> Value {
    let params = json!({
        "protocolVersion": version,
        "capabilities": {"roots": {}},
        "clientInfo": {"name": "test", "version": "1"},
    });
    request("init", "initialize", params)
}

fn initialized() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}
