//! What a word stands for: a URL, an entry of a file, or a name that is looked for in running gateways and in files.
//!
//! A name is looked for where it is nearest: in the nearest `anyport.toml`, then in the files of clients that the project has, then
//! among the servers of running gateways, then in the files of the user. If a running gateway serves the file in which it was found,
//! the gateway answers for it, so that nothing is started twice.

use std::path::{Path, PathBuf};

use anyhow::Result;
use anyport_config::{
    ConfigError, ConfigFile, ConfigLocation, Language, Scope, Surroundings, config_locations,
    gateway::is_gateway_file,
};
use anyport_protocol::{Revision, suggest::did_you_mean};

use super::{
    configured,
    running::{self, RunningGateway},
    server::{GatewayServer, Server},
    upstream,
    upstream_fault::UpstreamFault,
};
use crate::{
    gateway::{GatewayFile, trusted_nearest_file},
    inputs,
    user_error::UserError,
};

/// A server, and what else was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// How to reach it.
    pub(crate) server: Server,
    /// As it was named: for messages.
    pub(crate) name: String,
    /// The file that it was found in, when it was looked for; the file of the gateway that has it.
    pub(crate) found: Option<PathBuf>,
    /// The only revision that is spoken with it, if its file says so.
    pub(crate) revision: Option<Revision>,
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
pub(super) const HOW: &str = "SERVER comes first: name a URL, FILE#NAME or NAME of a running gateway, an anyport.toml or an \
                              mcp.json, or end with: -- COMMAND ARGS";

/// Who answers for a server that a running gateway has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The gateway.
    Gateway,
    /// The server itself, which is started or reached anew.
    Direct,
}

impl Way {
    fn gateways(self, surroundings: &Surroundings) -> Vec<RunningGateway> {
        match self {
            Self::Gateway => running::gateways(surroundings),
            Self::Direct => Vec::new(),
        }
    }
}

/// What a word leads to. Secrets of a gateway's file are not read yet, as their commands may ask the user.
enum Found {
    /// A URL.
    Url(Server),
    /// A server of a client's file.
    Configured(Box<Configured>),
    /// A server of a gateway's file.
    Upstream(Box<GatewayFile>, String),
    /// A server of a running gateway.
    Running(GatewayServer),
}

/// A server of a client's file.
struct Configured {
    name: String,
    /// How it is reached.
    server: Result<Server, ConfigError>,
    path: PathBuf,
    /// The folder that the file belongs to.
    workspace: PathBuf,
}

impl Configured {
    /// How it is reached, once the user has answered what its file has them asked for.
    fn ask(self, surroundings: &Surroundings) -> Result<Server, anyhow::Error> {
        let wrong = |error: ConfigError| UserError::usage(error.to_string(), error.help());
        let Self { name, server, path, workspace } = self;
        configured::warn_of_unused_keys(&path, &surroundings.cwd, Some(&name));
        let error = match server {
            Ok(server) => return Ok(server),
            Err(error) => error,
        };
        let file = ConfigFile::read(&path, &surroundings.cwd).map_err(wrong)?;
        let Some(Ok(config)) = file.server(&name) else { return Err(wrong(error)) };
        let mut surroundings = surroundings.clone();
        surroundings.variables.extend(inputs::ask(&path, &[config], &surroundings)?);
        let server = configured::server(&file, &name, &surroundings, &workspace);
        server.unwrap_or(Err(error)).map_err(wrong)
    }
}

/// What a word leads to, and what the user is to know about that.
struct Lookup {
    found: Found,
    notes: Vec<String>,
}

impl From<Found> for Lookup {
    fn from(found: Found) -> Self {
        Self { found, notes: Vec::new() }
    }
}

impl Lookup {
    /// The server; `may_ask`: the user can be asked for what it lacks.
    fn resolve(self, surroundings: &Surroundings, may_ask: bool) -> Result<Target> {
        let Self { found, notes } = self;
        let (name, server, found, revision) = match found {
            Found::Url(server) => (server.to_string(), server, None, None),
            Found::Configured(configured) => {
                let (name, path) = (configured.name.clone(), configured.path.clone());
                let server = match may_ask {
                    true => configured.ask(surroundings)?,
                    false => configured
                        .server
                        .map_err(|error| UserError::usage(error.to_string(), error.help()))?,
                };
                (name, server, Some(path), None)
            }
            Found::Running(server) => {
                (server.name.clone(), Server::Gateway(server.clone()), Some(server.file), None)
            }
            Found::Upstream(mut file, name) => {
                if may_ask {
                    file.ask_for_inputs(Some(&name))?;
                }
                let (server, revision) = of_gateway_file(&file, &name)?;
                (name, server, Some(file.path), revision)
            }
        };
        Ok(Target { server, name, found, revision, notes })
    }
}

