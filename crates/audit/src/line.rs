//! A record of a call as it is written: JSON in one step, from what the call is made of and what its caller sent.
//!
//! Its members are those of a [`Record`](crate::Record) with a [`Call`](crate::Call), in the same order. They are written without serde,
//! which looks at each byte of each name: every call has such a record.

use std::{borrow::Cow, cell::Cell, fmt, net::IpAddr};

use anyport_protocol::{
    Raw,
    json::{Members as Object, string},
};
use anyport_service::Principal;
use jiff::{Timestamp, fmt::temporal::DateTimePrinter};

use crate::{Outcome, Redaction, redacted_arguments::RedactedArguments};

/// What stands before the value of a member that is not the first of its object. Such names are our own and need no escapes.
macro_rules! name {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// What a record says of a call.
pub(crate) struct Line<'a> {
    pub(crate) at: Timestamp,
    /// The name of an [`Event`](crate::Event).
    pub(crate) event: &'static str,
    pub(crate) call: u64,
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) issuer: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) client: Option<Cow<'a, str>>,
    pub(crate) client_version: Option<Cow<'a, str>>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) revision: &'static str,
    pub(crate) method: Cow<'a, str>,
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) item: Option<Cow<'a, str>>,
    pub(crate) upstream: Option<&'a str>,
    pub(crate) cached: Option<bool>,
    pub(crate) arguments: Option<RedactedArguments<'a>>,
    pub(crate) arguments_omitted: Option<usize>,
    pub(crate) outcome: Option<&'a Outcome>,
    pub(crate) duration_us: Option<u64>,
    pub(crate) bytes_in: Option<u64>,
    pub(crate) bytes_out: Option<u64>,
    pub(crate) trace: Option<Cow<'a, str>>,
}

impl<'a> Line<'a> {
    /// The event `event` of now, of which nothing is known but its method.
    pub(crate) fn new(event: &'static str, call: u64, method: Cow<'a, str>) -> Self {
        Self {
            at: Timestamp::now(),
            event,
            call,
            principal: None,
            issuer: None,
            subject: None,
            client: None,
            client_version: None,
            address: None,
            revision: "",
            method,
            name: None,
            item: None,
            upstream: None,
            cached: None,
            arguments: None,
            arguments_omitted: None,
            outcome: None,
            duration_us: None,
            bytes_in: None,
            bytes_out: None,
            trace: None,
        }
    }

    /// By this caller.
    pub(crate) fn caller(self, principal: &'a Principal, address: Option<IpAddr>) -> Self {
        let (issuer, subject) = (principal.issuer(), principal.subject());
        Self { principal: Some(principal), issuer, subject, address, ..self }
    }

    /// Whose program calls itself this.
    pub(crate) fn client(mut self, info: Option<&'a Raw>, redaction: &Redaction) -> Self {
        let text = |value: &'a str| Some(string::unescape(value.strip_prefix('"')?.strip_suffix('"')?));
        let member = |name| text(Object::find(info?.as_str(), name)?);
        self.client = member("name").map(|name| redaction.text(name));
        self.client_version = member("version").map(|version| redaction.text(version));
        self
    }
}

/// The most memory that a thread keeps to write records in.
const KEPT: usize = 64 << 10;

