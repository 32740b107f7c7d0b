//! `anyport restart`: connects a server of a running gateway anew.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{PATIENCE, Which, unanswered};
use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    gateway::socket::{self, Request},
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
    for (socket, gateway, known) in arguments.which.having(std::slice::from_ref(name))? {
        for name in known {
            let answer = socket::ask(&socket, &Request::Restart { name }, PATIENCE)
                .map_err(|error| unanswered(&gateway, &error))?;
            if let Some(why) = answer["error"].as_str() {
                let help = "`anyport status` shows the servers of running gateways";
                return Err(UserError::failed(safe::line(why), help));
            }
        }
    }
    let mut output = Output::stdout(&arguments.output);
    output.show(|| json!({"restarted": name}), |_| Ok(format!("restarted {}\n", safe::line(name))))?;
    Ok(Exit::Done.into())
}
