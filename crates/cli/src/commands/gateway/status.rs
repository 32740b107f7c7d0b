//! `anyport status`: running gateways, and the state of their servers.

use std::process::ExitCode;

use anyhow::Result;
use anyport_config::gateway::Pin;
use serde_json::json;

use super::Which;
use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    gateway::status::{CallersStatus, GatewayStatus, Login, ServerState, ServerStatus},
    render::{safe, table::whole},
    target::login_command,
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
    let gateways = arguments.which.statuses()?;
    let is_any_down = gateways.iter().flat_map(|gateway| &gateway.servers).any(is_down);
    let exit = if is_any_down { Exit::Failed } else { Exit::Done };
    let mut output = Output::stdout(&arguments.output);
    let text =
        |output: &Output| Ok(gateways.iter().map(|gateway| shown(gateway, output)).collect::<String>());
    output.show(|| json!({ "gateways": gateways }), text)?;
    Ok(exit.into())
}

fn is_down(server: &ServerStatus) -> bool {
    server.state == ServerState::Down
}

fn shown(gateway: &GatewayStatus, output: &Output) -> String {
    let GatewayStatus { pid, file, since, url, servers, needs_restart, store, .. } = gateway;
    let url = url.as_ref().map(|url| format!(", {url}")).unwrap_or_default();
    let head = format!("{} (process {pid}, since {since}{url})\n", file.display());
    let keys =
        ["name", "state", "transport", "revision", "tools", "tokens", "calls", "errors", "latency", "since"];
    let rows: Vec<Vec<String>> = servers.iter().map(|server| row(server).into()).collect();
    let mut text = safe::text(&head) + &whole(&keys, &rows, output.screen);
    if let Some(store) = store {
        text += &(safe::line(&format!("store {store}")) + "\n");
        if let Some(warning) = &store.durability.warning {
            text += &(safe::line(&format!("warning: {warning}")) + "\n");
        }
    }
    for server in servers.iter().filter(|server| is_down(server)) {
        text += &(safe::line(&why_down(server)) + "\n");
    }
    for server in servers.iter().filter(|server| needs_login(server)) {
        let command = login_command(file, &server.name);
        text += &(safe::line(&format!("{}: sign in with: {command}", server.name)) + "\n");
    }
    servers.iter().filter_map(callers).for_each(|line| text += &(safe::line(&line) + "\n"));
    for (server, cached) in servers.iter().filter_map(|server| Some((server, server.cached?))) {
        let line = format!("{}: {cached} further calls were answered from the cache", server.name);
        text += &(safe::line(&line) + "\n");
    }
    servers.iter().for_each(|server| text += &changed(server));
    servers.iter().for_each(|server| text += &suspicious(server));
    if !needs_restart.is_empty() {
        let names = needs_restart.join(", ");
        text +=
            &(safe::line(&format!("what has changed of [limits] takes a restart of the gateway: {names}"))
                + "\n");
    }
    text
}

/// The row of a server in the table.
fn row(server: &ServerStatus) -> [String; 10] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let revision = server.upstream.as_ref().and_then(|upstream| upstream.revision.clone());
    [
        server.name.clone(),
        state(server).to_owned(),
        server.transport.clone(),
        or_none(revision),
        or_none(server.tools.map(|tools| tools.to_string())),
        or_none(server.tool_tokens.map(|tokens| tokens.to_string())),
        server.calls.to_string(),
        server.errors.to_string(),
        or_none(server.latency_ms.map(|latency| format!("{:.1} ms", latency.median))),
        server.since.to_string(),
    ]
}

/// The state of a server; where it cannot be reached, or refuses all calls, that of its login says more.
fn state(server: &ServerStatus) -> &'static str {
    let is_refused = server.state == ServerState::Up && needs_login(server);
    match login(server).filter(|login| is_refused || is_down(server) && *login != Login::SignedIn) {
        Some(login) => login.words(),
        None => server.state.word(),
    }
}

fn login(server: &ServerStatus) -> Option<Login> {
    server.upstream.as_ref().and_then(|upstream| upstream.login)
}

fn needs_login(server: &ServerStatus) -> bool {
    login(server) == Some(Login::Needed)
}

/// The callers of a server at which each signs in.
fn callers(server: &ServerStatus) -> Option<String> {
    let CallersStatus { signed_in, signed_out, waiting } = server.upstream.as_ref()?.callers?;
    let waits = if waiting == 0 { String::new() } else { format!(", {waiting} calls wait for a login") };
    Some(format!("{}: {signed_in} callers signed in, {signed_out} not{waits}", server.name))
}

/// Why a server cannot be reached, and when it is tried again.
fn why_down(server: &ServerStatus) -> String {
    let why = server.last_error.as_deref().unwrap_or("-");
    let next = server.upstream.as_ref().and_then(|upstream| upstream.retry_at);
    let next = next.map(|at| format!("; the next attempt is at {at}")).unwrap_or_default();
    format!("{}: {why}{next}", server.name)
}

/// The definitions of a server that are not accepted.
fn changed(server: &ServerStatus) -> String {
    let (name, changed) = (&server.name, &server.changed);
    let (verb, quarantined) = match changed.len() {
        0 => return String::new(),
        1 => ("1 definition differs", "it is quarantined"),
        _ => ("definitions differ", "they are quarantined"),
    };
    let count = if changed.len() == 1 { String::new() } else { format!("{} ", changed.len()) };
    let is_strict = server.upstream.as_ref().is_some_and(|upstream| upstream.pin == Pin::Strict);
    let state = if is_strict { quarantined } else { "served all the same" };
    let names: Vec<&str> = changed.iter().take(SHOWN).map(|one| one.name.as_str()).collect();
    let (shown, more) = (names.join(", "), if changed.len() > SHOWN { ", ..." } else { "" });
    let line = format!(
        "{name}: {count}{verb} from what was pinned ({shown}{more}), {state}; to compare: anyport pins diff {name}"
    );
    safe::line(&line) + "\n"
}

/// The definitions of a server with hidden instructions or invisible characters.
fn suspicious(server: &ServerStatus) -> String {
    let lines = server.suspicious.iter().take(SHOWN).map(|one| {
        let what = one.findings.join(", ");
        safe::line(&format!("{}: the definition of {} is suspicious: it has {what}", server.name, one.name))
            + "\n"
    });
    let more = server.suspicious.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!("{}: {more} more suspicious definitions\n", server.name)
    } else {
        String::new()
    };
    lines.chain([more]).collect()
}

/// The most names of changed definitions that are shown of a server.
const SHOWN: usize = 5;
