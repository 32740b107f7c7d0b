//! An event as one line, whatever it is about: much of what is logged was written by clients.

use std::fmt::{self, Debug, Write as _};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

use super::format::Format;

/// Fields in words.
pub(super) struct Human;

/// Fields, and events, as JSON: `time`, `level`, `target`, `message`, and where there are any `fields` and `spans`, the
/// outermost first.
pub(super) struct Json;

/// Of one value no more than this is written, in bytes: a client may have made it.
const LONGEST: usize = 4096;

/// A line of the file that a notice is, for people.
pub(super) fn notice(text: &str) -> Vec<u8> {
    format!("{:.6}  INFO anyport: {}\n", Timestamp::now(), Clean(text)).into_bytes()
}

/// The line that a notice is, for programs.
pub(super) fn json_notice(text: &str) -> Vec<u8> {
    let time = format!("{:.6}", Timestamp::now());
    let line = json!({"time": time, "level": "info", "target": "anyport", "message": text.trim_end()});
    format!("{line}\n").into_bytes()
}

/// The line that says that others are missing.
pub(super) fn lost(format: Format, count: u64) -> Vec<u8> {
    let text = format!("{count} lines were lost here: they came faster than they could be written");
    match format {
        Format::Human => notice(&text),
        Format::Json => json_notice(&text),
    }
}

/// Text without what ends a line, moves a terminal's cursor, or turns the order of what is read.
struct Clean<'a>(&'a str);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turns = |character| matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        for character in self.0.chars() {
            match character {
                character if character.is_control() || turns(character) => {
                    write!(f, "{}", character.escape_default())?;
                }
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// Takes text up to [`LONGEST`].
#[derive(Default)]
struct Cut(String);

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST.saturating_sub(self.0.len());
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

fn cut(text: impl fmt::Display) -> String {
    let mut cut = Cut::default();
    if write!(cut, "{text}").is_err() {
        cut.0.push('…');
    }
    cut.0
}

/// The `Debug` text of a value, which for most is its display.
struct Shown<'a>(&'a dyn Debug);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

const MESSAGE: &str = "message";

impl<'w> FormatFields<'w> for Human {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut words = Words { writer, first: true, written: Ok(()) };
        fields.record(&mut words);
        words.written
    }
}

struct Words<'w> {
    writer: Writer<'w>,
    first: bool,
    written: fmt::Result,
}

impl Words<'_> {
    fn add(&mut self, field: &Field, value: &str) {
        let space = if std::mem::take(&mut self.first) { "" } else { " " };
        self.written = self.written.and_then(|()| match field.name() {
            MESSAGE => write!(self.writer, "{space}{}", Clean(value)),
            name => write!(self.writer, "{space}{name}={}", Clean(value)),
        });
    }
}

impl Visit for Words<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = cut(value);
        if field.name() == MESSAGE { self.add(field, &value) } else { self.add(field, &format!("{value:?}")) }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, &cut(Shown(value)));
    }
}

impl<'w> FormatFields<'w> for Json {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = Members::default();
        fields.record(&mut members);
        write!(writer, "{}", Value::Object(members.0))
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        let mut fields = Members::default();
        event.record(&mut fields);
        let message = fields.0.shift_remove(MESSAGE).unwrap_or_default();
        let mut line = json!({
            "time": format!("{:.6}", Timestamp::now()),
            "level": about.level().as_str().to_ascii_lowercase(),
            "target": about.target(),
            "message": message.as_str().unwrap_or_default(),
        });
        if !fields.0.is_empty() {
            line["fields"] = Value::Object(fields.0);
        }
        let mut spans = Vec::new();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let mut members = Map::from_iter([("name".to_owned(), span.name().into())]);
            let extensions = span.extensions();
            let written = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            // Fields that were recorded later follow as an object of their own.
            let objects = serde_json::Deserializer::from_str(written).into_iter::<Map<String, Value>>();
            let mut fields = Map::new();
            objects.flatten().for_each(|more| fields.extend(more));
            if !fields.is_empty() {
                members.insert("fields".into(), Value::Object(fields));
            }
            spans.push(Value::Object(members));
        }
        if !spans.is_empty() {
            line["spans"] = Value::Array(spans);
        }
        writeln!(writer, "{line}")
    }
}

#[derive(Default)]
struct Members(Map<String, Value>);

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), cut(value).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().into(), cut(Shown(value)).into());
    }
}
