//! The text of a script.

use std::time::Duration;

use serde_json::Value;

/// A line of a script.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Which, counted from 1.
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) act: Act,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    Say(Side, What),
    Pause(Duration),
    Close,
    Exit,
}

/// The speaker of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// A whole message.
    Whole(Value),
    /// A request or a notification: its method and its params.
    Named(String, Option<Value>),
    /// The result of the oldest request of the other side that is open.
    Result(Value),
    /// An error for it.
    Error(Value),
}

/// An invalid line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the script: {fault}: {text}")]
pub struct Unreadable {
    /// Which, counted from 1.
    pub line: usize,
    /// Its fault.
    pub fault: String,
    /// The line.
    pub text: String,
}

pub(super) fn read(script: &str) -> Result<Vec<Line>, Unreadable> {
    let mut lines = Vec::new();
    for (index, text) in script.lines().enumerate() {
        let (number, text) = (index + 1, text.trim());
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let act = act(text).map_err(|fault| Unreadable { line: number, fault, text: text.to_owned() })?;
        lines.push(Line { number, text: text.to_owned(), act });
    }
    Ok(lines)
}

fn act(text: &str) -> Result<Act, String> {
    let (mark, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    match mark {
        ">" => Ok(Act::Say(Side::Client, what(rest)?)),
        "<" => Ok(Act::Say(Side::Server, what(rest)?)),
        "?" => match what(rest)? {
            question @ What::Named(..) => Ok(Act::Say(Side::Server, question)),
            _ => Err("a question has a method".to_owned()),
        },
        "!" => Ok(Act::Say(Side::Server, What::Error(json(rest)?))),
        "pause" => {
            duration(rest).map(Act::Pause).ok_or_else(|| "a pause is as long as 5s or 200ms".to_owned())
        }
        "close" if rest.is_empty() => Ok(Act::Close),
        "exit" if rest.is_empty() => Ok(Act::Exit),
        _ => Err("expected >, <, ?, !, pause, close, exit or #".to_owned()),
    }
}

fn what(text: &str) -> Result<What, String> {
    if text.starts_with('{') {
        let value = json(text)?;
        return Ok(if value.get("jsonrpc").is_some() { What::Whole(value) } else { What::Result(value) });
    }
    match text.split_once(' ') {
        Some((method, params)) => Ok(What::Named(method.to_owned(), Some(json(params)?))),
        None if text.is_empty() => Err("it says nothing".to_owned()),
        None => Ok(What::Named(text.to_owned(), None)),
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

fn duration(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(number) => Some(Duration::from_millis(number.parse().ok()?)),
        None => Some(Duration::from_secs(text.strip_suffix('s')?.parse().ok()?)),
    }
}
