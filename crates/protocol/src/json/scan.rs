//! One linear pass over a message before anything is built from it.
//!
//! `serde_json` takes the last of two equal keys when it builds a map, and a raw value has no depth limit at
//! all: two readers of one message may then act on different requests. So every message passes this scan
//! first, and what passes means the same to every reader.

use std::{borrow::Cow, fmt, ops::Range};

use smallvec::SmallVec;

use super::string;

limits! {
    /// The limits of a message. Each has an error of its own, so that a refusal names the limit that was hit.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Limits {
        /// The size of a message in bytes.
        #[default(4 MiB)]
        #[limit(
            Bytes "max_message_bytes",
            beyond = "HTTP 413; on standard input and a Unix socket an error, and the rest of the line is skipped; on a WebSocket 1009"
        )]
        pub bytes: usize,
        /// The levels of nesting, of which the outermost value is level 1; never more than [`Limits::MAX_DEPTH`].
        #[default(96)]
        #[limit(Count "max_depth", note = " levels", beyond = "-32600, HTTP 400")]
        pub depth: usize,
        /// The number of values of a message, containers included.
        #[default(500_000)]
        #[limit(Count "max_nodes", note = " values", beyond = "-32600, HTTP 400")]
        pub nodes: usize,
        /// The number of messages of an array, which exist in 2025-03-26.
        #[default(1_000)]
        #[limit(
            Count "max_batch", note = " messages of an array; 2025-03-26, and the [REST interface](rest.md)",
            beyond = "-32600, HTTP 400"
        )]
        pub batch: usize,
    }
}

impl Limits {
    /// The deepest nesting any configuration may allow: what `serde_json` follows before it refuses.
    pub const MAX_DEPTH: usize = 127;
}

/// Why a message was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at line {line}, column {column}")]
pub struct ScanError {
    /// The fault.
    pub kind: ScanErrorKind,
    /// Line of the first byte that is wrong, from 1.
    pub line: usize,
    /// Column of that byte within its line, in bytes, from 1.
    pub column: usize,
}

/// A fault of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanErrorKind {
    /// The text is not JSON; the words say what was expected.
    Grammar(&'static str),
    /// The bytes are not UTF-8.
    NotUtf8,
    /// An object has two members of one name (compared after unescaping).
    DuplicateKey(String),
    /// Over [`Limits::bytes`].
    TooLarge(usize),
    /// Over [`Limits::depth`].
    TooDeep(usize),
    /// Over [`Limits::nodes`].
    TooManyNodes(usize),
}

impl ScanErrorKind {
    /// Whether the text is no JSON at all (JSON-RPC "Parse error") rather than JSON that we refuse
    /// ("Invalid Request").
    pub fn is_parse_error(&self) -> bool {
        matches!(self, Self::Grammar(_) | Self::NotUtf8)
    }
}

impl fmt::Display for ScanErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grammar(expected) => write!(f, "not JSON: {expected}"),
            Self::NotUtf8 => write!(f, "not UTF-8"),
            Self::DuplicateKey(key) => write!(f, "duplicate key {key:?}"),
            Self::TooLarge(limit) => write!(f, "larger than {limit} bytes (max_message_bytes)"),
            Self::TooDeep(limit) => write!(f, "nested deeper than {limit} levels (max_depth)"),
            Self::TooManyNodes(limit) => write!(f, "more than {limit} values (max_nodes)"),
        }
    }
}

/// Checks that `text` is one JSON value within `limits` in which no object has two equal keys.
///
/// # Errors
/// The first thing that is wrong, with its position.
pub fn scan<'a>(text: &'a [u8], limits: &Limits) -> Result<&'a str, ScanError> {
    within(text, limits)?;
    let valid = std::str::from_utf8(text).map_err(|error| not_utf8(text, &error))?;
    run(valid, limits, None)?;
    Ok(valid)
}

/// Checks the size of a message.
pub(super) fn within(text: &[u8], limits: &Limits) -> Result<(), ScanError> {
    if text.len() <= limits.bytes {
        return Ok(());
    }
    Err(locate(text, ScanErrorKind::TooLarge(limits.bytes), limits.bytes))
}

pub(super) fn not_utf8(text: &[u8], error: &std::str::Utf8Error) -> ScanError {
    locate(text, ScanErrorKind::NotUtf8, error.valid_up_to())
}

