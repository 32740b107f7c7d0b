//! What a word stands for: a URL, an entry of a file, or a name that is looked for in the files of clients.

use std::path::{Path, PathBuf};

use anyhow::Result;
use anyport_config::{
    ConfigError, ConfigFile, ConfigLocation, Language, Scope, Surroundings, config_locations,
};
use anyport_protocol::suggest::did_you_mean;

use super::{configured, server::Server};
use crate::user_error::UserError;

/// A server, and what else was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// How to reach it.
    pub(crate) server: Server,
    /// As it was named: for messages.
    pub(crate) name: String,
    /// Where it was found, when it was looked for.
    pub(crate) found: Option<PathBuf>,
    /// What the user is to know about how it was found.
    pub(crate) notes: Vec<String>,
}

impl Target {
    /// A name for it in the configuration of a client: its own where it was found, else one that says what it is. Never a URL or
    /// a path, which clients refuse.
    pub(crate) fn config_name(&self) -> String {
        match &self.found {
            Some(_) => anyport_config::valid_name(&self.name),
            None => self.server.config_name(),
        }
    }
}

/// The forms of a server's name.
pub(super) const HOW: &str =
    "SERVER comes first: name a URL, FILE#NAME or NAME of an mcp.json, or end with: -- COMMAND ARGS";

/// The server that a word stands for: a URL, `FILE#NAME`, a file with one server, or the name of one.
pub(super) fn named(word: &str, surroundings: &Surroundings) -> Result<Target> {
    if word.contains("://") || word.starts_with("unix:") {
        let server = Server::url(word, Vec::new()).map_err(|error| {
            UserError::usage(error.to_string(), "for example https://host/mcp; the server comes first")
        })?;
        return Ok(Target { name: server.to_string(), server, found: None, notes: Vec::new() });
    }
    if let Some((path, name)) = word.rsplit_once('#') {
        return in_file(Path::new(path), Some(name), surroundings);
    }
    if Language::is_known(Path::new(word)) {
        return in_file(Path::new(word), None, surroundings);
    }
    look_for(word, surroundings)
}

/// Whether `word` leads to a server: it is the URL of one, or a configuration has it.
pub(crate) fn is_server(word: &str, surroundings: &Surroundings) -> bool {
    named(word, surroundings).is_ok()
}

/// Whether `word` is meant as a server, also where there is none: a URL of a scheme of servers, a server of a file, or one
/// that a configuration has.
pub(crate) fn may_be_server(word: &str, surroundings: &Surroundings) -> bool {
    match word.split_once("://") {
        Some((scheme, _)) => ["http", "https", "ws", "wss", "unix"].contains(&scheme),
        None => word.contains('#') || Language::is_known(Path::new(word)) || is_server(word, surroundings),
    }
}

fn in_file(path: &Path, name: Option<&str>, surroundings: &Surroundings) -> Result<Target> {
    let absolute = surroundings.cwd.join(path);
    if !absolute.exists() {
        let help = "correct the path; a server of another file is FILE#NAME";
        return Err(UserError::usage(format!("there is no file {}", path.display()), help));
    }
    if absolute.is_dir() {
        let problem = format!("{} is a folder", path.display());
        return Err(UserError::usage(problem, "name the file in it that lists servers"));
    }
    let file = ConfigFile::read(&absolute, &surroundings.cwd)
        .map_err(|error| UserError::usage(error.to_string(), error.help()))?;
    let names: Vec<&str> = file.names().collect();
    let name = match (name.filter(|name| !name.is_empty()), &*names) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, []) => {
            let problem = format!("{} has no servers", path.display());
            return Err(UserError::usage(
                problem,
                "they stand in it under mcpServers or servers, each by its name",
            ));
        }
        (None, _) => {
            let help = format!("say which one: {}#NAME, with one of {}", path.display(), names.join(", "));
            let problem = format!("{} has {} servers", path.display(), names.len());
            return Err(UserError::usage(problem, help));
        }
    };
    match configured::server(&file, name, surroundings, &workspace(&absolute)) {
        Some(server) => found(name, server, absolute),
        None => {
            let problem = format!("{} has no server {name}", path.display());
            let near = did_you_mean(name, names.iter().copied());
            let all = match names.is_empty() {
                true => "it has none".to_owned(),
                false => format!("it has {}", names.join(", ")),
            };
            Err(UserError::usage(problem, near.unwrap_or(all)))
        }
    }
}

fn found(name: &str, server: Result<Server, ConfigError>, path: PathBuf) -> Result<Target> {
    let server = server.map_err(|error| UserError::usage(error.to_string(), error.help()))?;
    Ok(Target { server, name: name.to_owned(), found: Some(path), notes: Vec::new() })
}

