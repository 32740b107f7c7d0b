//! `anyport status`: running gateways, and the state of their servers.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use super::Which;
use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    gateway::socket::Request,
    render::{safe, table::whole},
};

/// The arguments of `anyport status`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport status\n  anyport status --json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Shows every running gateway with its servers.
///
/// Ends with exit code 1 if a server cannot be reached.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let gateways = arguments.which.ask(&Request::Status)?;
    let is_down = |gateway: &Value| servers(gateway).any(|server| server["state"] == "down");
    let exit = if gateways.iter().any(is_down) { Exit::Failed } else { Exit::Done };
    let mut output = Output::stdout(&arguments.output);
    let text =
        |output: &Output| Ok(gateways.iter().map(|gateway| shown(gateway, output)).collect::<String>());
    output.show(|| json!({ "gateways": gateways }), text)?;
    Ok(exit.into())
}

fn servers(gateway: &Value) -> impl Iterator<Item = &Value> {
    gateway["servers"].as_array().into_iter().flatten()
}

fn shown(gateway: &Value, output: &Output) -> String {
    let word = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let url = gateway["url"].as_str().map(|url| format!(", {url}"));
    let head = format!(
        "{} (process {}, since {}{})\n",
        word(&gateway["file"]),
        gateway["pid"],
        word(&gateway["since"]),
        url.unwrap_or_default()
    );
    let keys = ["name", "state", "transport", "revision", "tools", "calls", "errors", "since"];
    let rows = servers(gateway).map(|server| keys.iter().map(|key| word(&server[*key])).collect());
    let rows: Vec<Vec<String>> = rows.collect();
    let mut text = safe::text(&head) + &whole(&keys, &rows, output.screen);
    for server in servers(gateway).filter(|server| server["state"] == "down") {
        let next = server["retry_at"].as_str().map(|at| format!("; the next attempt is at {at}"));
        let why = format!("{}: {}", word(&server["name"]), word(&server["last_error"]));
        text += &safe::line(&(why + &next.unwrap_or_default()));
        text.push('\n');
    }
    for server in servers(gateway) {
        text += &changed(server);
    }
    text
}

/// The definitions of a server that are not accepted.
fn changed(server: &Value) -> String {
    let all = server["changed"].as_array().into_iter().flatten();
    let names: Vec<&str> = all.filter_map(|one| one["name"].as_str()).collect();
    let name = server["name"].as_str().unwrap_or_default();
    let (verb, quarantined) = match names.len() {
        0 => return String::new(),
        1 => ("1 definition differs", "it is quarantined"),
        _ => ("definitions differ", "they are quarantined"),
    };
    let count = if names.len() == 1 { String::new() } else { format!("{} ", names.len()) };
    let state = if server["pin"] == "strict" { quarantined } else { "served all the same" };
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    let line = format!(
        "{name}: {count}{verb} from what was pinned ({shown}{more}), {state}; to compare: anyport pins diff {name}"
    );
    safe::line(&line) + "\n"
}

/// The most names of changed definitions that are shown of a server.
const SHOWN: usize = 5;
