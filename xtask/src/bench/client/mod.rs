//! A client of either era that calls one tool again and again, sees that each answer is the one to its call, and spends
//! little on that.
//!
//! - [`connection`]: HTTP, as far as answers to calls need it.
//! - [`expected`]: what an answer must be.

use std::{
    borrow::Cow,
    ops::Range,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::connection::Connection;
pub(super) use self::expected::Expected;
use crate::Failure;

mod connection;
mod expected;

/// Which revision a client or server speaks: the newest, or the last with sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    Modern,
    Legacy,
}

impl Era {
    pub(super) fn revision(self) -> &'static str {
        match self {
            Self::Modern => "2026-07-28",
            Self::Legacy => "2025-11-25",
        }
    }
}

const TEXT: &str = "The quick brown fox jumps over the lazy dog";

/// How many bytes the tool `large` says.
pub(super) const LARGE: usize = 1_000_000;

/// The called server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// It says the text again that it is given.
    Echo,
    /// [`Tool::Echo`] of the upstream `first`, as a gateway names it.
    PrefixedEcho,
    /// The same, as ContextForge names it.
    DashedEcho,
    /// [`Tool::Echo`] of an upstream by its number, likewise.
    EchoOf(usize),
    /// The only tool of the upstream `bad`, likewise.
    Bad,
    /// It adds two numbers.
    Add,
    /// It says [`LARGE`] bytes.
    Large,
}

impl Tool {
    fn name(self) -> Cow<'static, str> {
        match self {
            Self::Echo => "echo".into(),
            Self::PrefixedEcho => "first_echo".into(),
            Self::DashedEcho => "first-echo".into(),
            Self::EchoOf(0) => Self::PrefixedEcho.name(),
            Self::EchoOf(number) => format!("server{number}_echo").into(),
            Self::Bad => "bad_echo".into(),
            Self::Add => "add".into(),
            Self::Large => "large".into(),
        }
    }

    fn arguments(self) -> Value {
        match self {
            Self::Echo | Self::PrefixedEcho | Self::DashedEcho | Self::EchoOf(_) | Self::Bad => {
                json!({ "text": TEXT })
            }
            Self::Add => json!({ "a": 2.5, "b": 4 }),
            Self::Large => json!({}),
        }
    }
}

/// The first id; the others have as many digits, so that all requests have the same size.
const FIRST: usize = 1_000_000;
const DIGITS: usize = 7;

/// How long ours are waited for: someone under valgrind takes its time.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A persistent connection, and with a legacy server its session.
pub(super) struct Client {
    connection: Connection,
    /// Of every request.
    headers: String,
    era: Era,
    request: Request,
}

impl Client {
    /// Connects to `port` of this machine to call `tool`, and opens a session where the era has them. No answer is waited
    /// for longer than `patience`.
    ///
    /// # Errors
    /// When nobody listens there, or does not speak `era`.
    pub(super) fn connect(port: u16, era: Era, tool: Tool, patience: Duration) -> Result<Self, Failure> {
        Self::with_headers(port, "", era, tool, patience)
    }

    /// The same with these lines of headers in every request.
    ///
    /// # Errors
    /// As of [`Client::connect`].
    pub(super) fn with_headers(
        port: u16,
        headers: &str,
        era: Era,
        tool: Tool,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let mut connection = Connection::open(port, patience)?;
        let headers = match era {
            Era::Modern => format!("{headers}MCP-Protocol-Version: {}\r\n", era.revision()),
            Era::Legacy => initialize(&mut connection, headers, &json!({}))?,
        };
        Ok(Self::new(connection, headers, era, tool))
    }

    /// Connects to `port` of this machine, and opens a session that declares `capabilities`.
    ///
    /// # Errors
    /// When nobody listens there, or there are no sessions.
    pub(super) fn declaring(port: u16, capabilities: &Value, tool: Tool) -> Result<Self, Failure> {
        let mut connection = Connection::open(port, PATIENCE)?;
        let headers = initialize(&mut connection, "", capabilities)?;
        Ok(Self::new(connection, headers, Era::Legacy, tool))
    }

    fn new(connection: Connection, headers: String, era: Era, tool: Tool) -> Self {
        let request = Request::new(&connection, &headers, era, tool);
        Self { connection, headers, era, request }
    }

    /// Calls `tool` once, sees that its answer is a result with what it says, and keeps that.
    ///
    /// # Errors
    /// When it is something else, or the connection breaks.
    pub(super) fn learn(&mut self, tool: Tool) -> Result<Expected, Failure> {
        let mut request = Request::new(&self.connection, &self.headers, self.era, tool);
        self.connection.send(request.numbered(FIRST))?;
        let body = self.connection.receive()?;
        expected::check(body, self.era, tool)?;
        Ok(Expected::again(body))
    }

    /// Calls, and sees that the answer is as `expected`.
    ///
    /// # Errors
    /// When it is not, or the connection breaks.
    pub(super) fn call(&mut self, expected: &Expected, id: usize) -> Result<(), Failure> {
        self.send(id)?;
        self.expect(expected, id)
    }