/// The folder that a file belongs to: editors keep theirs one below it.
fn workspace(file: &Path) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new("."));
    match folder.file_name().and_then(|name| name.to_str()) {
        Some(".vscode" | ".cursor" | ".gemini" | ".codex" | ".zed" | ".opencode" | "config") => {
            folder.parent().unwrap_or(folder).to_owned()
        }
        _ => folder.to_owned(),
    }
}

/// Looks for a name wherever programs keep their servers.
fn look_for(name: &str, surroundings: &Surroundings) -> Result<Target> {
    let mut known: Vec<String> = Vec::new();
    let mut looked: Vec<String> = Vec::new();
    let mut broken: Vec<ConfigError> = Vec::new();
    let mut locations = config_locations(surroundings).into_iter();
    while let Some(location) = locations.next() {
        // A file that is broken is no reason not to look on.
        match location.read(surroundings) {
            Ok(None) => continue,
            Err(error) => broken.push(error),
            Ok(Some(file)) => match configured::server(&file, name, surroundings, &location.workspace) {
                Some(server) => {
                    let mut target = found(name, server, location.path.clone())?;
                    target.notes = notes(&broken);
                    target.notes.extend(hides(&file, name, &location, locations.as_slice(), surroundings));
                    return Ok(target);
                }
                None => known.extend(file.names().map(str::to_owned)),
            },
        }
        looked.push(format!("{} ({})", location.path.display(), location.client.title));
    }
    let mut problem = format!("no server is called {name}");
    problem += &match looked.is_empty() {
        true => "; no mcp.json was found in this project or of this user".to_owned(),
        false => format!("; looked in {}", looked.join(", ")),
    };
    let is_broken = !broken.is_empty();
    for error in &broken {
        problem += &format!("; {error}");
    }
    let untrusted = broken.iter().find(|error| matches!(error, ConfigError::Untrusted(..)));
    let near = did_you_mean(name, known.iter().map(String::as_str));
    let help =
        near.or(untrusted.map(|error| error.help().to_owned())).unwrap_or_else(|| match is_url(name) {
            true => format!("for a URL, write its scheme: http://{name}"),
            false => guess(name, &known, is_broken),
        });
    Err(UserError::usage(problem, help))
}

/// The files that were not used because of their owner or their permissions: they may have the name, too.
fn notes(broken: &[ConfigError]) -> Vec<String> {
    let untrusted = broken.iter().filter(|error| matches!(error, ConfigError::Untrusted(..)));
    untrusted.map(|error| format!("warning: {error}; {}", error.help())).collect()
}

/// A note where the entry of a project hides another server that its user has under this name.
fn hides(
    file: &ConfigFile,
    name: &str,
    location: &ConfigLocation,
    later: &[ConfigLocation],
    surroundings: &Surroundings,
) -> Option<String> {
    if location.scope != Scope::Project {
        return None;
    }
    let own = file.server(name)?.ok()?;
    let of_user = later.iter().filter(|later| later.scope == Scope::User);
    let hidden = of_user
        .filter_map(|later| Some((later, later.read(surroundings).ok()??)))
        .find(|(_, file)| file.server(name).is_some_and(|server| server.is_ok_and(|server| server != own)));
    let (hidden, _) = hidden?;
    Some(format!(
        "note: {name} is that of the project, in {}; it hides {name} of {} ({})",
        location.path.display(),
        hidden.path.display(),
        hidden.client.title
    ))
}

/// The names of the servers that are configured, the nearest first, each with the client in whose file it stands.
pub(crate) fn configured_names(surroundings: &Surroundings) -> Vec<(String, String)> {
    let mut names: Vec<(String, String)> = Vec::new();
    for location in config_locations(surroundings) {
        // A file that is broken is no reason not to look on.
        let Ok(Some(file)) = location.read(surroundings) else { continue };
        for name in file.names() {
            if !names.iter().any(|(known, _)| known == name) {
                names.push((name.to_owned(), location.client.title.to_owned()));
            }
        }
    }
    names
}

/// Whether a word looks like a URL that lacks its scheme.
fn is_url(word: &str) -> bool {
    let host = word.split('/').next().unwrap_or(word);
    let port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    port || host == "localhost" || host.contains('.') && !Path::new(word).exists()
}

/// The suggestion for a misspelled name.
fn guess(word: &str, known: &[String], is_broken: bool) -> String {
    const LISTED: usize = 12;
    let mut help = format!("to start a program, write it after --: -- {word}; else {HOW}");
    if is_broken {
        help += "; and correct the file that is wrong";
    }
    if !known.is_empty() && known.len() <= LISTED {
        help += &format!("; there are {}", known.join(", "));
    }
    help
}
