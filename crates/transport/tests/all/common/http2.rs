//! HTTP/2, by a library for requests as clients send them, and as frames for what no client sends.

use std::{collections::VecDeque, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    client::{Response, Verb},
    within,
};

/// The fields that HTTP/2 has no place for (RFC 9113 §8.2.2), and `Host`, which is `:authority` there.
const OF_CONNECTIONS: [&str; 4] = ["host", "connection", "upgrade", "transfer-encoding"];

/// `verb` as a request of HTTP/2.
pub(crate) fn request(verb: &Verb) -> http::Request<()> {
    let host = verb.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let uri = format!("http://{}{}", host.unwrap().1, verb.target);
    let mut request = http::Request::builder().method(verb.method.as_str()).uri(uri);
    for (name, value) in &verb.headers {
        if !OF_CONNECTIONS.contains(&name.to_ascii_lowercase().as_str()) {
            request = request.header(name, value);
        }
    }
    request.body(()).unwrap()
}

/// Whether `verb` can be said over HTTP/2: it has one host, which is that of its target and can stand in a URI.
pub(crate) fn carries(verb: &Verb) -> bool {
    let hosts = verb.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = hosts.map(|(_, host)| host).collect::<Vec<_>>();
    let [host] = host[..] else { return false };
    let uri = format!("http://{host}{}", verb.target).parse::<http::Uri>();
    let is_host = |uri: http::Uri| uri.authority().is_some_and(|authority| authority.as_str() == host);
    verb.target.starts_with('/') && !host.contains('@') && uri.is_ok_and(is_host)
}

/// What an answer says, apart from what differs from one request to the next.
pub(crate) fn said(answer: &Response) -> (u16, Vec<(String, String)>, String) {
    const APART: [&str; 4] = ["date", "mcp-session-id", "transfer-encoding", "connection"];
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .filter(|(name, _)| !APART.contains(&name.as_str()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.text().to_owned())
}

/// A connection of a well-behaved client.
pub(crate) async fn connect(address: SocketAddr) -> h2::client::SendRequest<bytes::Bytes> {
    let stream = within(TcpStream::connect(address)).await.unwrap();
    let (client, connection) = within(h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Sends one request on a connection of its own and reads the answer.
pub(crate) async fn ask(address: SocketAddr, verb: &Verb) -> Response {
    within(answer(connect(address).await, verb)).await
}

/// The answer to `verb` on this connection.
pub(crate) async fn answer(client: h2::client::SendRequest<bytes::Bytes>, verb: &Verb) -> Response {
    let mut client = client.ready().await.unwrap();
    let (response, mut sending) = client.send_request(request(verb), verb.body.is_empty()).unwrap();
    if !verb.body.is_empty() {
        // A server may answer, and want no more of it.
        let _ = sending.send_data(verb.body.clone().into(), true);
    }
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Response { status: head.status.as_u16(), headers: headers.collect(), body: bytes }
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame (RFC 9113 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// The error code of a RST_STREAM or GOAWAY frame.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status in a HEADERS frame: the first field, indexed or with its value written out (RFC 7541).
    pub(crate) fn status(&self) -> u16 {
        assert_eq!(self.kind, HEADERS);
        // The table has a new size, which is nothing.
        let block = self.payload.strip_prefix(&[0x20]).unwrap_or(&self.payload);
        match block[0] {
            indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
            _ => {
                let (length, value) = (block[1], &block[2..]);
                let value = &value[..usize::from(length & 0x7f)];
                if length & 0x80 == 0 {
                    return std::str::from_utf8(value).unwrap().parse().unwrap();
                }
                digits(value)
            }
        }
    }
}

/// Three digits in the Huffman code of RFC 7541: 0 to 2 have five bits, 3 to 9 have six.
fn digits(bytes: &[u8]) -> u16 {
    let mut bits: VecDeque<u16> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1))).collect();
    let mut number = 0;
    for _ in 0..3 {
        let mut code = bits.drain(..5).fold(0, |code, bit| code * 2 + bit);
        if code > 2 {
            code = code * 2 + bits.pop_front().unwrap() - 0x19 + 3;
        }
        number = number * 10 + code;
    }
    number
}

/// Fields as literals that are not indexed (RFC 7541 §6.2.2).
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            match text.len() {
                short @ 0..127 => bytes.push(u8::try_from(short).unwrap()),
                long => {
                    bytes.push(127);
                    let mut rest = long - 127;
                    while rest >= 128 {
                        bytes.push(u8::try_from(rest % 128 + 128).unwrap());
                        rest /= 128;
                    }
                    bytes.push(u8::try_from(rest).unwrap());
                }
            }
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// The fields of `verb`, with what it says in `Host` as `:authority`.
pub(crate) fn fields_of(verb: &Verb) -> Vec<u8> {
    let mut all =
        vec![(":method", verb.method.as_str()), (":scheme", "http"), (":path", verb.target.as_str())];
    let lower: Vec<(String, &str)> =
        verb.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str())).collect();
    for (name, value) in &lower {
        match name.as_str() {
            "host" => all.insert(3, (":authority", value)),
            name => all.push((name, value)),
        }
    }
    fields(&all)
}

