//! `anyport import`: copies the servers of a client or a file into the file of the gateway, of Anyport itself, or of a client.

use std::{
    path::{Component, Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use anyport_config::{
    ConfigError, ConfigFile, Endpoint, GATEWAY, Language, McpClient, ServerConfig, Surroundings,
    expand_paths, valid_name,
};
use serde_json::{Value, json};

use super::{
    client, client_help,
    covered::{has_secret, shown_entry},
    edit::{Edit, as_json, backup_line, failed, warn_of_readers, warn_of_values},
    known::{self, Known, short},
    place::Place,
    report,
};
use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    secret_source::{SecretSource, as_text, text_itself},
    user_error::UserError,
};

/// The arguments of `anyport import`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport import claude-desktop\n  anyport import vscode files search --scope gateway\n  anyport import ~/work/mcp.json --dry-run"
)]
pub(crate) struct Arguments {
    #[arg(value_name = "CLIENT|FILE", help = source_help())]
    source: String,
    /// The servers to copy; all unless given.
    names: Vec<String>,
    /// The client whose file they are copied to; else the gateway's file or Anyport's own.
    #[arg(long = "client", value_name = "CLIENT")]
    to: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Replace other servers of these names.
    #[arg(long)]
    force: bool,
    /// Show what would be written.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// The help of the argument that names where the servers are.
fn source_help() -> String {
    format!("{}; or the path of any client's file", client_help())
}

/// The servers that are to be copied.
struct Source {
    /// What they are read from, for people.
    title: String,
    servers: Vec<Known>,
}

/// Where they are copied to, and what became of each.
struct Copies<'a> {
    arguments: &'a Arguments,
    surroundings: &'a Surroundings,
    owner: &'static McpClient,
    edit: Edit,
    lines: Vec<String>,
    done: Vec<Value>,
    is_failed: bool,
    is_secret: bool,
}

/// Copies the servers of a client or a file.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let surroundings = Surroundings::here();
    let source = source(arguments, &surroundings)?;
    let (owner, edit) = match &arguments.to {
        Some(id) => arguments.place.begin_of(client(id)?, &surroundings)?,
        None => arguments.place.begin(&surroundings)?,
    };
    let location = edit.location().clone();
    let (lines, done) = (Vec::new(), Vec::new());
    let surroundings = &surroundings;
    let mut copies =
        Copies { arguments, surroundings, owner, edit, lines, done, is_failed: false, is_secret: false };
    // The names that were met, and those that were copied, with what they were.
    let mut met: Vec<&str> = Vec::new();
    let mut taken: Vec<(String, &str)> = Vec::new();
    for known in &source.servers {
        let wanted = arguments.names.is_empty() || arguments.names.contains(&known.name);
        // The nearest file has it.
        if !wanted || known.location.path == location.path || met.contains(&known.name.as_str()) {
            continue;
        }
        met.push(&known.name);
        let name = valid_name(&known.name);
        match taken.iter().find(|(other, _)| *other == name) {
            Some((_, other)) => {
                copies
                    .fail(known, &format!("{other} is copied under the name {name}, which both would have"));
            }
            None if copies.copy(known, &name)? => taken.push((name, &known.name)),
            None => {}
        }
    }
    let Copies { edit, mut lines, done, is_failed, is_secret, .. } = copies;
    let written = if arguments.dry_run { None } else { edit.save()? };
    lines.extend(backup_line(written.as_ref(), surroundings));
    if is_secret {
        warn_of_readers(&location, written.as_ref(), surroundings);
    }
    let mut value = as_json(&location, written.as_ref());
    value["servers"] = json!(done);
    let exit = report(&mut Output::stdout(&arguments.output), &lines, value)?;
    Ok(if is_failed { Exit::Failed.into() } else { exit })
}

impl Copies<'_> {
    /// Copies one server. Returns whether its name is taken now.
    fn copy(&mut self, known: &Known, name: &str) -> Result<bool> {
        let server = match copied(known, self.owner, self.surroundings) {
            Ok(server) => server,
            Err(reason) => return Ok(self.fail(known, &reason)),
        };
        let (mut entry, written_out) = match self.owner.entry(name, &server, self.surroundings) {
            Ok(entry) => entry,
            Err(error) => return Ok(self.fail(known, &error.to_string())),
        };
        if server.disabled && !self.owner.disable(&mut entry) {
            let reason = format!("it is disabled, which {} keeps elsewhere", self.owner.title);
            return Ok(self.fail(known, &reason));
        }
        if !self.arguments.dry_run {
            warn_of_values(self.owner, &written_out);
        }
        let file = short(&self.edit.location().path, self.surroundings);
        let changed = self.edit.set(self.owner, name, &entry, self.arguments.force);
        self.is_secret |= matches!(changed, Ok(true)) && (!written_out.is_empty() || has_secret(&entry));
        let (result, line) = match changed {
            Ok(true) if self.arguments.dry_run => {
                ("copied", format!("would copy {name} to {file}: {}", shown_entry(&entry)))
            }
            Ok(true) if server.disabled => ("copied", format!("copied {name} to {file}, disabled as it was")),
            Ok(true) => ("copied", format!("copied {name} to {file}")),
            Ok(false) => ("present", format!("{name} is in {file} already")),
            Err(ConfigError::Taken { is_disabled: true, .. }) => {
                ("taken", format!("kept {name}: {file} has it disabled; --force enables it"))
            }
            Err(ConfigError::Taken { .. }) => {
                ("taken", format!("kept {name}: {file} has another server of this name; --force replaces it"))
            }
            Err(error) => return Err(failed(&error)),
        };
        self.lines.push(line);
        self.done.push(json!({"name": name, "result": result}));
        Ok(true)
    }

    /// Notes that a server cannot be copied, and that its name is free.
    fn fail(&mut self, known: &Known, reason: &str) -> bool {
        self.is_failed = true;
        self.lines.push(format!("cannot copy {}: {reason}", known.name));
        self.done.push(json!({"name": known.name, "result": "failed", "reason": reason}));
        false
    }
}

