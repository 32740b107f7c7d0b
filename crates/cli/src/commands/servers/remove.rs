//! `anyport remove`: takes a server out of a configuration file.

use std::process::ExitCode;

use anyhow::Result;
use anyport_config::{GATEWAY, McpClient, Scope, Surroundings};
use serde_json::json;

use super::{
    client,
    edit::{as_json, backup_line},
    get::find,
    known::short,
    place::Place,
    report,
};
use crate::{
    client_session::output::{self, Output},
    render::safe,
    user_error::UserError,
};

/// The arguments of `anyport remove`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport remove linear\n  anyport remove linear --client cursor")]
pub(crate) struct Arguments {
    /// The name.
    name: String,
    /// The client whose file it is removed from; else the gateway's file or Anyport's own.
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Removes a server from the file of a client.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let surroundings = Surroundings::here();
    let name = &arguments.name;
    let (owner, mut edit) = match &arguments.client {
        Some(id) => arguments.place.begin_of(client(id)?, &surroundings)?,
        None => arguments.place.begin(&surroundings)?,
    };
    let location = edit.location().clone();
    let file = short(&location.path, &surroundings);
    if !edit.remove(owner, name)? {
        return Err(absent("remove", name, &file, owner, &surroundings));
    }
    let written = edit.save()?;
    let mut lines = vec![format!("removed {name} from {file}")];
    lines.extend(backup_line(written.as_ref(), &surroundings));
    let mut value = as_json(&location, written.as_ref());
    value["name"] = json!(name);
    report(&mut Output::stdout(&arguments.output), &lines, value)
}

/// The error for a server that `file` does not have, and with which arguments of `command` it is found.
pub(super) fn absent(
    command: &str,
    name: &str,
    file: &str,
    owner: &McpClient,
    surroundings: &Surroundings,
) -> anyhow::Error {
    let problem = format!("{file} has no server {}", safe::line(name));
    match find(name, surroundings) {
        Ok(known) => {
            let mut help = format!(
                "it is in {}; {command} it there with: anyport {command} {}",
                short(&known.location.path, surroundings),
                safe::word(name)
            );
            if known.location.client.id == GATEWAY.id {
                return UserError::usage(problem, help + " --scope gateway");
            }
            let is_own = known.location.client.id == "anyport";
            // Without a scope, the file of the gateway comes first.
            if is_own && owner.id == GATEWAY.id && known.location.scope == Scope::User {
                help += " --scope user";
            }
            // Anyport's own file in a project is that of Claude Code.
            if !is_own
                && known.location.client.id != owner.id
                && known.location.client.file(Scope::User, surroundings).is_some()
            {
                help += &format!(" --client {}", known.location.client.id);
            }
            if known.location.scope == Scope::Project {
                help += " --scope project";
            }
            UserError::usage(problem, help)
        }
        Err(_) => UserError::usage(problem, "anyport servers lists what is configured"),
    }
}
