//! How a quirk is written down.
//!
//! ```text
//! # A comment, between requests.
//! @ compat vscode
//!
//! POST /mcp HTTP/1.1
//! Host: {host}
//! Content-Length: {length}
//!
//! {"jsonrpc":"2.0", ...}
//! => 200
//! => {session} Mcp-Session-Id
//! => /result/serverInfo/name "quirks"
//! ```
//!
//! `@` sets up the server: `compat NAME`, `era modern|legacy`, `token SECRET`, `allow-origin ORIGIN`. A request is sent
//! as it stands, with `{host}`, `{length}` and what was kept before filled in; on pipes it is one line behind `> `.
//! After it stands what its answer must be: a status; `no HEADER`; `HEADER: VALUE`; `/POINTER JSON` (RFC 6901) in the
//! body; either with ` ~ TEXT` in the place of the value when that need only be part of it. `{NAME} HEADER` keeps the
//! value of a header.

use std::fmt;

use serde_json::Value;

/// A quirk.
#[derive(Debug, Default)]
pub(crate) struct Fixture {
    pub(crate) setup: Vec<(String, String)>,
    pub(crate) exchanges: Vec<Exchange>,
}

/// A request, and what must come of it.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// The number of its first line.
    pub(crate) line: usize,
    /// The request line and the headers, or nothing on a pipe.
    pub(crate) head: Vec<String>,
    pub(crate) body: String,
    pub(crate) expected: Vec<Expected>,
}

/// One thing that must hold of an answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Expected {
    Status(u16),
    Absent(String),
    Kept { name: String, header: String },
    Header { name: String, value: Text },
    Member { pointer: String, value: Wanted },
}

/// What a header must be.
#[derive(Debug, PartialEq)]
pub(crate) enum Text {
    Is(String),
    Contains(String),
}

/// What a member must be.
#[derive(Debug, PartialEq)]
pub(crate) enum Wanted {
    Is(Value),
    Contains(String),
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Fixture {
    pub(crate) fn parse(text: &str) -> Self {
        let mut fixture = Self::default();
        let mut lines = text.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let wrong = |what: &str| -> ! { panic!("line {}: {what}: {line}", number + 1) };
            if line.is_empty() || line.starts_with('#') {
                continue;
            } else if let Some(setting) = line.strip_prefix("@ ") {
                let (name, value) = setting.split_once(' ').unwrap_or_else(|| wrong("no value"));
                fixture.setup.push((name.into(), value.into()));
            } else if let Some(expected) = line.strip_prefix("=> ") {
                let exchange = fixture.exchanges.last_mut().unwrap_or_else(|| wrong("no request"));
                exchange.expected.push(Expected::parse(expected).unwrap_or_else(|| wrong("not understood")));
            } else if let Some(body) = line.strip_prefix("> ") {
                fixture.exchanges.push(Exchange {
                    line: number + 1,
                    body: body.into(),
                    ..Exchange::default()
                });
            } else {
                let mut head = vec![line.to_owned()];
                head.extend(
                    lines.by_ref().map_while(|(_, line)| (!line.is_empty()).then(|| line.to_owned())),
                );
                let mut body = Vec::new();
                while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("=>")) {
                    body.push(line);
                }
                let body = body.join("\n");
                fixture.exchanges.push(Exchange { line: number + 1, head, body, expected: Vec::new() });
            }
        }
        assert!(!fixture.exchanges.is_empty(), "nothing is sent");
        fixture
    }
}

impl Expected {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(status) = text.parse() {
            return Some(Self::Status(status));
        }
        if let Some(name) = text.strip_prefix("no ") {
            return Some(Self::Absent(name.into()));
        }
        if let Some((name, header)) = text.strip_prefix('{').and_then(|rest| rest.split_once("} ")) {
            return Some(Self::Kept { name: name.into(), header: header.into() });
        }
        let part = text.split_once(" ~ ");
        if text.starts_with('/') {
            let (pointer, value) = match part {
                Some((pointer, part)) => (pointer, Wanted::Contains(part.into())),
                None => {
                    let (pointer, value) = text.split_once(' ')?;
                    (pointer, Wanted::Is(serde_json::from_str(value).ok()?))
                }
            };
            return Some(Self::Member { pointer: pointer.into(), value });
        }
        let (name, value) = match part {
            Some((name, part)) => (name, Text::Contains(part.into())),
            None => {
                let (name, value) = text.split_once(": ")?;
                (name, Text::Is(value.into()))
            }
        };
        Some(Self::Header { name: name.into(), value })
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, answer: &Answer) -> bool {
        match self {
            Self::Status(status) => answer.status == *status,
            Self::Absent(name) => answer.header(name).is_none(),
            Self::Kept { header, .. } => answer.header(header).is_some(),
            Self::Header { name, value } => answer.header(name).is_some_and(|found| match value {
                Text::Is(value) => found == value,
                Text::Contains(part) => found.contains(part),
            }),
            Self::Member { pointer, value } => {
                let body = answer.json();
                match (body.pointer(pointer), value) {
                    (Some(found), Wanted::Is(value)) => found == value,
                    (Some(Value::String(found)), Wanted::Contains(part)) => found.contains(part),
                    _ => false,
                }
            }
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The message in it: the body, or the last event of a stream.
    fn json(&self) -> Value {
        let last = self.body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
        serde_json::from_str(last.unwrap_or(&self.body)).unwrap_or(Value::Null)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", self.body)
    }
}
