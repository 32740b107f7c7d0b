//! `anyport import`: copies a client's servers into the file of the gateway, or into Anyport's own.

use std::{path::Path, process::ExitCode};

use anyhow::Result;
use anyport_config::{ConfigError, Endpoint, ServerConfig, Surroundings, expand_paths, valid_name};
use serde_json::json;

use super::{
    client, client_help,
    covered::has_secret,
    edit::{as_json, backup_line, failed, warn_of_readers},
    known::{self, short},
    place::Place,
    report,
};
use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    user_error::UserError,
};

/// The arguments of `anyport import`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport import claude-desktop\n  anyport import vscode files search --scope gateway"
)]
pub(crate) struct Arguments {
    #[arg(help = client_help())]
    client: String,
    /// The servers to copy; all unless given.
    names: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Replace other servers of these names.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Copies the servers of a client.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let surroundings = Surroundings::here();
    let source = client(&arguments.client)?;
    let mut servers: Vec<known::Known> = Vec::new();
    for location in source.locations(&surroundings) {
        let file = location.read(&surroundings).map_err(|error| failed(&error))?;
        servers.extend(file.iter().flat_map(|file| known::of_file(file, &location)));
    }
    if servers.is_empty() {
        let looked: Vec<String> = source
            .locations(&surroundings)
            .iter()
            .map(|location| short(&location.path, &surroundings))
            .collect();
        let problem = format!("{} has no servers", source.title);
        return Err(UserError::usage(problem, format!("looked in {}", looked.join(", "))));
    }
    if let Some(absent) =
        arguments.names.iter().find(|name| !servers.iter().any(|known| known.name == **name))
    {
        let names: Vec<&str> = servers.iter().map(|known| known.name.as_str()).collect();
        let problem = format!("{} has no server {absent}", source.title);
        return Err(UserError::usage(problem, format!("it has {}", names.join(", "))));
    }
    let (owner, mut edit) = arguments.place.begin(&surroundings)?;
    let location = edit.location().clone();
    let file = short(&location.path, &surroundings);
    let (mut lines, mut done) = (Vec::new(), Vec::new());
    // The names that were met, and those that were copied, with what they were.
    let mut met: Vec<&str> = Vec::new();
    let mut taken: Vec<(String, &str)> = Vec::new();
    let (mut is_failed, mut is_secret) = (false, false);
    for known in &servers {
        let wanted = arguments.names.is_empty() || arguments.names.contains(&known.name);
        let name = valid_name(&known.name);
        // The nearest file has it.
        if !wanted || known.location.path == location.path || met.contains(&known.name.as_str()) {
            continue;
        }
        met.push(&known.name);
        let server = match taken.iter().find(|(other, _)| *other == name) {
            Some((_, other)) => {
                Err(format!("{other} is copied under the name {name}, which both would have"))
            }
            None => copied(known, &surroundings),
        };
        let (result, line) = match server {
            Err(reason) => {
                is_failed = true;
                lines.push(format!("cannot copy {}: {reason}", known.name));
                done.push(json!({"name": known.name, "result": "failed", "reason": reason}));
                continue;
            }
            Ok(server) => {
                taken.push((name.clone(), known.name.as_str()));
                let (mut entry, _) = owner
                    .entry(&name, &server, &surroundings)
                    .map_err(|error| UserError::usage(error.to_string(), "correct the entry"))?;
                if server.disabled {
                    entry.insert("disabled".into(), true.into());
                }
                let changed = edit.set(owner, &name, &entry, arguments.force);
                is_secret |= matches!(changed, Ok(true)) && has_secret(&entry);
                match changed {
                    Ok(true) if server.disabled => {
                        ("copied", format!("copied {name} to {file}, disabled as it was"))
                    }
                    Ok(true) => ("copied", format!("copied {name} to {file}")),
                    Ok(false) => ("present", format!("{name} is in {file} already")),
                    Err(ConfigError::Taken { is_disabled: true, .. }) => {
                        ("taken", format!("kept {name}: {file} has it disabled; --force enables it"))
                    }
                    Err(ConfigError::Taken { .. }) => (
                        "taken",
                        format!("kept {name}: {file} has another server of this name; --force replaces it"),
                    ),
                    Err(error) => return Err(failed(&error)),
                }
            }
        };
        lines.push(line);
        done.push(json!({"name": name, "result": result}));
    }
    let written = edit.save()?;
    lines.extend(backup_line(written.as_ref(), &surroundings));
    if is_secret {
        warn_of_readers(&location, written.as_ref(), &surroundings);
    }
    let mut value = as_json(&location, written.as_ref());
    value["servers"] = json!(done);
    let exit = report(&mut Output::stdout(&arguments.output), &lines, value)?;
    Ok(if is_failed { Exit::Failed.into() } else { exit })
}

fn copied(known: &known::Known, surroundings: &Surroundings) -> Result<ServerConfig, String> {
    let server = known.server.as_ref().map_err(ToString::to_string)?;
    portable(server, surroundings, &known.location.workspace)
}

/// A server without paths that depend on the file it is in.
pub(super) fn portable(
    server: &ServerConfig,
    surroundings: &Surroundings,
    workspace: &Path,
) -> Result<ServerConfig, String> {
    let mut server = server
        .try_map(|_, text| expand_paths(text, surroundings, workspace))
        .map_err(|error| error.to_string())?;
    if let Endpoint::Command { env_file, cwd, .. } = &mut server.endpoint {
        for path in [env_file, cwd].into_iter().flatten() {
            // One that begins with a reference may be absolute.
            if !path.starts_with("${") {
                *path = workspace.join(&*path).display().to_string();
            }
        }
    }
    Ok(server)
}