/// A connection on which a test writes and reads frames.
pub(crate) struct Frames(TcpStream);

impl Frames {
    /// A connection with its preface, and settings of the client's.
    pub(crate) async fn open(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self::bare(address).await;
        frames.0.set_nodelay(true).unwrap();
        frames.bytes(PREFACE).await;
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()))
            .collect();
        frames.send(SETTINGS, 0, 0, payload).await;
        frames
    }

    /// A connection on which nothing was sent.
    pub(crate) async fn bare(address: SocketAddr) -> Self {
        Self(within(TcpStream::connect(address)).await.unwrap())
    }

    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        within(self.0.write_all(bytes)).await.unwrap();
    }

    /// Sends as much as the server takes: it may have closed.
    pub(crate) async fn flood(&mut self, bytes: &[u8]) {
        let _ = within(self.0.write_all(bytes)).await;
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) {
        self.bytes(&Frame::new(kind, flags, stream, payload).bytes()).await;
    }

    /// Sends a whole request.
    pub(crate) async fn request(&mut self, stream: u32, verb: &Verb) {
        let end = if verb.body.is_empty() { END_STREAM } else { 0 };
        self.send(HEADERS, END_HEADERS | end, stream, fields_of(verb)).await;
        if !verb.body.is_empty() {
            self.send(DATA, END_STREAM, stream, verb.body.clone()).await;
        }
    }

    /// The next frame; `None` once the connection is closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        within(self.0.read_exact(&mut head)).await.ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        within(self.0.read_exact(&mut payload)).await.ok()?;
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame that `is` finds.
    pub(crate) async fn until(&mut self, is: impl Fn(&Frame) -> bool) -> Frame {
        within(async {
            loop {
                let frame = self.next().await.expect("the connection was closed before");
                if is(&frame) {
                    return frame;
                }
            }
        })
        .await
    }

    /// The answer to the request on `stream`, or how it was reset.
    pub(crate) async fn status(&mut self, stream: u32) -> Result<u16, u32> {
        let is = |frame: &Frame| frame.stream == stream && matches!(frame.kind, HEADERS | RESET);
        let frame = self.until(is).await;
        if frame.kind == RESET { Err(frame.code()) } else { Ok(frame.status()) }
    }

    /// Reads until the server closes, and returns the code of its last GOAWAY frame. `None` if it closed without one.
    pub(crate) async fn closed(&mut self) -> Option<u32> {
        within(async {
            let mut code = None;
            while let Some(frame) = self.next().await {
                if frame.kind == GOAWAY {
                    code = Some(frame.code());
                }
            }
            code
        })
        .await
    }
}
