//! `anyport servers`: what is configured, from which file, and whether it answers.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use anyport_config::Surroundings;
use serde_json::{Value, json};

use super::{
    check::{self, Health},
    known::{self, Known, SHADOWED, in_words, short},
};
use crate::{
    client_session::{self, output},
    exit::Exit,
    logging,
    render::{lists::Detail, safe, table::whole},
    target::redacted,
};

/// The arguments of `anyport servers`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport servers\n  anyport servers --check --project --timeout 5")]
pub(crate) struct Arguments {
    /// Connect to each server, all at once, and say which revision it speaks and how many tools it has, or what is wrong.
    #[arg(long)]
    check: bool,
    /// With --check, connect to servers of the project's files, too. The authors of the project choose which programs these
    /// start and which variables they receive.
    #[arg(long, requires = "check")]
    project: bool,
    /// Seconds that --check gives each server.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Lists the configured servers.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let surroundings = Surroundings::here();
    let (servers, broken) = known::all(&surroundings);
    let options = client_session::Options { output: arguments.output.clone(), ..Default::default() };
    client_session::run(&options, async |_| {
        let health = match arguments.check {
            true => {
                let limit = Duration::from_secs(arguments.timeout);
                Some(check::all(&servers, &surroundings, arguments.project, limit).await)
            }
            false => None,
        };
        let mut output = output::Output::stdout(&arguments.output);
        let health = health.as_deref();
        let value = || {
            let broken: Vec<Value> = broken
                .iter()
                .map(|(location, error)| json!({"client": location.client.title, "file": location.path, "error": error.to_string()}))
                .collect();
            let servers: Vec<Value> = servers
                .iter()
                .enumerate()
                .map(|(at, known)| as_json(known, health.map(|all| &all[at])))
                .collect();
            json!({"servers": servers, "broken": broken})
        };
        output.show(value, |output| {
            if output.detail == Detail::Name {
                let names = servers.iter().filter(|known| !known.is_shadowed);
                return Ok(names.map(|known| safe::line(&known.name) + "\n").collect());
            }
            if servers.is_empty() {
                return Ok(String::new());
            }
            let row = |(at, known): (usize, &Known)| {
                let file = format!(
                    "{} ({})",
                    short(&known.location.path, &surroundings),
                    known.location.client.title
                );
                let server = match (&known.server, health) {
                    (_, Some(health)) => health[at].line(),
                    (Ok(server), None) => format!("{}{}", in_words(server), remark(known)),
                    (Err(error), None) => error.to_string(),
                };
                vec![known.name.clone(), redacted(&server).into_owned(), file]
            };
            let rows: Vec<_> = servers.iter().enumerate().map(row).collect();
            let heading = if health.is_some() { "health" } else { "server" };
            Ok(whole(&["name", heading, "file"], &rows, output.screen))
        })?;
        if servers.is_empty() && !arguments.output.json {
            logging::notice("no server is configured; add one with: anyport add NAME URL");
        }
        if !arguments.output.json {
            for (_, error) in &broken {
                logging::notice(safe::line(&format!("warning: {error}; {}", error.help())));
            }
        }
        let skipped = health.map(|health| of_projects(&servers, health)).unwrap_or_default();
        if !skipped.is_empty() {
            logging::notice(safe::line(&format!(
                "note: {} of the project's files {} not checked; read them, and add --project",
                skipped.join(", "),
                if skipped.len() == 1 { "was" } else { "were" }
            )));
        }
        let failed = health.into_iter().flatten().any(|health| matches!(health, Health::Failed(_)));
        Ok(if failed { Exit::Failed } else { Exit::Done })
    })
}

/// The servers that were not checked because they are a project's.
fn of_projects<'a>(servers: &'a [Known], health: &[Health]) -> Vec<&'a str> {
    let skipped = servers.iter().zip(health).filter(|(_, health)| health.is_of_project());
    skipped.map(|(known, _)| known.name.as_str()).collect()
}

fn remark(known: &Known) -> String {
    match &known.server {
        _ if known.is_shadowed => format!(", {SHADOWED}"),
        Ok(server) if server.disabled => ", disabled".to_owned(),
        _ => String::new(),
    }
}

fn as_json(known: &Known, health: Option<&Health>) -> Value {
    let mut value = json!({
        "name": known.name,
        "client": known.location.client.title,
        "file": known.location.path,
        "key": known.key,
        "hidden": known.is_shadowed,
    });
    match &known.server {
        Ok(server) => {
            value["server"] = in_words(server).into();
            value["disabled"] = server.disabled.into();
        }
        Err(error) => value["error"] = error.to_string().into(),
    }
    if let Some(health) = health {
        value["check"] = health.as_json();
    }
    value
}