/// Scans a message like [`scan`] and records the positions of the members that every request needs: those of the
/// message, of its `params`, and of their `_meta`. So no later code has to search for them.
///
/// # Errors
/// As [`scan`].
pub(crate) fn scan_message(text: &str, limits: &Limits, spans: &mut Spans) -> Result<(), ScanError> {
    run(text, limits, Some(spans))
}

/// Members, in the order in which they end. Those of an ordinary request need no allocation.
pub(crate) type Spans = SmallVec<[Span; 20]>;

/// Where a member lies in the text that was scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// RequestRoute member it is.
    pub(crate) of: Part,
    /// Its key, without the quotes, and whether anything in it is escaped.
    pub(crate) key: Range<usize>,
    pub(crate) escaped: bool,
    /// Its value.
    pub(crate) value: Range<usize>,
}

/// The parts of a message with recorded members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Message,
    Params,
    Meta,
}

impl Part {
    /// The part that the member `key` of this part is, if it is one.
    fn inside(self, key: &str) -> Option<Self> {
        match (self, key) {
            (Self::Message, "params") => Some(Self::Params),
            (Self::Params, "_meta") => Some(Self::Meta),
            _ => None,
        }
    }
}

fn run(text: &str, limits: &Limits, spans: Option<&mut Spans>) -> Result<(), ScanError> {
    let (valid, text) = (text, text.as_bytes());
    let fail = |kind, at| Err(locate(text, kind, at));
    let mut scanner = Scanner {
        text: valid,
        bytes: text,
        at: 0,
        nodes: 0,
        max_nodes: limits.nodes,
        max_depth: limits.depth.min(Limits::MAX_DEPTH),
        keys: SmallVec::new(),
        part: spans.is_some().then_some(Part::Message),
        spans,
    };
    scanner.space();
    if let Err(Stop(kind)) = scanner.value(1) {
        return fail(kind, scanner.at);
    }
    scanner.space();
    if scanner.at < text.len() {
        return fail(ScanErrorKind::Grammar("expected the end of the message"), scanner.at);
    }
    Ok(())
}

/// Finds line and column only once something is wrong: the good path never counts lines.
fn locate(text: &[u8], kind: ScanErrorKind, at: usize) -> ScanError {
    let before = &text[..at.min(text.len())];
    let line = 1 + memchr::memchr_iter(b'\n', before).count();
    let column = 1 + before.len() - memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    ScanError { kind, line, column }
}

/// The position of the fault is the scanner's own.
struct Stop(ScanErrorKind);

fn grammar<T>(expected: &'static str) -> Result<T, Stop> {
    Err(Stop(ScanErrorKind::Grammar(expected)))
}

/// A key's place in the text, without its quotes.
#[derive(Clone, Copy)]
struct Key {
    start: usize,
    end: usize,
    escaped: bool,
}

struct Scanner<'a, 's> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    nodes: usize,
    max_nodes: usize,
    max_depth: usize,
    /// The keys of every object that is still open, innermost last.
    keys: SmallVec<[Key; 24]>,
    /// The part that the next value is, if its members are to be noted.
    part: Option<Part>,
    spans: Option<&'s mut Spans>,
}

