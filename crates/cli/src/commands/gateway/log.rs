//! `anyport log`: how much a running gateway logs.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use serde_json::json;

use super::{GLANCE, Which, unanswered};
use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    gateway::socket::{self, Request},
    logging::filter,
    render::safe,
    user_error::UserError,
};

/// The arguments of `anyport log`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport log\n  anyport log warn,anyport::calls=info\n  anyport log debug --config anyport.toml"
)]
pub(crate) struct Arguments {
    /// The level of everything, and of single modules, from now on: LEVEL, MODULE=LEVEL, or several with commas between. Unless given,
    /// the command shows what is logged.
    filter: Option<String>,
    /// Only the gateway that serves this file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Shows how much every running gateway logs, after it was changed if a filter is given.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(filter) = &arguments.filter {
        filter::parse(filter).map_err(|reason| {
            UserError::usage(safe::line(&reason), "write it as in: anyport log warn,anyport_upstream=debug")
        })?;
    }
    let wanted = arguments.config.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
    let mut gateways = Vec::new();
    for (socket, gateway, _) in arguments.which.having(&[])? {
        let file = gateway.file.canonicalize().unwrap_or_else(|_| gateway.file.clone());
        if wanted.as_ref().is_some_and(|wanted| *wanted != file) {
            continue;
        }
        let request = Request::Log { level: arguments.filter.clone() };
        let answer = socket::ask(&socket, &request, GLANCE).map_err(|error| unanswered(&gateway, &error))?;
        let Some(level) = answer["level"].as_str() else {
            let why = answer["error"].as_str().unwrap_or("its version does not know the request");
            let help = "`anyport status` shows the running gateways";
            return Err(UserError::failed(safe::line(why), help));
        };
        gateways.push((gateway, level.to_owned()));
    }
    if gateways.is_empty() {
        return Err(UserError::failed(
            "no running gateway serves this file",
            "`anyport status` shows the running gateways",
        ));
    }
    let mut output = Output::stdout(&arguments.output);
    output.show(
        || {
            let shown = gateways
                .iter()
                .map(|(gateway, level)| json!({"pid": gateway.pid, "file": gateway.file, "level": level}));
            json!({"gateways": shown.collect::<Vec<_>>()})
        },
        |_| {
            let line = |(gateway, level): &(socket::Introduction, String)| {
                let line = format!("{} (process {}): {level}", gateway.file.display(), gateway.pid);
                safe::line(&line) + "\n"
            };
            Ok(gateways.iter().map(line).collect())
        },
    )?;
    Ok(Exit::Done.into())
}