/// The servers of the client or file that was named.
fn source(arguments: &Arguments, surroundings: &Surroundings) -> Result<Source> {
    let word = &arguments.source;
    let source = match is_file(word, surroundings) {
        true => of_path(word, surroundings)?,
        false => of_client(client(word)?, surroundings)?,
    };
    let has = |name: &String| source.servers.iter().any(|known| known.name == *name);
    if let Some(absent) = arguments.names.iter().find(|name| !has(name)) {
        let names: Vec<&str> = source.servers.iter().map(|known| known.name.as_str()).collect();
        let problem = format!("{} has no server {absent}", source.title);
        return Err(UserError::usage(problem, format!("it has {}", names.join(", "))));
    }
    Ok(source)
}

/// Whether a word is the path of a file, and not the name of a client.
fn is_file(word: &str, surroundings: &Surroundings) -> bool {
    let path = Path::new(word);
    let is_path = || path.components().count() > 1 || surroundings.cwd.join(path).is_file();
    anyport_config::client(word).is_none() && (Language::is_known(path) || is_path())
}

/// The servers of a file, whichever client's it is: it was named, so that it is not looked whether others can write it.
fn of_path(word: &str, surroundings: &Surroundings) -> Result<Source> {
    let path = plain(surroundings.cwd.join(word));
    let file = ConfigFile::read(&path, &surroundings.cwd).map_err(|error| failed(&error))?;
    let location = file.location(surroundings);
    let servers: Vec<Known> = known::of_file(&file, &location).collect();
    let title = short(&path, surroundings);
    if servers.is_empty() {
        return Err(UserError::usage(
            format!("{title} has no servers"),
            "they stand under mcpServers, servers, mcp_servers, context_servers, extensions, mcp or upstreams",
        ));
    }
    Ok(Source { title, servers })
}

/// A path without `..`, which would stand in what is written.
fn plain(path: PathBuf) -> PathBuf {
    match path.components().any(|part| part == Component::ParentDir) {
        true => path.canonicalize().unwrap_or(path),
        false => path,
    }
}

/// The servers of a client, the nearest first.
fn of_client(client: &'static McpClient, surroundings: &Surroundings) -> Result<Source> {
    let mut servers: Vec<Known> = Vec::new();
    let locations = client.locations(surroundings);
    for location in &locations {
        let file = location.read(surroundings).map_err(|error| failed(&error))?;
        servers.extend(file.iter().flat_map(|file| known::of_file(file, location)));
    }
    if servers.is_empty() {
        let looked: Vec<String> =
            locations.iter().map(|location| short(&location.path, surroundings)).collect();
        let problem = format!("{} has no servers", client.title);
        return Err(UserError::usage(problem, format!("looked in {}", looked.join(", "))));
    }
    Ok(Source { title: client.title.to_owned(), servers })
}

fn copied(known: &Known, to: &McpClient, surroundings: &Surroundings) -> Result<ServerConfig, String> {
    let server = known.server.as_ref().map_err(ToString::to_string)?;
    let server = portable(server, surroundings, &known.location.workspace)?;
    let is_gateway = |client: &McpClient| client.id == GATEWAY.id;
    let mut server = match (is_gateway(known.location.client), is_gateway(to)) {
        (false, true) => server.try_map(|key, text| Ok::<_, String>(meaning_itself(key, text)))?,
        (true, false) => server.try_map(without_source)?,
        _ => server,
    };
    known.set_folder(&mut server);
    Ok(server)
}

/// Whether the file of a gateway reads a value as the source of a secret.
fn is_read_as_source(key: &str) -> bool {
    key.starts_with("env.") || key.starts_with("headers.")
}

/// A value of a client's file, for the file of a gateway. It is a text there, whatever it begins with: in the other file `cmd:...` would
/// be run.
fn meaning_itself(key: &str, text: &str) -> String {
    if is_read_as_source(key) { as_text(text).into_owned() } else { text.to_owned() }
}

/// A value of a gateway's file, for the file of a client, which knows no sources of secrets but variables.
fn without_source(key: &str, text: &str) -> Result<String, String> {
    if !is_read_as_source(key) {
        return Ok(text.to_owned());
    }
    let (scheme, source) = match text.strip_prefix("Bearer ") {
        Some(source) => ("Bearer ", source),
        None => ("", text),
    };
    match source.parse::<SecretSource>() {
        Ok(SecretSource::Environment(name)) => Ok(format!("{scheme}${{{name}}}")),
        Ok(source) => Err(format!("its `{key}` is read from {source}, which the files of clients cannot do")),
        Err(_) => Ok(text_itself(text).unwrap_or(text).to_owned()),
    }
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
