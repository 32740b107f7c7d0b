//! Just enough of HTTP/1.1 to see every byte of an answer.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::{PATIENCE, modern, until};

/// A server on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) authority: String,
    pub(crate) path: String,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A connection on which an answer arrives.
pub(crate) struct Connection(pub(crate) BufReader<TcpStream>);

impl Server {
    pub(crate) fn at(url: &str) -> Self {
        let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        Self { authority: authority.to_owned(), path: format!("/{path}") }
    }

    /// Of the MCP endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a request. `Host` is ours unless `headers` have one.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Connection {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request += &format!("Host: {}\r\n", self.authority);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut stream = self.connect();
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
        Connection(BufReader::new(stream))
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let close = [&[("Connection", "close")], headers].concat();
        let mut connection = self.send(method, path, &close, body);
        let (status, head) = connection.head();
        let mut body = String::new();
        connection.0.read_to_string(&mut body).unwrap();
        if head.contains("\r\ntransfer-encoding: chunked\r\n") {
            body = unchunked(&body);
        }
        Answer { status, head, body }
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, "")
    }

    /// Posts a message to the MCP endpoint, with the headers of its revision.
    pub(crate) fn post(&self, message: &Value, headers: &[(&str, &str)]) -> Answer {
        let own = headers_of(message);
        let own: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.ask("POST", &self.path, &[&own, headers].concat(), &message.to_string())
    }

    /// Calls a tool, which must not fail, and returns what it says.
    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> Value {
        let message = modern(1, "tools/call", json!({"name": tool, "arguments": arguments}));
        let answer = self.post(&message, &[]).json();
        assert_ne!(answer["result"]["isError"], true, "{answer}");
        answer["result"]["structuredContent"].clone()
    }

    /// Waits until all documents can be found.
    pub(crate) fn settled(&self) {
        until(|| self.call("search_docs", &json!({"query": "a"})), |answer| answer["indexing"] == false);
    }

    /// Posts a message whose answer is a stream, and reads on.
    pub(crate) fn open(&self, message: &Value) -> Connection {
        let own = headers_of(message);
        let own: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.send("POST", &self.path, &own, &message.to_string())
    }
}

/// What the chunks of a body hold.
fn unchunked(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let (chunk, rest) = rest.split_at(usize::from_str_radix(size, 16).unwrap());
        body += chunk;
        chunks = rest.strip_prefix("\r\n").unwrap();
    }
    body
}

fn headers_of(message: &Value) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("Content-Type", "application/json".to_owned()),
        ("Accept", "application/json, text/event-stream".to_owned()),
    ];
    if message["params"]["_meta"].is_object() {
        headers.push(("MCP-Protocol-Version", "2026-07-28".to_owned()));
        headers.push(("Mcp-Method", message["method"].as_str().unwrap().to_owned()));
        let name = message["params"]["name"].as_str().or(message["params"]["uri"].as_str());
        headers.extend(name.map(|name| ("Mcp-Name", name.to_owned())));
    }
    headers
}

impl Connection {
    /// Reads the status and the headers, their names in lower case.
    pub(crate) fn head(&mut self) -> (u16, String) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the answer ends in its head: {head}");
            head += &line;
        }
        (head[9..12].parse().unwrap(), head)
    }

    /// The next message of an event stream; `None` at its end.
    pub(crate) fn event(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The first event of a stream may have an id alone.
            if let Some(data) = line.strip_prefix("data: ").filter(|data| !data.trim().is_empty()) {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }
}
