//! `anyport tap`: the calls of a running gateway as they happen.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use super::{Which, stream};
use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    gateway::socket::{Request, TapRequest},
    logging,
    render::safe,
};

/// The arguments of `anyport tap`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport tap\n  anyport tap files --wire --tool read_file\n  anyport tap --errors --json"
)]
pub(crate) struct Arguments {
    /// The names of servers in the file of the gateway; all servers unless given.
    names: Vec<String>,
    /// Show the messages of each call as well, as they are on the wire: what the client sends and gets, and what the server gets and
    /// sends.
    #[arg(long)]
    wire: bool,
    /// Only calls of this method, such as tools/call.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Only calls of the tool, prompt or resource that its server knows by this name.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only calls that fail.
    #[arg(long)]
    errors: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Shows calls until Ctrl-C.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { names, wire, method, tool, errors, .. } = arguments;
    let streams = arguments.which.open(names, |names| {
        let (method, tool) = (method.clone(), tool.clone());
        Request::Tap(TapRequest { names, method, tool, errors: *errors, wire: *wire })
    })?;
    if !arguments.output.quiet {
        logging::notice("watching; Ctrl-C ends");
    }
    let mut output = Output::stdout(&arguments.output);
    stream::each_line(streams, true, |event| {
        match output.json {
            true => output.value(event)?,
            false => output.text(&shown(event))?,
        }
        Ok(output.is_read())
    })?;
    Ok(Exit::Done.into())
}

/// An event for people, on a line.
fn shown(event: &Value) -> String {
    let word = |key: &str| event[key].as_str().unwrap_or("-");
    if let Some(missed) = event["missed"].as_u64() {
        return format!("({missed} events were left out)\n");
    }
    let number = event["call"].as_u64().map_or_else(|| "-".to_owned(), |number| format!("#{number}"));
    let head = format!("{}  {number}", word("at"));
    let line = match word("type") {
        "call" => {
            let name = event["name"].as_str().map(|name| format!(" {name}")).unwrap_or_default();
            let error =
                event["error"]["message"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
            let ms = event["ms"].as_f64().unwrap_or_default();
            let client = event["client"].as_str().unwrap_or("no client");
            format!(
                "{head}  {client} ({})  {}  {}{name}  {}{error}  {ms:.1} ms  {} bytes in, {} out",
                word("revision"),
                word("server"),
                word("method"),
                word("outcome"),
                event["bytes_in"],
                event["bytes_out"],
            )
        }
        _ => {
            let end = match event["server"].as_str() {
                Some(server) => format!("{server} (connection {})", event["connection"]),
                None => "client".to_owned(),
            };
            let way = match word("direction") {
                "sent" => format!("gateway -> {end}"),
                _ => format!("{end} -> gateway"),
            };
            let message = match &event["message"] {
                Value::Null => format!("({} bytes, too large to be shown)", event["bytes"]),
                Value::String(text) => text.clone(),
                message => message.to_string(),
            };
            format!("{head}  {way}  {message}")
        }
    };
    safe::line(&line) + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_lines_that_command_no_terminal() {
        let call = json!({"type": "call", "at": "T", "call": 7, "client": "c 1", "revision": "2025-06-18", "server": "files",
            "method": "tools/call", "name": "read\u{1b}", "outcome": "error", "error": {"code": -1, "message": "no"}, "ms": 1.25,
            "bytes_in": 3, "bytes_out": 0});
        let expected =
            "T  #7  c 1 (2025-06-18)  files  tools/call read\\u{1b}  error: no  1.2 ms  3 bytes in, 0 out\n";
        assert_eq!(shown(&call), expected);
        let message = json!({"type": "message", "at": "T", "call": null, "server": "files", "connection": 2, "direction": "received",
            "bytes": 2, "message": {"id": 1}});
        assert_eq!(shown(&message), "T  -  files (connection 2) -> gateway  {\"id\":1}\n");
        let large = json!({"type": "message", "at": "T", "call": 1, "direction": "sent", "bytes": 99, "message": null});
        assert_eq!(shown(&large), "T  #1  gateway -> client  (99 bytes, too large to be shown)\n");
        assert_eq!(shown(&json!({"type": "missed", "missed": 3})), "(3 events were left out)\n");
    }
}