thread_local! {
    /// Every call has a record: the memory for it stays.
    static WRITTEN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Line<'_> {
    /// What `take` makes of its JSON.
    pub(crate) fn with_json<T>(&self, take: impl FnOnce(&str) -> T) -> T {
        let mut members = Members(WRITTEN.take());
        members.0.clear();
        self.write(&mut members);
        // Only text was written.
        let taken = take(str::from_utf8(&members.0).unwrap_or_default());
        if members.0.capacity() <= KEPT {
            WRITTEN.set(members.0);
        }
        taken
    }

    fn write(&self, members: &mut Members) {
        members.0.extend_from_slice(br#"{"at":""#);
        // Writing into memory does not fail.
        let _ = TIMES.print_timestamp(&self.at, &mut members.0);
        members.0.push(b'"');
        members.text(name!("event"), self.event);
        members.number(name!("call"), self.call);
        if let Some(principal) = self.principal {
            members.displayed(name!("principal"), principal);
        }
        members.optional(name!("issuer"), self.issuer);
        members.optional(name!("subject"), self.subject);
        members.optional(name!("client"), self.client.as_deref());
        members.optional(name!("client_version"), self.client_version.as_deref());
        if let Some(address) = self.address {
            members.displayed(name!("address"), &address);
        }
        members.optional(name!("revision"), Some(self.revision).filter(|revision| !revision.is_empty()));
        members.text(name!("method"), &self.method);
        members.optional(name!("name"), self.name.as_deref());
        members.optional(name!("item"), self.item.as_deref());
        members.optional(name!("upstream"), self.upstream);
        if let Some(is_cached) = self.cached {
            members.json(name!("cached"), if is_cached { "true" } else { "false" });
        }
        if let Some(arguments) = &self.arguments {
            members.json(name!("arguments"), &arguments.json());
        }
        if let Some(bytes) = self.arguments_omitted {
            members.number(name!("arguments_omitted"), bytes);
        }
        if let Some(outcome) = self.outcome {
            members.outcome(outcome);
        }
        for (name, number) in [
            (name!("duration_us"), self.duration_us),
            (name!("bytes_in"), self.bytes_in),
            (name!("bytes_out"), self.bytes_out),
        ] {
            number.into_iter().for_each(|number| members.number(name, number));
        }
        members.optional(name!("trace"), self.trace.as_deref());
        members.0.push(b'}');
    }
}

/// Times have milliseconds.
static TIMES: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// The members of an object that is being written.
struct Members(Vec<u8>);

impl Members {
    fn json(&mut self, name: &'static str, json: &str) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(json.as_bytes());
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.0.extend_from_slice(name.as_bytes());
        string::write(&mut self.0, text);
    }

    fn optional(&mut self, name: &'static str, text: Option<&str>) {
        text.into_iter().for_each(|text| self.text(name, text));
    }

    fn number(&mut self, name: &'static str, number: impl itoa::Integer) {
        self.json(name, itoa::Buffer::new().format(number));
    }

    /// What a value is displayed as.
    fn displayed(&mut self, name: &'static str, value: &impl fmt::Display) {
        struct Escaped<'a>(&'a mut Vec<u8>);
        impl fmt::Write for Escaped<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                string::write_escaped(self.0, text);
                Ok(())
            }
        }
        self.json(name, "\"");
        // Writing into memory does not fail.
        let _ = fmt::write(&mut Escaped(&mut self.0), format_args!("{value}"));
        self.0.push(b'"');
    }

    fn outcome(&mut self, outcome: &Outcome) {
        let Outcome { kind, code, reason, refused_by } = outcome;
        self.json(name!("outcome"), r#"{"kind":"#);
        string::write(&mut self.0, kind.as_str());
        if let Some(code) = code {
            self.number(name!("code"), *code);
        }
        self.optional(name!("reason"), reason.as_deref());
        self.optional(name!("refused_by"), refused_by.as_deref());
        self.0.push(b'}');
    }
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("event", &self.event).field("call", &self.call).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OutcomeKind, Record, redaction::tests::redaction};

    #[test]
    fn a_line_is_the_record_that_is_read_from_it() {
        let principal = Principal::subject_of("https://issuer.example/\"", "me\n\u{1}é");
        let arguments = &Raw::trusted_text(r#"{"a":"\u00e9\"","n":[1,null]}"#.to_owned());
        let redaction = &redaction();
        let outcome = Outcome {
            kind: OutcomeKind::Refused,
            code: Some(-32603),
            reason: Some("over\"loaded".to_owned()),
            refused_by: Some("a \\ rule".to_owned()),
        };
        let text = |text: &'static str| Some(Cow::Borrowed(text));
        let full = Line {
            client: text("a \"client\""),
            client_version: text("1\t2"),
            revision: "2026-07-28",
            name: text("näme\""),
            item: text("item\\"),
            upstream: Some("up"),
            cached: Some(true),
            arguments: Some(RedactedArguments { arguments, redaction }),
            arguments_omitted: Some(7),
            outcome: Some(&outcome),
            duration_us: Some(u64::MAX),
            bytes_in: Some(0),
            bytes_out: Some(12),
            trace: text("4bf92f3577b34da6a3ce929d0e0e4736"),
            ..Line::new("end", 3, "tools/\u{7f}call".into())
                .caller(&principal, Some(IpAddr::from([127, 0, 0, 1])))
        };
        let outcome = Outcome::of(OutcomeKind::Ok);
        let short =
            Line { cached: Some(false), outcome: Some(&outcome), ..Line::new("call", 1, "ping".into()) };
        for line in [full, short, Line::new("begin", 0, "".into())] {
            let json = line.with_json(str::to_owned);
            let record: Record = serde_json::from_str(&json).unwrap();
            let event = serde_json::to_value(&record).unwrap();
            assert_eq!(event, serde_json::from_str::<serde_json::Value>(&json).unwrap());
            // Byte by byte where the arguments, which stay as they are, are not written another way.
            if line.arguments.is_none() {
                assert_eq!(json, serde_json::to_string(&record).unwrap());
            }
        }
    }
}
