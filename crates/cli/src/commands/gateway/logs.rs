//! `anyport logs`: what the servers of a running gateway have written and logged.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use super::{Which, stream};
use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    gateway::socket::{LogsRequest, Request},
    render::safe,
};

/// The arguments of `anyport logs`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport logs -f files\n  anyport logs --lines 20 --json")]
pub(crate) struct Arguments {
    /// The name of the server in the file of the gateway; all servers unless given.
    name: Option<String>,
    /// Go on with what is logged from now on, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    /// Only so many of the newest lines that are there.
    #[arg(short = 'n', long, value_name = "NUMBER")]
    lines: Option<usize>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Writes the logs, line by line.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { name, follow, lines, .. } = arguments;
    let streams = arguments.which.open(name.as_slice(), |mut names| {
        Request::Logs(LogsRequest { name: names.pop(), follow: *follow, lines: *lines })
    })?;
    let mut output = Output::stdout(&arguments.output);
    let is_named = name.is_some();
    stream::each_line(streams, *follow, |entry| {
        match output.json {
            true => output.value(entry)?,
            false => output.text(&shown(entry, is_named))?,
        }
        Ok(output.is_read())
    })?;
    Ok(Exit::Done.into())
}

/// An entry for people: when, whose, what. Events are marked, and log messages say how severe they are.
fn shown(entry: &Value, is_named: bool) -> String {
    let word = |key: &str| entry[key].as_str().unwrap_or_default();
    let server = if is_named { String::new() } else { format!("{}  ", safe::line(word("server"))) };
    if let Some(missed) = entry["missed"].as_u64() {
        return format!("{server}({missed} lines were left out)\n");
    }
    // Colours are those of another terminal.
    let text = anstream::adapter::strip_str(word("text")).to_string();
    let logger = entry["logger"].as_str().map(|logger| format!("{logger}: ")).unwrap_or_default();
    let text = match word("kind") {
        "event" => format!("* {text}"),
        "message" => format!("[{}] {logger}{text}", word("level")),
        _ => text,
    };
    format!("{server}{}  {}\n", safe::line(word("at")), safe::line(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_are_lines_that_command_no_terminal() {
        let entry = |kind: &str, text: &str| json!({"at": "T", "server": "files", "kind": kind, "text": text, "level": "warning", "logger": "db"});
        assert_eq!(shown(&entry("stderr", "\u{1b}[33mwarm\u{1b}[0m\u{202e}"), true), "T  warm\\u{202e}\n");
        assert_eq!(shown(&entry("event", "closed"), false), "files  T  * closed\n");
        assert_eq!(shown(&entry("message", "two\nlines"), true), "T  [warning] db: two\\nlines\n");
        assert_eq!(shown(&json!({"server": "a", "missed": 3}), false), "a  (3 lines were left out)\n");
    }
}