/// How the server `name` of a gateway's file is reached without the gateway.
fn of_gateway_file(file: &GatewayFile, name: &str) -> Result<(Server, Option<Revision>)> {
    let wrong = |fault: UpstreamFault| file.wrong_upstream(name, &fault);
    if let Some(documents) = file.config.knowledge.get(name) {
        return Ok((upstream::of_documents(documents, file).map_err(|why| wrong(why.into()))?, None));
    }
    let Some(config) = file.config.upstreams.get(name) else {
        return Err(wrong(UpstreamFault::new([], "it is gone")));
    };
    let revision = upstream::check_upstream(config, file).map_err(wrong)?;
    Ok((upstream::of_upstream(config, file).map_err(wrong)?, revision))
}

/// The server that a word stands for: a URL, `FILE#NAME`, a file with one server, or the name of one. `may_ask`: the user can be
/// asked for what it lacks.
pub(super) fn named(word: &str, surroundings: &Surroundings, way: Way, may_ask: bool) -> Result<Target> {
    find(word, surroundings, way)?.resolve(surroundings, may_ask)
}

fn find(word: &str, surroundings: &Surroundings, way: Way) -> Result<Lookup> {
    if word.contains("://") || word.starts_with("unix:") {
        let server = Server::url(word, Vec::new()).map_err(|error| {
            UserError::usage(error.to_string(), "for example https://host/mcp; the server comes first")
        })?;
        return Ok(Found::Url(server).into());
    }
    if let Some((path, name)) = word.rsplit_once('#') {
        return in_file(Path::new(path), Some(name), surroundings, way);
    }
    if Language::is_known(Path::new(word)) {
        return in_file(Path::new(word), None, surroundings, way);
    }
    look_for(word, surroundings, way)
}

/// Whether `word` leads to a server: it is the URL of one, or a gateway or a configuration has it.
pub(crate) fn is_server(word: &str, surroundings: &Surroundings) -> bool {
    let found = find(word, surroundings, Way::Gateway).map(|lookup| lookup.found);
    found.is_ok_and(|found| !matches!(found, Found::Configured(configured) if configured.server.is_err()))
}

/// Whether `word` is meant as a server, also where there is none: a URL of a scheme of servers, a server of a file, or one
/// that a configuration has.
pub(crate) fn may_be_server(word: &str, surroundings: &Surroundings) -> bool {
    match word.split_once("://") {
        Some((scheme, _)) => ["http", "https", "ws", "wss", "unix"].contains(&scheme),
        None => word.contains('#') || Language::is_known(Path::new(word)) || is_server(word, surroundings),
    }
}

/// The file and the name of the server that `word` names, if it is one of a gateway, or of a gateway's file.
pub(crate) fn upstream_of(word: &str, surroundings: &Surroundings) -> Option<(PathBuf, String)> {
    match find(word, surroundings, Way::Gateway).ok()?.found {
        Found::Running(server) => Some((server.file, server.name)),
        Found::Upstream(file, name) => Some((file.path, name)),
        Found::Url(_) | Found::Configured(..) => None,
    }
}

fn in_file(path: &Path, name: Option<&str>, surroundings: &Surroundings, way: Way) -> Result<Lookup> {
    let absolute = surroundings.cwd.join(path);
    if !absolute.exists() {
        let help = "correct the path; a server of another file is FILE#NAME";
        return Err(UserError::usage(format!("there is no file {}", path.display()), help));
    }
    if absolute.is_dir() {
        let problem = format!("{} is a folder", path.display());
        return Err(UserError::usage(problem, "name the file in it that lists servers"));
    }
    let gateways = way.gateways(surroundings);
    if is_gateway_file(&absolute) {
        let file = GatewayFile::read(&absolute, surroundings)?;
        let name = one_of(&names(&file), name, path)?.to_owned();
        return Ok(answered(&file.path, &name, &gateways)
            .unwrap_or(Found::Upstream(Box::new(file), name))
            .into());
    }
    let file = ConfigFile::read(&absolute, &surroundings.cwd)
        .map_err(|error| UserError::usage(error.to_string(), error.help()))?;
    let all: Vec<&str> = file.names().collect();
    let name = one_of(&all, name, path)?;
    if let Some(found) = answered(&absolute, name, &gateways) {
        return Ok(found.into());
    }
    let workspace = workspace(&absolute);
    match configured::server(&file, name, surroundings, &workspace) {
        Some(server) => {
            let configured = Configured { name: name.to_owned(), server, path: absolute, workspace };
            Ok(Found::Configured(Box::new(configured)).into())
        }
        None => Err(no_such(name, &all, path)),
    }
}

/// The names of the servers of a gateway's file.
fn names(file: &GatewayFile) -> Vec<&str> {
    file.config.upstreams.keys().chain(file.config.knowledge.keys()).map(String::as_str).collect()
}

