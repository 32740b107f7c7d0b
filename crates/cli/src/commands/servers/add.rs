//! `anyport add`: a server of the gateway or of one's own, under a name.

use std::process::ExitCode;

use anyhow::Result;
use anyport_config::{Surroundings, is_valid_name, valid_name};
use serde_json::json;

use super::{
    covered::has_secret,
    edit::{as_json, backup_line, failed, warn_of_readers},
    given::Given,
    known::short,
    place::Place,
    report,
};
use crate::{
    client_session::output::{self, Output},
    render::safe,
    user_error::UserError,
};

/// The arguments of `anyport add`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport add [OPTIONS] NAME URL\n       anyport add [OPTIONS] NAME -- COMMAND [ARGS]...",
    after_help = "Examples:\n  anyport add linear https://mcp.linear.app/mcp --bearer env:LINEAR_TOKEN\n  anyport add everything -- npx -y @modelcontextprotocol/server-everything\n  anyport add files --scope gateway -- npx -y @modelcontextprotocol/server-filesystem ."
)]
pub(crate) struct Arguments {
    /// The name: letters, digits, - and _.
    name: String,
    /// The URL of the server, unless a command stands after --.
    url: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Replace another server of this name.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Adds a server to the file of the gateway, or to Anyport's own.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let surroundings = Surroundings::here();
    let name = &arguments.name;
    check_name(name)?;
    let server = arguments.given.server(arguments.url.as_deref(), &surroundings)?;
    let (owner, mut edit) = arguments.place.begin(&surroundings)?;
    let (entry, _) = owner
        .entry(name, &server, &surroundings)
        .map_err(|error| UserError::usage(error.to_string(), "leave out what it lacks"))?;
    let changed = edit.set(owner, name, &entry, arguments.force).map_err(|error| failed(&error))?;
    let location = edit.location().clone();
    let written = edit.save()?;
    let file = short(&location.path, &surroundings);
    let mut lines = vec![match changed {
        true => format!("added {name} to {file}"),
        false => format!("{name} is in {file} already"),
    }];
    lines.extend(backup_line(written.as_ref(), &surroundings));
    if has_secret(&entry) {
        warn_of_readers(&location, written.as_ref(), &surroundings);
    }
    let mut value = as_json(&location, written.as_ref());
    value["name"] = json!(name);
    report(&mut Output::stdout(&arguments.output), &lines, value)
}

/// Refuses a name that some client refuses.
pub(super) fn check_name(name: &str) -> Result<()> {
    if is_valid_name(name) {
        return Ok(());
    }
    Err(UserError::usage(
        format!("{} is no name that every client accepts", safe::line(name)),
        format!("take letters, digits, - and _, for example {}", valid_name(name)),
    ))
}
