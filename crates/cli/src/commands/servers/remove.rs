//! `anyport remove`: takes a server out of a configuration file.

use std::process::ExitCode;

use anyhow::Result;
use anyport_config::{McpClient, Scope, Surroundings};
use serde_json::json;

use super::{
    WhichScope, client,
    edit::{Edit, as_json, backup_line},
    get::find,
    known::short,
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
    /// The client whose file it is removed from; Anyport's own unless given.
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// Whose file it is removed from.
    #[arg(long, value_enum, default_value = "user")]
    scope: WhichScope,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Removes a server from the file of a client.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let surroundings = Surroundings::here();
    let name = &arguments.name;
    let owner = match &arguments.client {
        Some(id) => client(id)?,
        None => super::own()?,
    };
    let mut edit = Edit::begin(owner, Scope::from(arguments.scope), &surroundings)?;
    let location = edit.location().clone();
    let file = short(&location.path, &surroundings);
    if !edit.remove(owner, name)? {
        return Err(absent(name, &file, owner, &surroundings));
    }
    let written = edit.save()?;
    let mut lines = vec![format!("removed {name} from {file}")];
    lines.extend(backup_line(written.as_ref(), &surroundings));
    let mut value = as_json(&location, written.as_ref());
    value["name"] = json!(name);
    report(&mut Output::stdout(&arguments.output), &lines, value)
}

/// It may be in the file of another client.
fn absent(name: &str, file: &str, owner: &McpClient, surroundings: &Surroundings) -> anyhow::Error {
    let problem = format!("{file} has no server {}", safe::line(name));
    match find(name, surroundings) {
        Ok(known) => {
            let mut help = format!(
                "it is in {}; remove it there with: anyport remove {name}",
                short(&known.location.path, surroundings)
            );
            // Anyport's own file in a project is that of Claude Code.
            if known.location.client.id != owner.id
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