impl Scanner<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > self.max_nodes {
            return Err(Stop(ScanErrorKind::TooManyNodes(self.max_nodes)));
        }
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.container(depth, Self::object),
            Some(b'[') => self.container(depth, Self::array),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => grammar("expected a value"),
        }
    }

    fn container(
        &mut self,
        depth: usize,
        inside: fn(&mut Self, usize) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        // The recursion is as deep as the nesting, and this is its bound.
        if depth > self.max_depth {
            return Err(Stop(ScanErrorKind::TooDeep(self.max_depth)));
        }
        self.at += 1;
        self.space();
        inside(self, depth)
    }

    fn object(&mut self, depth: usize) -> Result<(), Stop> {
        let first_key = self.keys.len();
        let part = self.part.take();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return grammar("expected a key in double quotes");
            }
            let key = self.string()?;
            self.keys.push(key);
            self.space();
            if self.peek() != Some(b':') {
                return grammar("expected ':' after a key");
            }
            self.at += 1;
            self.space();
            match part {
                None => self.value(depth + 1)?,
                Some(part) => self.noted(part, key, depth)?,
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return grammar("expected ',' or '}'"),
            }
            self.space();
        }
        self.at += 1;
        self.unique(first_key)?;
        self.keys.truncate(first_key);
        Ok(())
    }

    /// Passes over a member's value and notes where it lies.
    fn noted(&mut self, of: Part, key: Key, depth: usize) -> Result<(), Stop> {
        self.part = of.inside(&self.name(&key));
        let start = self.at;
        self.value(depth + 1)?;
        // A value that is no object has no members to note.
        self.part = None;
        let (key, escaped, value) = (key.start..key.end, key.escaped, start..self.at);
        if let Some(spans) = &mut self.spans {
            spans.push(Span { of, key, escaped, value });
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), Stop> {
        // Members of objects inside an array are not recorded.
        self.part = None;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return grammar("expected ',' or ']'"),
            }
            self.space();
        }
        self.at += 1;
        Ok(())
    }

    /// Checks the keys of the object that just ended. Few keys are compared pair by pair; many are sorted,
    /// so that no choice of keys makes the scan more than linear times a logarithm.
    fn unique(&mut self, first_key: usize) -> Result<(), Stop> {
        let keys = &self.keys[first_key..];
        let twin = if keys.len() <= 8 {
            // Plain loops: every object passes here, and most have a handful of keys.
            let mut twin = None;
            for (index, key) in keys.iter().enumerate() {
                for other in &keys[..index] {
                    if self.equal(key, other) {
                        twin = twin.or(Some(*key));
                    }
                }
            }
            twin
        } else {
            let mut sorted: Vec<(Cow<'_, str>, Key)> =
                keys.iter().map(|key| (self.name(key), *key)).collect();
            sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.start.cmp(&b.1.start)));
            sorted.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1)
        };
        match twin {
            None => Ok(()),
            Some(key) => {
                let name = self.name(&key).into_owned();
                self.at = key.start - 1;
                Err(Stop(ScanErrorKind::DuplicateKey(name)))
            }
        }
    }

    fn equal(&self, a: &Key, b: &Key) -> bool {
        if a.escaped || b.escaped {
            return self.name(a) == self.name(b);
        }
        // Most keys of an object differ in length already.
        a.end - a.start == b.end - b.start && self.bytes[a.start..a.end] == self.bytes[b.start..b.end]
    }

    fn name(&self, key: &Key) -> Cow<'_, str> {
        let inside = &self.text[key.start..key.end];
        if key.escaped { string::unescape(inside) } else { inside.into() }
    }

    /// Skips a string with its opening quote next, and returns the range of its content.
    fn string(&mut self) -> Result<Key, Stop> {
        let start = self.at + 1;
        let mut escaped = false;
        self.at = start;
        loop {
            self.at += string::plain_run(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return grammar("control characters in strings must be escaped"),
                None => return grammar("expected '\"' at the end of a string"),
            }
        }
        let end = self.at;
        self.at += 1;
        Ok(Key { start, end, escaped })
    }

    fn escape(&mut self) -> Result<(), Stop> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => match self.unicode()? {
                0xd800..=0xdbff => {
                    let paired = self.bytes.get(self.at..self.at + 2) == Some(b"\\u");
                    if !paired || !(0xdc00..=0xdfff).contains(&self.unicode()?) {
                        return grammar("expected the second half of a surrogate pair");
                    }
                    Ok(())
                }
                0xdc00..=0xdfff => grammar("expected no lone half of a surrogate pair"),
                _ => Ok(()),
            },
            _ => grammar("unknown escape in a string"),
        }
    }

    /// Passes over `\uXXXX` and returns its value.
    fn unicode(&mut self) -> Result<u16, Stop> {
        let digits = self.bytes.get(self.at + 2..self.at + 6).unwrap_or_default();
        match string::hex4(digits) {
            Some(unit) => {
                self.at += 6;
                Ok(unit)
            }
            None => grammar("expected four hexadecimal digits after \\u"),
        }
    }

    fn number(&mut self) -> Result<(), Stop> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return grammar("expected a digit"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return grammar("expected a digit after '.'");
            }
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return grammar("expected a digit in the exponent");
            }
            self.digits();
        }
        Ok(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), Stop> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            grammar("expected a value")
        }
    }
}

#[cfg(test)]
mod tests;