    /// The first half of [`Client::call`].
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) fn send(&mut self, id: usize) -> Result<(), Failure> {
        self.connection.send(self.request.numbered(id))
    }

    /// The second half of [`Client::call`].
    ///
    /// # Errors
    /// When the answer is another one, or the connection breaks.
    pub(super) fn expect(&mut self, expected: &Expected, id: usize) -> Result<(), Failure> {
        let body = self.connection.receive()?;
        if expected.is(body, id) {
            return Ok(());
        }
        let start = String::from_utf8_lossy(&body[..body.len().min(500)]);
        Err(format!("the answer to request {id} begins\n{start}\nbut expected was {expected}").into())
    }

    /// The first page of the tools, as text: in a session the only one.
    ///
    /// # Errors
    /// When the answer is none, or the connection breaks.
    pub(super) fn tools(&mut self) -> Result<&[u8], Failure> {
        let body = json!({"jsonrpc": "2.0", "id": FIRST, "method": "tools/list", "params": meta(self.era)});
        let body = body.to_string();
        let mut headers = self.headers.clone();
        if self.era == Era::Modern {
            headers += "Mcp-Method: tools/list\r\n";
        }
        self.connection.send((self.connection.head("POST", &headers, body.len()) + &body).as_bytes())?;
        self.connection.receive()
    }

    /// Lists until there are so many tools, and returns the size of that list. For a session: others have pages.
    ///
    /// # Errors
    /// When there are not so many in time.
    pub(super) fn until_listed(&mut self, tools: usize) -> Result<usize, Failure> {
        let (mark, start) = (b"\"inputSchema\"", Instant::now());
        while start.elapsed() < PATIENCE {
            let list = self.tools()?;
            if list.windows(mark.len()).filter(|part| part == mark).count() == tools {
                return Ok(list.len());
            }
        }
        Err(format!("{tools} tools are not listed").into())
    }

    /// Ends the session, if there is one: a server may hold much for it, even a process.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) fn close(mut self) -> Result<(), Failure> {
        if self.era == Era::Modern {
            return Ok(());
        }
        let head = self.connection.head("DELETE", &self.headers, 0);
        self.connection.send(head.as_bytes())?;
        // Whether sessions can be ended is the server's choice.
        self.connection.receive_any().map(drop)
    }
}

/// Calls `tool` on a connection of its own, which asks for log messages, and closes it when the answer has ended, or when `time` has
/// passed.
///
/// # Errors
/// When nobody listens there, or the connection breaks.
pub(super) fn abandoned_call(port: u16, tool: Tool, time: Duration) -> Result<(), Failure> {
    let mut connection = Connection::open(port, time)?;
    let headers = format!("MCP-Protocol-Version: {}\r\nConnection: close\r\n", Era::Modern.revision());
    let mut params = meta(Era::Modern);
    params["_meta"]["io.modelcontextprotocol/logLevel"] = json!("debug");
    connection.send(Request::with(&connection, &headers, (Era::Modern, tool), params).numbered(FIRST))?;
    connection.discard(time)
}

/// Opens a session that declares `capabilities`, and returns the headers of what is sent in it.
fn initialize(connection: &mut Connection, headers: &str, capabilities: &Value) -> Result<String, Failure> {
    let version = Era::Legacy.revision();
    let info = json!({"name": "bench", "version": "1"});
    let params = json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": info});
    let open = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string();
    connection.send((connection.head("POST", headers, open.len()) + &open).as_bytes())?;
    connection.receive()?;
    let mut headers = format!("{headers}MCP-Protocol-Version: {version}\r\n");
    // Whether there are sessions is the server's choice.
    if let Some(session) = connection.header("mcp-session-id") {
        headers += &format!("Mcp-Session-Id: {session}\r\n");
    }
    let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    connection.send((connection.head("POST", &headers, ready.len()) + ready).as_bytes())?;
    connection.receive()?;
    Ok(headers)
}

/// The params that every request of this era has.
fn meta(era: Era) -> Value {
    match era {
        Era::Modern => json!({"_meta": {
            "io.modelcontextprotocol/protocolVersion": era.revision(),
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1.0.0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }}),
        Era::Legacy => json!({}),
    }
}

/// A request whose id can be changed in place.
struct Request {
    bytes: Vec<u8>,
    id: Range<usize>,
}

impl Request {
    fn new(connection: &Connection, headers: &str, era: Era, tool: Tool) -> Self {
        Self::with(connection, headers, (era, tool), meta(era))
    }

    /// With these params beside the tool and its arguments.
    fn with(connection: &Connection, headers: &str, (era, tool): (Era, Tool), mut params: Value) -> Self {
        let name = tool.name();
        params["name"] = json!(name);
        params["arguments"] = tool.arguments();
        let mut headers = headers.to_owned();
        if era == Era::Modern {
            headers += &format!("Mcp-Method: tools/call\r\nMcp-Name: {name}\r\n");
        }
        let body =
            json!({"jsonrpc": "2.0", "id": FIRST, "method": "tools/call", "params": params}).to_string();
        let head = connection.head("POST", &headers, body.len());
        let id = head.len() + body.find(&FIRST.to_string()).unwrap_or_default();
        Self { bytes: (head + &body).into_bytes(), id: id..id + DIGITS }
    }

    fn numbered(&mut self, id: usize) -> &[u8] {
        self.bytes[self.id.clone()].copy_from_slice(&digits(id));
        &self.bytes
    }
}

/// The last digits of `id`, the first of which is no 0: a number of JSON does not begin with one.
fn digits(id: usize) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    let mut rest = id;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn requests_differ_in_their_id_alone() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = Client::connect(port, Era::Modern, Tool::Echo, PATIENCE).unwrap();
        let first = client.request.numbered(FIRST).to_vec();
        let second = client.request.numbered(1_234_567).to_vec();
        let text = String::from_utf8(second.clone()).unwrap();
        assert!(text.contains(r#""id":1234567,"method":"tools/call""#), "{text}");
        assert_eq!(first.len(), second.len());
        assert_eq!(text.replace("1234567", "1000000").into_bytes(), first);
    }
}