/// `name`, or the only one of `names` if none is given.
fn one_of<'n>(names: &[&'n str], name: Option<&'n str>, path: &Path) -> Result<&'n str> {
    match (name.filter(|name| !name.is_empty()), names) {
        (Some(name), names) if names.contains(&name) => Ok(name),
        (Some(name), names) => Err(no_such(name, names, path)),
        (None, [only]) => Ok(only),
        (None, []) => {
            let problem = format!("{} has no servers", path.display());
            Err(UserError::usage(problem, "they stand in it under mcpServers or servers, each by its name"))
        }
        (None, _) => {
            let help = format!("say which one: {}#NAME, with one of {}", path.display(), names.join(", "));
            Err(UserError::usage(format!("{} has {} servers", path.display(), names.len()), help))
        }
    }
}

fn no_such(name: &str, names: &[&str], path: &Path) -> anyhow::Error {
    let problem = format!("{} has no server {name}", path.display());
    let all = match names.is_empty() {
        true => "it has none".to_owned(),
        false => format!("it has {}", names.join(", ")),
    };
    UserError::usage(problem, did_you_mean(name, names.iter().copied()).unwrap_or(all))
}

/// The server `name` of the file at `path`, if one of `gateways` serves that file and has it.
fn answered(path: &Path, name: &str, gateways: &[RunningGateway]) -> Option<Found> {
    let serving = gateways.iter().filter(|gateway| gateway.serves(path));
    serving.filter_map(|gateway| gateway.server(name)).next().map(Found::Running)
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

/// Looks for a name in running gateways, and wherever programs keep their servers.
fn look_for(name: &str, surroundings: &Surroundings, way: Way) -> Result<Lookup> {
    let gateways = way.gateways(surroundings);
    let mut search = Search::default();
    if let Some(found) = search.nearest(name, surroundings, &gateways) {
        let notes = [notes(&search.broken), others(name, &found, &gateways)].concat();
        return Ok(Lookup { found, notes });
    }
    let mut locations = config_locations(surroundings).into_iter();
    let mut are_gateways_next = true;
    loop {
        let is_of_project = locations.as_slice().first().is_some_and(|next| next.scope == Scope::Project);
        if !is_of_project && std::mem::take(&mut are_gateways_next) {
            if let Some(server) = of_gateways(name, &gateways)? {
                let mut notes = [search.notes(), notes(&search.broken)].concat();
                notes.extend(gateway_hides(name, &server, locations.as_slice(), surroundings));
                return Ok(Lookup { found: Found::Running(server), notes });
            }
            let all = gateways.iter().flat_map(RunningGateway::names);
            search.known.extend(all.map(str::to_owned));
        }
        let Some(location) = locations.next() else { return Err(search.nothing(name)) };
        let Some(file) = search.read(&location, surroundings) else { continue };
        let Some(server) = configured::server(&file, name, surroundings, &location.workspace) else {
            search.known.extend(file.names().map(str::to_owned));
            continue;
        };
        let mut notes = [search.notes(), notes(&search.broken)].concat();
        notes.extend(hides(&file, name, &location, locations.as_slice(), surroundings));
        let configured = || {
            let (path, workspace) = (location.path.clone(), location.workspace.clone());
            Found::Configured(Box::new(Configured { name: name.to_owned(), server, path, workspace }))
        };
        let found = answered(&location.path, name, &gateways).unwrap_or_else(configured);
        notes.extend(others(name, &found, &gateways));
        return Ok(Lookup { found, notes });
    }
}

/// Where a name was looked for so far.
#[derive(Default)]
struct Search {
    /// The names that were found instead.
    known: Vec<String>,
    looked: Vec<String>,
    broken: Vec<ConfigError>,
    /// The nearest `anyport.toml`, if it has a fault.
    faulty: Option<PathBuf>,
}

impl Search {
    /// Looks in the nearest `anyport.toml`.
    fn nearest(
        &mut self,
        name: &str,
        surroundings: &Surroundings,
        gateways: &[RunningGateway],
    ) -> Option<Found> {
        let path = match trusted_nearest_file(surroundings)? {
            Ok(path) => path,
            Err((path, distrust)) => {
                self.broken.push(ConfigError::Untrusted(path, distrust));
                return None;
            }
        };
        let Ok(file) = GatewayFile::read(&path, surroundings) else {
            self.faulty = Some(path);
            return None;
        };
        let names = names(&file);
        if !names.contains(&name) {
            self.known.extend(names.into_iter().map(str::to_owned));
            self.looked.push(path.display().to_string());
            return None;
        }
        Some(
            answered(&path, name, gateways)
                .unwrap_or_else(|| Found::Upstream(Box::new(file), name.to_owned())),
        )
    }

    /// Reads a file of a client. One that is broken is no reason not to look on.
    fn read(&mut self, location: &ConfigLocation, surroundings: &Surroundings) -> Option<ConfigFile> {
        let file = location.read(surroundings).unwrap_or_else(|error| {
            self.broken.push(error);
            None
        })?;
        self.looked.push(format!("{} ({})", location.path.display(), location.client.title));
        Some(file)
    }

    /// A note that the nearest file was not looked in.
    fn notes(&self) -> Vec<String> {
        let note = |path: &PathBuf| {
            format!(
                "warning: {} has a fault, and is not used: `anyport config check` shows it",
                path.display()
            )
        };
        self.faulty.iter().map(note).collect()
    }

    /// The error that says where `name` was looked for.
    fn nothing(&self, name: &str) -> anyhow::Error {
        let Self { known, looked, broken, faulty } = self;
        let mut problem = format!("no server is called {name}");
        problem += &match looked.is_empty() {
            true => {
                "; no gateway runs, no anyport.toml and no mcp.json was found in this project or of this user"
                    .to_owned()
            }
            false => format!("; looked in {}", looked.join(", ")),
        };
        for error in broken {
            problem += &format!("; {error}");
        }
        if let Some(path) = faulty {
            problem += &format!("; {} has a fault, which `anyport config check` shows", path.display());
        }
        let untrusted = broken.iter().find(|error| matches!(error, ConfigError::Untrusted(..)));
        let near = did_you_mean(name, known.iter().map(String::as_str));
        let help =
            near.or(untrusted.map(|error| error.help().to_owned())).unwrap_or_else(|| match is_url(name) {
                true => format!("for a URL, write its scheme: http://{name}"),
                false => guess(name, known, !broken.is_empty() || faulty.is_some()),
            });
        UserError::usage(problem, help)
    }
}

/// The server `name` of the running gateways.
///
/// # Errors
/// When gateways of several files have it.
fn of_gateways(name: &str, gateways: &[RunningGateway]) -> Result<Option<GatewayServer>> {
    let mut found: Vec<_> = gateways.iter().filter_map(|gateway| gateway.server(name)).collect();
    // Several may serve one file.
    found.dedup_by(|one, other| one.file == other.file);
    if found.len() < 2 {
        return Ok(found.pop());
    }
    let all: Vec<_> = found.iter().map(|server| format!("{}#{name}", server.file.display())).collect();
    let problem = format!("{} running gateways have a server {name}", found.len());
    Err(UserError::usage(problem, format!("say which one: {}", all.join(", or "))))
}

/// Notes of running gateways that have another server of this name than the one that was found.
fn others(name: &str, found: &Found, gateways: &[RunningGateway]) -> Vec<String> {
    let path = match found {
        Found::Url(_) => return Vec::new(),
        Found::Configured(configured) => &configured.path,
        Found::Upstream(file, _) => &file.path,
        Found::Running(server) => &server.file,
    };
    let others = gateways.iter().filter(|gateway| !gateway.serves(path) && gateway.server(name).is_some());
    let note = |other: &RunningGateway| {
        let other = other.file.display();
        format!(
            "note: {name} is that of {}; a running gateway has another one, {other}#{name}",
            path.display()
        )
    };
    others.map(note).collect()
}

/// A note where the server of a gateway hides one that the user has under this name.
fn gateway_hides(
    name: &str,
    server: &GatewayServer,
    later: &[ConfigLocation],
    surroundings: &Surroundings,
) -> Option<String> {
    let mut of_user = later.iter().filter(|later| later.path != server.file);
    let hidden = of_user.find(|later| {
        later.read(surroundings).is_ok_and(|file| file.is_some_and(|file| file.server(name).is_some()))
    })?;
    Some(format!(
        "note: {name} is that of the running gateway of {}; it hides {name} of {} ({}), which --direct takes",
        server.file.display(),
        hidden.path.display(),
        hidden.client.title
    ))
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

/// The names of the servers of running gateways and of files, the nearest first, each with where it is from.
pub(crate) fn configured_names(surroundings: &Surroundings) -> Vec<(String, String)> {
    let mut names: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, from: String| {
        if !names.iter().any(|(known, _)| known == name) {
            names.push((name.to_owned(), from));
        }
    };
    // What is broken is no reason not to look on.
    let nearest = trusted_nearest_file(surroundings).and_then(Result::ok);
    if let Some(file) = nearest.and_then(|path| GatewayFile::read(&path, surroundings).ok()) {
        self::names(&file).into_iter().for_each(|name| add(name, file.path.display().to_string()));
    }
    for gateway in running::gateways(surroundings) {
        gateway.names().for_each(|name| add(name, format!("gateway of {}", gateway.file.display())));
    }
    for location in config_locations(surroundings) {
        let Ok(Some(file)) = location.read(surroundings) else { continue };
        file.names().for_each(|name| add(name, location.client.title.to_owned()));
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
