//! A client of our own: it knows what the next answer must be, to the byte, and spends little on seeing that it is.

use std::{
    fmt,
    io::{Read as _, Write as _},
    net::TcpStream,
    ops::Range,
    time::Duration,
};

use serde_json::{Value, json};

use crate::Failure;

const TEXT: &str = "The quick brown fox jumps over the lazy dog";

/// The first id; the others have as many digits, so that all requests have the same size.
const FIRST: usize = 1_000_000;
const DIGITS: usize = 7;

/// A server under valgrind takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A tool that every server has, and what it is called with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tool {
    Echo,
    Add,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Add => "add",
        }
    }

    fn arguments(self) -> Value {
        match self {
            Self::Echo => json!({ "text": TEXT }),
            Self::Add => json!({ "a": 2.5, "b": 4 }),
        }
    }
}

/// A connection that is kept.
pub(super) struct Client {
    stream: TcpStream,
    port: u16,
    /// Calls `echo`.
    request: Request,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to `port` of this machine.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(super) fn connect(port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, port, request: Request::new(Tool::Echo, port), buffer: vec![0; 16 * 1024] })
    }

    /// Calls `tool` for the first time, and keeps what it says.
    ///
    /// # Errors
    /// When the call is refused or the connection breaks.
    pub(super) fn learn(&mut self, tool: Tool) -> Result<Answer, Failure> {
        let mut request = Request::new(tool, self.port);
        self.stream.write_all(request.numbered(FIRST))?;
        let body = self.receive()?;
        Ok(Answer::new(self.buffer[body].to_vec()))
    }

    /// Calls `echo` and sees that the answer is as `expected`.
    ///
    /// # Errors
    /// When it is not, or the connection breaks.
    pub(super) fn call(&mut self, expected: &Answer, id: usize) -> Result<(), Failure> {
        self.send(id)?;
        self.expect(expected, id)
    }

    /// The first half of [`Client::call`].
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) fn send(&mut self, id: usize) -> Result<(), Failure> {
        Ok(self.stream.write_all(self.request.numbered(id))?)
    }

    /// The second half of [`Client::call`].
    ///
    /// # Errors
    /// When the answer is another one, or the connection breaks.
    pub(super) fn expect(&mut self, expected: &Answer, id: usize) -> Result<(), Failure> {
        let body = self.receive()?;
        let body = &self.buffer[body];
        if expected.is(body, id) {
            return Ok(());
        }
        let body = String::from_utf8_lossy(body);
        Err(format!("the answer to request {id} is\n{body}\nbut the first one was\n{expected}").into())
    }

    /// Reads one answer and returns where its body stands in the buffer.
    fn receive(&mut self) -> Result<Range<usize>, Failure> {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                return Err("the server closed the connection, or its answer is too large".into());
            }
            filled += read;
            if let Some(body) = body(&self.buffer[..filled])? {
                return Ok(body);
            }
        }
    }
}

/// Where the body of the response in `bytes` stands; `None` when there is more to come.
fn body(bytes: &[u8]) -> Result<Option<Range<usize>>, Failure> {
    let text = std::str::from_utf8(bytes)?;
    let Some(end) = text.find("\r\n\r\n") else { return Ok(None) };
    let mut lines = text[..end].split("\r\n");
    if lines.next().and_then(|line| line.split(' ').nth(1)) != Some("200") {
        return Err(format!("the call was refused:\n{text}").into());
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value.trim())
    });
    let length: usize = length.ok_or("the answer is a stream; JSON was expected")?.parse()?;
    let body = end + 4..end + 4 + length;
    if bytes.len() > body.end {
        return Err("there is more than one answer".into());
    }
    Ok((bytes.len() == body.end).then_some(body))
}

/// A request whose id can be changed in place.
struct Request {
    bytes: Vec<u8>,
    id: Range<usize>,
}

impl Request {
    fn new(tool: Tool, port: u16) -> Self {
        let name = tool.name();
        let body = json!({
            "jsonrpc": "2.0",
            "id": FIRST,
            "method": "tools/call",
            "params": {
                "name": name,
                "arguments": tool.arguments(),
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1.0.0" },
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        })
        .to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {name}\r\n\r\n",
            body.len()
        );
        let bytes = (head.clone() + &body).into_bytes();
        let id = head.len() + body.find(&FIRST.to_string()).unwrap_or_default();
        Self { bytes, id: id..id + DIGITS }
    }

