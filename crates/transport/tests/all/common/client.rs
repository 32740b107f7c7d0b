//! HTTP/1.1 as bytes: what a test sends is what it wrote, and what it reads is all that came.

use std::{io, net::SocketAddr};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpSocket, TcpStream},
};

use super::within;

/// A request that a test writes, alters and sends.
#[derive(Clone, Debug)]
pub(crate) struct Verb {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether `Content-Length` is written.
    pub(crate) length: bool,
}

impl Verb {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let headers = vec![("Host".into(), "localhost".into())];
        Self { method: method.into(), target: target.into(), headers, body: Vec::new(), length: true }
    }

    /// Puts one header in the place of those with that name.
    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        self.without(name).add(name, value)
    }

    pub(crate) fn add(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.length && (!self.body.is_empty() || self.method == "POST") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// A POST of `body` to the endpoint, as a client of any revision sends it.
pub(crate) fn post(body: impl Into<Vec<u8>>) -> Verb {
    Verb::new("POST", "/mcp")
        .add("Content-Type", "application/json")
        .add("Accept", "application/json, text/event-stream")
        .body(body)
}

/// `_meta` of a 2026-07-28 request.
pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A 2026-07-28 request with all its headers. `params` is an object without `_meta`.
pub(crate) fn modern(id: impl Into<Value>, method: &str, params: &str) -> Verb {
    let mut params: Value = serde_json::from_str(params).unwrap();
    params["_meta"] = meta();
    let name = params.get("name").or(params.get("uri")).and_then(Value::as_str).map(str::to_owned);
    let body = json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params});
    let verb = post(body.to_string()).add("MCP-Protocol-Version", "2026-07-28").add("Mcp-Method", method);
    match name {
        Some(name) => verb.add("Mcp-Name", &name),
        None => verb,
    }
}

/// A `tools/call` of 2026-07-28.
pub(crate) fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Verb {
    modern(id, "tools/call", &json!({"name": tool, "arguments": arguments}).to_string())
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The one value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the JSON-RPC error in it.
    pub(crate) fn code(&self) -> Option<i64> {
        serde_json::from_slice::<Value>(&self.body).ok()?["error"]["code"].as_i64()
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut values = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    let value = values.next().map(|(_, value)| value.as_str());
    assert!(values.next().is_none(), "{name} is there more than once");
    value
}

/// A head that was read; its body is still to come.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.header("content-type") == Some("text/event-stream")
    }
}

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) event: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One line or event of a stream that is no more than what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Event(Event),
    Comment,
    End,
}

