//! A client of the REST interface, which is HTTP and JSON and nothing else.

use std::{io, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::site::Site;

/// A client of a site.
#[derive(Clone, Debug)]
pub struct Plain {
    address: std::net::SocketAddr,
    prefix: String,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// How long it waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

impl Plain {
    /// A client of `site`.
    pub fn of(site: &Site) -> Self {
        Self { address: site.address(), prefix: site.path(""), headers: Vec::new() }
    }

    /// A client of what listens at `address`.
    pub fn at(address: std::net::SocketAddr) -> Self {
        Self { address, prefix: String::new(), headers: Vec::new() }
    }

    /// Sends this header with every request. Of `Content-Type` and `Host`, it stands in the place of ours.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Presents a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// A connection on which a request was sent.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn begin(&self, method: &str, path: &str, body: &str) -> io::Result<TcpStream> {
        let mut text = format!("{method} {}{path} HTTP/1.1\r\nConnection: close\r\n", self.prefix);
        let names = |name: &str| self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !names("Host") {
            text += &format!("Host: {}\r\n", self.address);
        }
        if method == "POST" {
            text += &format!("Content-Length: {}\r\n", body.len());
            if !names("Content-Type") {
                text += "Content-Type: application/json\r\n";
            }
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(format!("{text}\r\n{body}").as_bytes()).await?;
        Ok(stream)
    }

    /// Sends a request, and reads all that comes back.
    ///
    /// # Errors
    /// When what comes back is no HTTP response, or nothing comes.
    pub async fn ask(&self, method: &str, path: &str, body: &str) -> io::Result<Response> {
        let exchange = async {
            let mut stream = self.begin(method, path, body).await?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await?;
            Response::parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| {
                io::Error::other(format!("no response: {:?}", String::from_utf8_lossy(&bytes)))
            })
        };
        timeout(PATIENCE, exchange).await?
    }

    /// Posts `body` as a call.
    ///
    /// # Errors
    /// As above.
    pub async fn post(&self, body: &str) -> io::Result<Response> {
        self.ask("POST", "/mcp/call", body).await
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// As above.
    pub async fn tool(&self, name: &str, arguments: &Value) -> io::Result<Response> {
        self.post(&json!({"method": name, "params": arguments, "id": name}).to_string()).await
    }
}

impl Response {
    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers: Vec<_> = lines.map(header).collect::<Option<_>>()?;
        let mut response = Self { status, headers, body: body.to_owned() };
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = unchunked(body)?;
        }
        Some(response)
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The code of the error in it.
    pub fn code(&self) -> Option<i64> {
        self.json()["error"]["code"].as_i64()
    }
}

/// What the chunks of a body hold; nothing when it broke off.
fn unchunked(mut chunks: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, rest) = chunks.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        body += rest.get(..size)?;
        if size == 0 {
            return Some(body);
        }
        chunks = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}
