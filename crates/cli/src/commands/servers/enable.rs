//! `anyport enable` and `anyport disable`: whether a configured server is used.

use std::process::ExitCode;

use anyhow::Result;
use anyport_config::Surroundings;
use serde_json::json;

use super::{
    client,
    edit::{as_json, backup_line},
    known::short,
    place::Place,
    remove::absent,
    report,
};
use crate::{
    client_session::output::{self, Output},
    render::safe,
    user_error::UserError,
};

/// The arguments of `anyport enable` and `anyport disable`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// The name.
    name: String,
    /// The client whose file has it; else the gateway's file or Anyport's own.
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Lets a server be used again.
pub(crate) fn enable(arguments: &Arguments) -> Result<ExitCode> {
    run(arguments, true)
}

/// Leaves a server out, and keeps its entry.
pub(crate) fn disable(arguments: &Arguments) -> Result<ExitCode> {
    run(arguments, false)
}

fn run(arguments: &Arguments, is_enabled: bool) -> Result<ExitCode> {
    let surroundings = Surroundings::here();
    let name = &arguments.name;
    let (owner, mut edit) = match &arguments.client {
        Some(id) => arguments.place.begin_of(client(id)?, &surroundings)?,
        None => arguments.place.begin(&surroundings)?,
    };
    let location = edit.location().clone();
    let file = short(&location.path, &surroundings);
    let done = if is_enabled { "enabled" } else { "disabled" };
    if !edit.has(name, &surroundings)? {
        let command = if is_enabled { "enable" } else { "disable" };
        return Err(absent(command, name, &file, owner, &surroundings));
    }
    if !owner.can_disable() {
        let problem = format!("{} has no key in its file that disables a server", owner.title);
        return Err(UserError::usage(
            problem,
            format!(
                "enable and disable it in {}, or take it out: anyport remove {name} --client {}",
                owner.title, owner.id
            ),
        ));
    }
    let changed = edit.enable(owner, name, is_enabled)?;
    let written = edit.save()?;
    let mut lines = vec![match changed {
        true => format!("{done} {} in {file}", safe::line(name)),
        false => format!("{} is {done} in {file} already", safe::line(name)),
    }];
    lines.extend(backup_line(written.as_ref(), &surroundings));
    let mut value = as_json(&location, written.as_ref());
    value["name"] = json!(name);
    value["enabled"] = json!(is_enabled);
    report(&mut Output::stdout(&arguments.output), &lines, value)
}
