//! Reads a stream of events, however it is cut into pieces.
//!
//! The format is that of the HTML standard (WHATWG HTML, Server-sent events §9.2.5 and §9.2.6).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// Takes the bytes of an event stream as they come, and gives its events.
///
/// The data of an event that is one line, as every event of MCP is, shares the bytes that came in, unless they came in
/// pieces.
#[derive(Debug)]
pub(crate) struct Events {
    /// What came and is not read.
    input: Bytes,
    /// The beginning of a line whose end has not come.
    partial: BytesMut,
    /// Whether the last line ended with CR, so that an LF now belongs to it.
    after_cr: bool,
    /// Whether no line was read yet: the first may begin with a byte order mark.
    first: bool,
    event: Option<Bytes>,
    data: Option<Data>,
    /// The id that the next event will have; it stays from event to event.
    id: Option<Bytes>,
    retry: Option<Duration>,
    limit: usize,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type; `message` where the stream named none.
    pub(crate) kind: Bytes,
    /// Its data; several lines are joined by LF.
    pub(crate) data: Bytes,
}

/// An event is longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than the limit of {0} bytes (answer_max)")]
pub(crate) struct TooLarge(pub(crate) usize);

#[derive(Debug)]
enum Data {
    One(Bytes),
    Many(BytesMut),
}