/// What bytes are exchanged over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection that a test reads and writes itself.
pub(crate) struct Connection {
    io: BufReader<Box<dyn Io>>,
    /// The event stream as far as its chunks were taken apart.
    stream: Vec<u8>,
    ended: bool,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::of(within(TcpStream::connect(address)).await.unwrap())
    }

    /// A connection on which little can lie that was not read.
    pub(crate) async fn narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::of(within(socket.connect(address)).await.unwrap())
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// A connection over what the test has opened.
    pub(crate) fn over(io: impl Io + 'static) -> Self {
        Self { io: BufReader::new(Box::new(io)), stream: Vec::new(), ended: false }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(self.io.get_mut().write_all(bytes)).await
    }

    /// Sends a request and reads the answer's head.
    pub(crate) async fn begin(&mut self, request: &Verb) -> Head {
        self.send(&request.bytes()).await;
        self.head().await
    }

    pub(crate) async fn head(&mut self) -> Head {
        self.try_head().await.unwrap().expect("the connection was closed before an answer")
    }

    /// A head; `None` when the connection was closed instead.
    pub(crate) async fn try_head(&mut self) -> io::Result<Option<Head>> {
        let Some(first) = self.line().await? else { return Ok(None) };
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("no status line: {first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?.ok_or_else(|| invalid("the head broke off"))?;
            if line.is_empty() {
                self.ended = false;
                return Ok(Some(Head { status, headers }));
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| invalid(format!("no header: {line:?}")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    pub(crate) async fn response(&mut self) -> Response {
        self.try_response().await.unwrap().expect("the connection was closed before an answer")
    }

    /// A whole answer; `None` when the connection was closed instead.
    pub(crate) async fn try_response(&mut self) -> io::Result<Option<Response>> {
        match self.try_head().await? {
            Some(head) => self.body(head).await.map(Some),
            None => Ok(None),
        }
    }

    /// What follows a head.
    pub(crate) async fn body(&mut self, head: Head) -> io::Result<Response> {
        let Head { status, headers } = head;
        let mut body = Vec::new();
        if header(&headers, "transfer-encoding") == Some("chunked") {
            // A stream that does not end must not be read for ever.
            body = within(self.chunks()).await?;
        } else if let Some(length) = header(&headers, "content-length") {
            body.resize(length.parse().map_err(|_| invalid("a bad length"))?, 0);
            within(self.io.read_exact(&mut body)).await?;
        } else if status != 204 {
            within(self.io.read_to_end(&mut body)).await?;
        }
        Ok(Response { status, headers, body })
    }

    /// So many bytes of a body.
    pub(crate) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut body = vec![0; length];
        within(self.io.read_exact(&mut body)).await.unwrap();
        body
    }

    /// Waits until the server has closed, and returns what it said before.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = within(self.io.read_to_end(&mut rest)).await;
        rest
    }

    /// The next event of a stream, comments passed over; `None` at its end.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        // Comments are no progress: they come for as long as the stream is open.
        within(async {
            loop {
                match self.next().await {
                    Line::Event(event) => return Some(event),
                    Line::Comment => {}
                    Line::End => return None,
                }
            }
        })
        .await
    }

    /// The message of the next event.
    pub(crate) async fn message(&mut self) -> Value {
        self.event().await.expect("the stream ended").json()
    }

    /// What is left of a stream, in messages.
    pub(crate) async fn messages(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(event) = self.event().await {
            messages.push(event.json());
        }
        messages
    }

    /// The next event or comment.
    pub(crate) async fn next(&mut self) -> Line {
        loop {
            if let Some(end) = memchr::memmem::find(&self.stream, b"\n\n") {
                let block: Vec<u8> = self.stream.drain(..end + 2).collect();
                return parse(std::str::from_utf8(&block).unwrap());
            }
            if self.ended {
                assert!(self.stream.is_empty(), "the stream broke off within an event");
                return Line::End;
            }
            match self.chunk().await.unwrap() {
                Some(chunk) => self.stream.extend(chunk),
                None => self.ended = true,
            }
        }
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend(chunk);
        }
        Ok(body)
    }

    /// One chunk (RFC 9112 §7.1); `None` for the last.
    async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = self.line().await?.ok_or_else(|| invalid("the body broke off"))?;
        let size = usize::from_str_radix(&size, 16).map_err(|_| invalid(format!("no chunk: {size:?}")))?;
        let mut chunk = vec![0; size];
        within(self.io.read_exact(&mut chunk)).await?;
        let end = self.line().await?;
        if end.as_deref() != Some("") {
            return Err(invalid("a chunk without its end"));
        }
        Ok((size > 0).then_some(chunk))
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if within(self.io.read_until(b'\n', &mut line)).await? == 0 {
            return Ok(None);
        }
        let line = line.strip_suffix(b"\r\n").ok_or_else(|| invalid(format!("no line: {line:?}")))?;
        String::from_utf8(line.to_vec()).map(Some).map_err(|_| invalid("a head that is no text"))
    }
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

fn parse(block: &str) -> Line {
    let mut event = Event::default();
    let mut comments = 0;
    let mut data = Vec::new();
    for line in block.trim_end_matches('\n').split('\n') {
        match line.split_once(": ").or(line.split_once(':')) {
            Some(("", _)) => comments += 1,
            Some(("event", kind)) => event.event = Some(kind.into()),
            Some(("id", id)) => event.id = Some(id.into()),
            Some(("retry", retry)) => event.retry = Some(retry.parse().unwrap()),
            Some(("data", text)) => data.push(text),
            other => panic!("a line that no event has: {other:?}"),
        }
    }
    event.data = data.join("\n");
    if comments > 0 && event == Event::default() { Line::Comment } else { Line::Event(event) }
}
