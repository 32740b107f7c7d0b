//! YAML, as a value. One document, without aliases, tags and keys that are no texts: configurations have none.

use std::borrow::Cow;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Number, Value};

use super::error::SyntaxError;

/// Deepest nesting.
const MAX_DEPTH: usize = 32;

pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    let mut options = Options::default();
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut reader = Reader { events: Parser::new_from_str_with_options(text, options), at: (1, 1) };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(..) => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Value::Null),
            event => {
                let value = reader.value(event)?;
                return match (reader.next()?, reader.next()?) {
                    (Event::DocumentEnd, Event::StreamEnd) => Ok(value),
                    _ => Err(reader.fault("a second document begins")),
                };
            }
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// The line and the column of the latest event, from 1.
    at: (usize, usize),
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, SyntaxError> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                self.at = place(&span);
                Ok(event)
            }
            Some(Err(error)) => {
                let marker = error.marker();
                Err(SyntaxError { line: marker.line(), column: marker.col() + 1, reason: error.info() })
            }
            None => Err(self.fault("the text ends too early")),
        }
    }

    fn value(&mut self, event: Event<'a>) -> Result<Value, SyntaxError> {
        match event {
            Event::Scalar(text, style, _, tag) => match (style, tag) {
                (ScalarStyle::Plain, None) => Ok(plain(&text)),
                _ => Ok(Value::String(text.into_owned())),
            },
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => return Ok(Value::Array(list)),
                        event => list.push(self.value(event)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut map = Map::new();
                loop {
                    let key: Cow<'_, str> = match self.next()? {
                        Event::MappingEnd => return Ok(Value::Object(map)),
                        Event::Scalar(key, ..) => key,
                        _ => return Err(self.fault("a key is no text")),
                    };
                    let event = self.next()?;
                    let value = self.value(event)?;
                    if map.insert(key.clone().into_owned(), value).is_some() {
                        return Err(self.fault(&format!("the key {key} stands twice")));
                    }
                }
            }
            Event::Alias(_) => Err(self.fault("aliases are not read here")),
            _ => Err(self.fault("a value was expected")),
        }
    }

    fn fault(&self, reason: &str) -> SyntaxError {
        SyntaxError { line: self.at.0, column: self.at.1, reason: reason.to_owned() }
    }
}

fn place(span: &Span) -> (usize, usize) {
    (span.start.line(), span.start.col() + 1)
}

/// A scalar without quotes, by the core schema of YAML 1.2.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let digits = text.trim_start_matches(['-', '+']);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse::<i64>().ok().map(Number::from).or_else(|| Number::from_f64(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_those_of_the_core_schema() {
        let text = "# mine\na: 1\nb: 'x: y'\nc: [1, \"2\", true, ~]\nd:\n  e: 1.5\n  f: |\n    two\n    lines\ng:\n- x\nh: 1.2.3\n";
        let expected = json!({"a": 1, "b": "x: y", "c": [1, "2", true, null],
            "d": {"e": 1.5, "f": "two\nlines\n"}, "g": ["x"], "h": "1.2.3"});
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(parse("# only this\n").unwrap(), Value::Null);
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        let fault = |text| parse(text).unwrap_err();
        assert_eq!(fault("a: 1\nb: [1\n").line, 2);
        assert!(fault("a: &x 1\nb: *x\n").reason.contains("aliases"));
        assert!(fault("a: 1\na: 2\n").reason.contains("twice"));
        assert!(fault("a: 1\n---\nb: 2\n").reason.contains("second document"));
    }
}
