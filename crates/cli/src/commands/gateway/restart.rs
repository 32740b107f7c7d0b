//! `anyport restart`: connects a server of a running gateway anew.

use std::process::ExitCode;

use anyhow::Result;
use anyport_protocol::suggest::did_you_mean;
use serde_json::{Value, json};

use super::Which;
use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    gateway::socket::Request,
    render::safe,
    user_error::UserError,
};

/// The arguments of `anyport restart`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport restart files\n  anyport restart files --state-dir /var/lib/anyport"
)]
pub(crate) struct Arguments {
    /// The name of the server in the file of the gateway.
    name: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Has every running gateway that has the server connect it anew. Its calls in flight may finish.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let name = &arguments.name;
    let answers = arguments.which.ask(&Request::Restart { name: name.clone() })?;
    if !answers.iter().any(|answer| answer["ok"] == true) {
        return Err(refused(arguments, &answers));
    }
    let mut output = Output::stdout(&arguments.output);
    output.show(|| json!({"restarted": name}), |_| Ok(format!("restarted {}\n", safe::line(name))))?;
    Ok(Exit::Done.into())
}

fn refused(arguments: &Arguments, answers: &[Value]) -> anyhow::Error {
    let why = answers.iter().find_map(|answer| answer["error"].as_str()).unwrap_or("it did not say why");
    let gateways = arguments.which.ask(&Request::Status).unwrap_or_default();
    let servers = gateways.iter().flat_map(|gateway| gateway["servers"].as_array().into_iter().flatten());
    let names: Vec<&str> = servers.filter_map(|server| server["name"].as_str()).collect();
    let near = did_you_mean(&arguments.name, names.iter().copied());
    let help = near.unwrap_or_else(|| format!("there are {}", names.join(", ")));
    UserError::failed(safe::line(why), safe::line(&help))
}