impl Events {
    /// Reads events of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            input: Bytes::new(),
            partial: BytesMut::new(),
            after_cr: false,
            first: true,
            event: None,
            data: None,
            id: None,
            retry: None,
            limit,
        }
    }

    /// Takes the next piece of the stream. What was taken before should have been read with [`Events::next`].
    pub(crate) fn feed(&mut self, piece: Bytes) {
        if self.input.is_empty() {
            self.input = piece;
        } else {
            let mut both = BytesMut::from(std::mem::take(&mut self.input));
            both.extend_from_slice(&piece);
            self.input = both.freeze();
        }
    }

    /// The next event; `None` when more of the stream is needed.
    ///
    /// # Errors
    /// When an event is too large; the stream cannot be read on.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, TooLarge> {
        while let Some(line) = self.line()? {
            if let Some(event) = self.take(line)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The id of the newest event that had one; what `Last-Event-ID` must say. Empty ids are none.
    pub(crate) fn last_id(&self) -> Option<&Bytes> {
        self.id.as_ref().filter(|id| !id.is_empty())
    }

    /// How long to wait before coming back, as the stream said last.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The bytes in memory of the event that has begun.
    pub(crate) fn held(&self) -> usize {
        let kind = self.event.as_ref().map_or(0, Bytes::len);
        self.input.len() + self.partial.len() + kind + self.data_len()
    }

    /// Goes on with another stream after this one was cut: what was half read is forgotten, the last id and the time to
    /// wait are kept.
    pub(crate) fn restart(&mut self) {
        let (id, retry) = (self.id.take(), self.retry);
        *self = Self { id, retry, ..Self::new(self.limit) };
    }

    fn line(&mut self) -> Result<Option<Bytes>, TooLarge> {
        if self.after_cr && !self.input.is_empty() {
            self.after_cr = false;
            if self.input[0] == b'\n' {
                self.input = self.input.slice(1..);
            }
        }
        // However long a comment is, nothing of it is kept, in one piece or in several.
        let is_comment = self.partial.first().or(self.input.first()) == Some(&b':');
        let end = memchr2(b'\r', b'\n', &self.input);
        if !is_comment {
            self.room_for(self.partial.len() + end.unwrap_or(self.input.len()))?;
        }
        let Some(end) = end else {
            self.partial.extend_from_slice(&std::mem::take(&mut self.input));
            if is_comment {
                self.partial.truncate(1);
            }
            return Ok(None);
        };
        self.after_cr = self.input[end] == b'\r';
        let rest = self.input.slice(end + 1..);
        let line = std::mem::replace(&mut self.input, rest).slice(..end);
        let line = match self.partial.is_empty() {
            true => line,
            false => {
                self.partial.extend_from_slice(&line);
                std::mem::take(&mut self.partial).freeze()
            }
        };
        let first = std::mem::take(&mut self.first);
        Ok(Some(if first && line.starts_with(BOM) { line.slice(BOM.len()..) } else { line }))
    }

    fn take(&mut self, line: Bytes) -> Result<Option<Event>, TooLarge> {
        if line.is_empty() {
            let kind = self.event.take().filter(|kind| !kind.is_empty());
            let Some(data) = self.data.take() else { return Ok(None) };
            let data = match data {
                Data::One(line) => line,
                Data::Many(lines) => lines.freeze(),
            };
            return Ok(Some(Event { kind: kind.unwrap_or(Bytes::from_static(b"message")), data }));
        }
        let (name, value) = match memchr::memchr(b':', &line) {
            // A comment.
            Some(0) => return Ok(None),
            Some(colon) => {
                let value = colon + 1;
                let value = if line.get(value) == Some(&b' ') { value + 1 } else { value };
                (&line[..colon], line.slice(value..))
            }
            None => (&line[..], Bytes::new()),
        };
        match name {
            b"data" => {
                self.room_for(self.data_len() + value.len() + 1)?;
                self.data = Some(match self.data.take() {
                    None => Data::One(value),
                    Some(Data::One(first)) => {
                        let mut lines = BytesMut::with_capacity(first.len() + 1 + value.len());
                        lines.extend_from_slice(&first);
                        Data::Many(lines).and(&value)
                    }
                    Some(many) => many.and(&value),
                });
            }
            b"event" => self.event = Some(value),
            // "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the field value."
            // The line is copied: it would keep the whole piece in memory for as long as the stream lives.
            // One that would fill a request's headers is none: with it the stream could not be resumed.
            b"id" if value.len() > MAX_ID => self.id = None,
            b"id" if !value.contains(&0) => self.id = Some(Bytes::copy_from_slice(&value)),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let number = std::str::from_utf8(&value).ok().and_then(|digits| digits.parse().ok());
                self.retry = number.map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
        Ok(None)
    }

    fn data_len(&self) -> usize {
        match &self.data {
            None => 0,
            Some(Data::One(line)) => line.len(),
            Some(Data::Many(lines)) => lines.len(),
        }
    }

    fn room_for(&self, len: usize) -> Result<(), TooLarge> {
        // A field's name and the space before its value are not the event's.
        if len <= self.limit.saturating_add(8) { Ok(()) } else { Err(TooLarge(self.limit)) }
    }
}

impl Data {
    fn and(self, line: &[u8]) -> Self {
        let mut lines = match self {
            Self::One(first) => BytesMut::from(first),
            Self::Many(lines) => lines,
        };
        lines.extend_from_slice(b"\n");
        lines.extend_from_slice(line);
        Self::Many(lines)
    }
}

/// The longest id of an event, in bytes: servers take 8 KiB of headers, and some less.
const MAX_ID: usize = 4 << 10;

const BOM: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The events of `text` as (kind, data), and the last id.
    fn read(pieces: &[&[u8]]) -> (Vec<(String, String)>, Option<String>) {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let (mut events, mut all) = (Events::new(1 << 20), Vec::new());
        for piece in pieces {
            events.feed(Bytes::copy_from_slice(piece));
            while let Some(event) = events.next().unwrap() {
                all.push((text(&event.kind), text(&event.data)));
            }
        }
        (all, events.last_id().map(text))
    }

    /// The same by the standard's own words, over the whole text.
    fn expected(text: &str) -> (Vec<(String, String)>, Option<String>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
        let (mut all, mut id) = (Vec::new(), String::new());
        let (mut data, mut kind) = (String::new(), String::new());
        let Some(end) = text.rfind('\n') else { return (all, None) };
        for line in text[..end].split('\n') {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "" if line.is_empty() => {
                    let kind = std::mem::take(&mut kind);
                    if let Some(data) = std::mem::take(&mut data).strip_suffix('\n') {
                        let kind = if kind.is_empty() { "message".into() } else { kind };
                        all.push((kind, data.to_owned()));
                    }
                }
                "data" => data.extend([value, "\n"]),
                "event" => kind = value.into(),
                "id" if !value.contains('\0') => id = value.into(),
                _ => {}
            }
        }
        (all, Some(id).filter(|id| !id.is_empty()))
    }

    fn stream() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            "data: ?[a-z:{} ]{0,8}",
            Just("data".to_owned()),
            "id:[0-9a-z ]{0,3}",
            Just("id: a\0b".to_owned()),
            "event: ?[a-z]{0,5}",
            "retry: [0-9]{0,4}",
            ":[a-z ]{0,5}",
            "[a-zé:]{0,6}",
            Just(String::new()),
            Just(String::new()),
        ];
        let end = prop_oneof![Just("\n"), Just("\r"), Just("\r\n")];
        let lines = proptest::collection::vec((line, end), 0..24);
        (any::<bool>(), lines).prop_map(|(bom, lines)| {
            let lines = lines.into_iter().flat_map(|(line, end)| [line, end.to_owned()]);
            bom.then(|| "\u{feff}".to_owned()).into_iter().chain(lines).collect()
        })
    }

    proptest! {
        /// Invariant: An event stream has the same events however it is cut into pieces.
        #[test]
        fn a_stream_says_the_same_however_it_is_cut(
            text in stream(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(read(&pieces), expected(&text));
            let single: Vec<_> = bytes.chunks(1).collect();
            prop_assert_eq!(read(&single), expected(&text));
        }
    }

    #[test]
    fn data_of_one_line_is_not_copied() {
        let piece = Bytes::from_static(b"event: message\ndata: {\"a\":1}\n\n");
        let range = piece.as_ptr_range();
        let mut events = Events::new(100);
        events.feed(piece);
        let event = events.next().unwrap().unwrap();
        assert_eq!(&event.data[..], br#"{"a":1}"#);
        assert!(range.contains(&event.data.as_ptr()));
    }

    #[test]
    fn the_id_and_the_time_to_wait_outlive_a_cut_stream() {
        let mut events = Events::new(100);
        events.feed(Bytes::from_static(b"id: 7\nretry: 250\ndata:\n\nid: 8\ndata: half"));
        assert_eq!(events.next().unwrap().unwrap().data, "");
        assert_eq!(events.next(), Ok(None));
        events.restart();
        assert_eq!(
            (events.last_id().unwrap(), events.retry()),
            (&Bytes::from("8"), Some(Duration::from_millis(250)))
        );
        events.feed(Bytes::from_static(b"data: whole\n\n"));
        assert_eq!(events.next().unwrap().unwrap().data, "whole");
    }

    #[test]
    fn an_event_without_end_is_refused_at_the_limit() {
        let mut events = Events::new(1000);
        let mut fed = 0;
        let error = loop {
            events.feed(Bytes::from_static(b"data: 0123456789"));
            fed += 16;
            assert!(fed < 2000);
            if let Err(error) = events.next() {
                break error;
            }
        };
        assert_eq!(error, TooLarge(1000));
        // Lines that end, of an event that does not.
        let mut events = Events::new(1000);
        let refused = (0..200).any(|_| {
            events.feed(Bytes::from_static(b"data: 0123456789\n"));
            events.next().is_err()
        });
        assert!(refused);
        // Comments are of no event.
        let mut events = Events::new(1000);
        for _ in 0..200 {
            events.feed(Bytes::from_static(b": still working\n"));
            assert_eq!(events.next(), Ok(None));
        }
    }

    #[test]
    fn only_what_belongs_to_an_event_is_held() {
        let mut events = Events::new(100 << 10);
        let mut feed = |text: &str| {
            events.feed(Bytes::copy_from_slice(text.as_bytes()));
            let event = events.next().unwrap();
            (events.held(), event.map(|event| event.data.len()))
        };
        for _ in 0..100 {
            assert_eq!(feed(": a comment\n"), (0, None));
        }
        // A comment is discarded as it arrives, so its length has no limit.
        for _ in 0..10 {
            let (held, event) = feed(&format!(":{}", "x".repeat(50 << 10)));
            assert!(held <= 1 && event.is_none(), "{held}");
        }
        assert_eq!(feed("the end\n"), (0, None));
        assert_eq!(feed("data: 0123456789"), (16, None));
        assert_eq!(feed("\n: a comment\n"), (10, None));
        assert_eq!(feed("data: more\nretry: 1\n"), (15, None));
        assert_eq!(feed("\n"), (0, Some(15)));
    }

    #[test]
    fn an_id_that_no_header_can_carry_is_none() {
        let mut events = Events::new(1 << 20);
        events.feed(Bytes::from(format!("id: 1\ndata: a\n\nid: {}\ndata: b\n\n", "x".repeat(5_000))));
        assert!(events.next().unwrap().is_some());
        assert_eq!(events.last_id().unwrap(), "1");
        assert!(events.next().unwrap().is_some());
        assert_eq!(events.last_id(), None);
    }
}
