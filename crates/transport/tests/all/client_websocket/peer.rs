//! A server that writes what a test wants, byte by byte.

use std::{future::Future, net::SocketAddr, sync::Arc};

use anyport_transport::client::websocket::Endpoint;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// One connection, from the server's side.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    /// The head of the client's request.
    pub(crate) head: String,
}

/// Serves each connection by `serve`, from behind the client's request on.
pub(crate) async fn peer<F>(serve: impl Fn(Peer) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let serve = serve.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                serve(Peer { stream, head: String::from_utf8(head).unwrap() }).await;
            });
        }
    });
    address
}

pub(crate) fn at(address: SocketAddr) -> Endpoint {
    Endpoint::new(&format!("ws://{address}/ws")).unwrap()
}

impl Peer {
    /// A header of the client's request.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The answer that makes a WebSocket of the connection, with further headers.
    pub(crate) fn switching(&self, more: &str) -> String {
        let accept = derive_accept_key(self.header("sec-websocket-key").unwrap().as_bytes());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
        )
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // The client may have gone already.
        _ = self.stream.write_all(bytes).await;
    }

    /// Becomes a WebSocket, and answers the probe as a server of the newest revision.
    pub(crate) async fn modern(&mut self) {
        let switching = self.switching("");
        self.write(switching.as_bytes()).await;
        let probe = self.hear().await.unwrap();
        assert_eq!(probe["method"], "server/discover");
        self.answer(&probe, json!({"supportedVersions": ["2026-07-28"], "capabilities": {}})).await;
    }

    pub(crate) async fn answer(&mut self, asked: &Value, result: Value) {
        let answer = json!({"jsonrpc": "2.0", "id": asked["id"], "result": result}).to_string();
        self.write(&frame(0x81, answer.as_bytes())).await;
    }

    /// The next frame of the client's, which must be masked: its first byte and its payload.
    pub(crate) async fn read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.stream.read_u16().await.ok()?;
        assert_ne!(head & 0x80, 0, "RFC 6455 §5.1: a client MUST mask all frames");
        let length = match head & 0x7f {
            126 => self.stream.read_u16().await.ok()?.into(),
            127 => usize::try_from(self.stream.read_u64().await.ok()?).unwrap(),
            length => usize::from(length),
        };
        let mask = self.stream.read_u32().await.ok()?.to_be_bytes();
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.ok()?;
        for (index, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[index % 4];
        }
        Some((u8::try_from(head >> 8).unwrap(), payload))
    }

    /// The next message, unless the client closes.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        loop {
            match self.read_frame().await? {
                (0x81, payload) => return Some(serde_json::from_slice(&payload).unwrap()),
                (0x88, _) => return None,
                _ => {}
            }
        }
    }

    /// Reads until the client's close frame: its code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            let (first, payload) = self.read_frame().await.expect("the client went without a close frame");
            if first == 0x88 {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                return (code, String::from_utf8(payload[2..].to_vec()).unwrap());
            }
        }
    }
}

/// A frame as a server writes it, with its first byte as given.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}
