//! A client of either era that calls one tool again and again, and sees that each answer is the one to its call.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};

use crate::Failure;

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

/// What the tool `large` says.
pub(super) const LARGE: usize = 1_000_000;

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// It says the text again that it is given.
    Echo,
    /// It says [`LARGE`] bytes.
    Large,
}

/// Ids have so many digits, so that all requests have the same size.
const FIRST: usize = 1_000_000;

/// Someone under valgrind, or installing itself, takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is kept, and with an older server its session.
pub(super) struct Caller {
    stream: BufReader<TcpStream>,
    tool: Tool,
    request: Vec<u8>,
    /// Where the id stands.
    id: usize,
    body: Vec<u8>,
}

impl Caller {
    /// Connects to `port` of this machine, and opens a session where the era has them.
    ///
    /// # Errors
    /// When nobody listens there, or does not speak `era`.
    pub(super) fn connect(port: u16, era: Era, tool: Tool) -> Result<Self, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let stream = BufReader::with_capacity(256 * 1024, stream);
        let mut caller = Self { stream, tool, request: Vec::new(), id: 0, body: Vec::new() };
        let (name, arguments) = match tool {
            Tool::Echo => ("echo", json!({"text": TEXT})),
            Tool::Large => ("large", json!({})),
        };
        let mut params = json!({"name": name, "arguments": arguments});
        let headers = match era {
            Era::Modern => {
                params["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": era.revision(),
                    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1.0.0"},
                    "io.modelcontextprotocol/clientCapabilities": {},
                });
                format!(
                    "MCP-Protocol-Version: {}\r\nMcp-Method: tools/call\r\nMcp-Name: {name}\r\n",
                    era.revision()
                )
            }
            Era::Legacy => caller.open(port)?,
        };
        let call =
            json!({"jsonrpc": "2.0", "id": FIRST, "method": "tools/call", "params": params}).to_string();
        let head = head(port, &headers, &call);
        caller.id = head.len() + call.find(&FIRST.to_string()).unwrap_or_default();
        caller.request = (head + &call).into_bytes();
        Ok(caller)
    }

    /// Opens a session, and returns the headers of what is sent in it.
    fn open(&mut self, port: u16) -> Result<String, Failure> {
        let version = Era::Legacy.revision();
        let info = json!({"name": "bench", "version": "1"});
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": info});
        let open = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string();
        self.stream.get_mut().write_all((head(port, "", &open) + &open).as_bytes())?;
        let session = self.receive()?.ok_or("initialize was answered without a session")?;
        let headers = format!("MCP-Protocol-Version: {version}\r\nMcp-Session-Id: {session}\r\n");
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.stream.get_mut().write_all((head(port, &headers, ready) + ready).as_bytes())?;
        self.receive()?;
        Ok(headers)
    }

    /// Calls, and sees that the answer is right.
    ///
    /// # Errors
    /// When it is not, or the connection breaks.
    pub(super) fn call(&mut self, id: usize) -> Result<(), Failure> {
        self.send(id)?;
        self.expect(id)
    }

    /// The first half of [`Caller::call`].
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) fn send(&mut self, id: usize) -> Result<(), Failure> {
        let digits = id.to_string();
        self.request[self.id..self.id + digits.len()].copy_from_slice(digits.as_bytes());
        Ok(self.stream.get_mut().write_all(&self.request)?)
    }

    /// The second half of [`Caller::call`].
    ///
    /// # Errors
    /// When the answer is another one, or the connection breaks.
    pub(super) fn expect(&mut self, id: usize) -> Result<(), Failure> {
        self.receive()?;
        let digits = id.to_string();
        let right = contains(&self.body, digits.as_bytes())
            && match self.tool {
                Tool::Echo => contains(&self.body, TEXT.as_bytes()),
                Tool::Large => self.body.len() > LARGE,
            };
        if right {
            return Ok(());
        }
        let start = String::from_utf8_lossy(&self.body[..self.body.len().min(500)]);
        Err(format!("this does not answer call {id} of {:?}: {start}", self.tool).into())
    }

    /// Reads the call's answer once as JSON: that it is a result.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        self.call(FIRST)?;
        let text = String::from_utf8_lossy(&self.body);
        // Some answer with an event.
        let json =
            text.lines().find_map(|line| line.strip_prefix("data:").filter(|data| data.contains("result")));
        let answer: Value = serde_json::from_str(json.unwrap_or(&text))?;
        if answer["result"]["content"][0]["text"].is_string() && answer["result"]["isError"] != true {
            return Ok(());
        }
        Err(format!("not a result: {answer:.500}").into())
    }

    /// Reads an answer into the buffer; returns the session that it opens, if it does.
    fn receive(&mut self) -> Result<Option<String>, Failure> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut length, mut pieces, mut session) = (None, false, None);
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the connection was closed".into());
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = Some(value.trim().parse()?),
                "transfer-encoding" => pieces = true,
                "mcp-session-id" => session = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        self.body.clear();
        match length {
            Some(length) => {
                self.body.resize(length, 0);
                self.stream.read_exact(&mut self.body)?;
            }
            // What is only taken may have an empty body, in pieces or without a word.
            None if pieces => self.receive_pieces()?,
            None => {}
        }
        if status.starts_with("20") {
            return Ok(session);
        }
        Err(format!("HTTP status {status}: {}", String::from_utf8_lossy(&self.body)).into())
    }

    /// A body of which nobody said how long it is.
    fn receive_pieces(&mut self) -> Result<(), Failure> {
        let mut line = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16)?;
            let start = self.body.len();
            self.body.resize(start + size, 0);
            self.stream.read_exact(&mut self.body[start..])?;
            line.clear();
            self.stream.read_line(&mut line)?;
            if size == 0 {
                return Ok(());
            }
        }
    }
}

fn head(port: u16, headers: &str, body: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