    fn numbered(&mut self, id: usize) -> &[u8] {
        self.bytes[self.id.clone()].copy_from_slice(&digits(id));
        &self.bytes
    }
}

/// What a server answers, but for the id.
#[derive(Debug)]
pub(super) struct Answer {
    body: Vec<u8>,
    /// Where the id stands; `None` if it never changes.
    id: Option<usize>,
}

impl Answer {
    /// An answer to the first request.
    fn new(body: Vec<u8>) -> Self {
        let id = body.windows(DIGITS).position(|window| window == digits(FIRST));
        Self { body, id }
    }

    /// The answer of a server that always says the same, whatever the id.
    pub(super) fn constant(self) -> Self {
        Self { id: None, ..self }
    }

    fn is(&self, body: &[u8], id: usize) -> bool {
        let Some(start) = self.id else { return body == self.body };
        let end = start + DIGITS;
        body.len() == self.body.len()
            && body[..start] == self.body[..start]
            && body[start..end] == digits(id)
            && body[end..] == self.body[end..]
    }

    /// Sees that it is a result with the text.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn check_echo(&self) -> Result<(), Failure> {
        let result = self.result()?;
        if result["content"] == json!([{ "type": "text", "text": TEXT }]) {
            return Ok(());
        }
        Err(format!("not the text that was sent: {self}").into())
    }

    /// Sees that it is a result with the sum.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn check_add(&self) -> Result<(), Failure> {
        if self.result()?["structuredContent"]["sum"].as_f64() == Some(6.5) {
            return Ok(());
        }
        Err(format!("not the sum: {self}").into())
    }

    fn result(&self) -> Result<Value, Failure> {
        let mut answer: Value = serde_json::from_slice(&self.body)?;
        let result = answer["result"].take();
        let is_error = result["isError"].as_bool().unwrap_or_default();
        if answer["id"] != json!(FIRST) || result["resultType"] != "complete" || is_error {
            return Err(format!("not a result: {self}").into());
        }
        Ok(result)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.body))
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
    use super::*;

    fn answer(id: usize, text: &str) -> Vec<u8> {
        let content = json!([{ "type": "text", "text": text }]);
        let result = json!({ "resultType": "complete", "content": content, "isError": false });
        json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string().into_bytes()
    }

    #[test]
    fn an_answer_differs_in_its_id_alone() {
        let first = Answer::new(answer(FIRST, TEXT));
        first.check_echo().unwrap();
        assert!(first.check_add().is_err());
        assert!(first.is(&answer(1_234_567, TEXT), 1_234_567));
        assert!(!first.is(&answer(1_234_567, TEXT), 1_234_568));
        assert!(!first.is(&answer(1_234_567, "the quick"), 1_234_567));
        assert!(!first.is(b"", 1_234_567));
        assert!(Answer::new(answer(FIRST, "another")).check_echo().is_err());
        assert!(Answer::new(answer(7, TEXT)).check_echo().is_err());
    }

    #[test]
    fn the_answer_of_a_constant_server_keeps_its_id() {
        let first = Answer::new(answer(FIRST, TEXT)).constant();
        assert!(first.is(&answer(FIRST, TEXT), 1_234_567));
        assert!(!first.is(&answer(1_234_567, TEXT), 1_234_567));
    }

    #[test]
    fn requests_differ_in_their_id_alone() {
        let mut request = Request::new(Tool::Echo, 8000);
        let first = request.numbered(FIRST).to_vec();
        let second = request.numbered(1_234_567).to_vec();
        let text = String::from_utf8(second.clone()).unwrap();
        assert!(text.contains(r#""id":1234567,"method":"tools/call""#), "{text}");
        assert_eq!(first.len(), second.len());
        assert_eq!(text.replace("1234567", "1000000").into_bytes(), first);
    }

    #[test]
    fn a_response_is_whole_when_its_body_is() {
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..response.len() {
            assert_eq!(body(&response[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(body(response).unwrap(), Some(response.len() - 2..response.len()));
        assert!(body(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{}").is_err());
        assert!(body(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(body(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").is_err());
    }
}
