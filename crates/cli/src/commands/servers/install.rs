//! `anyport install`: writes a server, or the bridge before it, into the file of a client.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use anyport_config::{
    ConfigFile, Endpoint, Language, McpClient, NotWritable, Scope, ServerConfig, Surroundings,
    name_of_command, name_of_url, valid_name,
};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::{
    WhichScope, add, client, client_help,
    covered::{has_secret, shown_entry},
    edit::{Edit, as_json, backup_line, failed, warn_of_readers, warn_of_values},
    get::find,
    given::Given,
    import::portable,
    known::{self, short},
    report,
};
#[cfg(unix)]
use crate::commands::gateway::url_of;
use crate::{
    client_session::output::{self, Output},
    gateway::{GatewayFile, nearest_file},
    logging,
    render::safe,
    user_error::UserError,
};

/// The arguments of `anyport install`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport install [OPTIONS] CLIENT [SERVER]\n       anyport install [OPTIONS] CLIENT -- COMMAND [ARGS]...",
    after_help = "Examples:\n  anyport install cursor linear\n  anyport install vscode anyport.toml\n  anyport install claude-desktop https://mcp.linear.app/mcp --bearer env:LINEAR_TOKEN\n  anyport install codex -- npx -y @modelcontextprotocol/server-everything"
)]
pub(crate) struct Arguments {
    #[arg(help = client_help())]
    client: String,
    /// The server: a URL, FILE#NAME or NAME, or the anyport.toml of a gateway. Else the gateway of the nearest anyport.toml, or every
    /// server of Anyport's own file.
    server: Option<String>,
    /// The name in the client's file; else its own, or one of its package, its script or its host.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Let the client start the bridge, which reaches the server in any revision and over any transport. Chosen where the client
    /// cannot express the server.
    #[arg(long)]
    bridge: bool,
    /// Whose file the server is written to.
    #[arg(long, value_enum, default_value = "user")]
    scope: WhichScope,
    /// Replace another server of this name; keys of its entry that do not say how to reach it stay.
    #[arg(long)]
    force: bool,
    /// Show what would be written.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// A server to install.
struct Wanted {
    name: String,
    server: ServerConfig,
    /// The file that the bridge reads it from, as FILE#NAME.
    file: Option<(PathBuf, String)>,
}

/// Writes servers into the file of a client.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let surroundings = Surroundings::here();
    let target = client(&arguments.client)?;
    let wanted = wanted(arguments, &surroundings)?;
    let mut edit = Edit::begin(target, Scope::from(arguments.scope), &surroundings)?;
    let location = edit.location().clone();
    let file = short(&location.path, &surroundings);
    let (mut lines, mut done) = (Vec::new(), Vec::new());
    let mut is_secret = false;
    for one in &wanted {
        let (entry, written_out) = entry(one, target, arguments, &surroundings)?;
        let changed = edit.set(target, &one.name, &entry, arguments.force).map_err(|error| failed(&error))?;
        is_secret |= changed && (written_out || has_secret(&entry));
        lines.push(match (changed, arguments.dry_run) {
            (true, false) => format!("installed {} in {file}", one.name),
            (true, true) => format!("would install {} in {file}: {}", one.name, shown_entry(&entry)),
            (false, _) => format!("{} is in {file} already", one.name),
        });
        done.push(json!({"name": one.name, "changed": changed, "entry": shown_entry(&entry)}));
    }
    let written = if arguments.dry_run { None } else { edit.save()? };
    lines.extend(backup_line(written.as_ref(), &surroundings));
    if is_secret {
        warn_of_readers(&location, written.as_ref(), &surroundings);
    }
    if written.is_some() {
        lines.push(format!("{} reads it at its next start", target.title));
    }
    let mut value = as_json(&location, written.as_ref());
    value["servers"] = json!(done);
    report(&mut Output::stdout(&arguments.output), &lines, value)
}

fn wanted(arguments: &Arguments, surroundings: &Surroundings) -> Result<Vec<Wanted>> {
    let given = &arguments.given;
    let all = match arguments.server.as_deref() {
        Some(url) if url.contains("://") || url.starts_with("unix:") => {
            let server = given.server(Some(url), surroundings)?;
            vec![Wanted { name: name_of_url(url), server, file: None }]
        }
        None if given.is_command() => {
            let server = given.server(None, surroundings)?;
            let name = match &server.endpoint {
                Endpoint::Command { program, args, .. } => name_of_command(program, args),
                Endpoint::Url { url, .. } => name_of_url(url),
            };
            vec![Wanted { name, server, file: None }]
        }
        Some(path) if !path.contains('#') && Language::of(Path::new(path)) == Language::Toml => {
            vec![of_gateway(Path::new(path), arguments, surroundings)?]
        }
        None if let Some(path) = nearest_file() => vec![of_gateway(&path, arguments, surroundings)?],
        _ if given.says_something() => {
            return Err(UserError::usage(
                "options of a server were given for one that is configured already",
                "leave them out, or give its URL or command in place of its name",
            ));
        }
        Some(word) => vec![configured(word, surroundings)?],
        None => own(surroundings)?,
    };
    match (&arguments.name, all.len()) {
        (None, _) => Ok(all),
        (Some(name), 1) => {
            add::check_name(name)?;
            Ok(all.into_iter().map(|one| Wanted { name: name.clone(), ..one }).collect())
        }
        (Some(_), _) => Err(UserError::usage("--name is for one server", "name the server, too")),
    }
}

/// The gateway that serves the file at `path`, as one server: at its URL while it runs, else as a program that the client starts.
fn of_gateway(path: &Path, arguments: &Arguments, surroundings: &Surroundings) -> Result<Wanted> {
    let file = GatewayFile::read(path, surroundings)?;
    let name = valid_name(file.config.gateway.name.as_deref().unwrap_or("anyport"));
    #[cfg(unix)]
    if let Some(url) = url_of(&file.path) {
        return Ok(Wanted { name, server: arguments.given.server(Some(&url), surroundings)?, file: None });
    }
    if arguments.given.says_something() {
        return Err(UserError::usage(
            format!(
                "no gateway that serves {} is running, and options of a URL were given",
                file.path.display()
            ),
            format!("start it: anyport serve --config {}", file.path.display()),
        ));
    }
    logging::notice(safe::line(&format!(
        "note: the gateway is not running, and {} will start one of its own; to share one, start it first: anyport serve --config {}",
        arguments.client,
        file.path.display()
    )));
    let path = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
    let args = ["serve", "--stdio", "--config"].map(str::to_owned).into_iter();
    let args = args.chain([path.display().to_string()]).collect();
    let read = ConfigFile::read(&path, &surroundings.cwd).map_err(|error| failed(&error))?;
    let servers = read.names().filter_map(|name| read.server(name)?.ok()).filter(|server| !server.disabled);
    let names = servers.flat_map(|server| server.variables());
    // Those of the `.env` beside the file are read by the gateway.
    let names = names.filter(|name| surroundings.variable(name).is_some());
    let env = names.map(|name| (name.clone(), format!("${{env:{name}}}"))).collect();
    let server = Endpoint::Command { program: own_program(), args, env, env_file: None, cwd: None };
    Ok(Wanted { name, server: server.into(), file: None })
}

/// This program, by its path.
fn own_program() -> String {
    std::env::current_exe().map_or_else(|_| "anyport".into(), |path| path.display().to_string())
}

/// A server of a configuration file: FILE#NAME, or the nearest of a name.
fn configured(word: &str, surroundings: &Surroundings) -> Result<Wanted> {
    let known = match word.rsplit_once('#') {
        None => find(word, surroundings)?,
        Some((path, name)) => {
            let path = surroundings.cwd.join(path);
            let file = ConfigFile::read(&path, &surroundings.cwd).map_err(|error| failed(&error))?;
            let location = file.location(surroundings);
            known::of_file(&file, &location).find(|known| known.name == name).ok_or_else(|| {
                let names: Vec<&str> = file.names().collect();
                let problem = format!("{} has no server {}", location.path.display(), safe::line(name));
                UserError::usage(problem, format!("it has {}", names.join(", ")))
            })?
        }
    };
    from_known(known, surroundings)
}

fn from_known(known: known::Known, surroundings: &Surroundings) -> Result<Wanted> {
    let server = known.server.as_ref().map_err(failed)?;
    let mut server = portable(server, surroundings, &known.location.workspace).map_err(|reason| {
        UserError::usage(format!("the server {}: {reason}", known.name), "correct the file")
    })?;
    known.set_folder(&mut server);
    let path = std::path::absolute(&known.location.path).unwrap_or(known.location.path);
    Ok(Wanted { name: valid_name(&known.name), server, file: Some((path, known.name)) })
}

/// Every server of Anyport's own file.
fn own(surroundings: &Surroundings) -> Result<Vec<Wanted>> {
    let location = super::own()?.file(Scope::User, surroundings).ok_or_else(no_home)?;
    let nothing = || {
        UserError::usage(
            "no server was given, and Anyport's own file has none",
            "name a server: a URL, NAME, or -- COMMAND; or add some with: anyport add NAME URL",
        )
    };
    if !location.path.is_file() {
        return Err(nothing());
    }
    let file = ConfigFile::read(&location.path, &surroundings.cwd).map_err(|error| failed(&error))?;
    let all: Vec<_> = known::of_file(&file, &location).collect();
    if all.is_empty() {
        return Err(nothing());
    }
    all.into_iter().map(|known| from_known(known, surroundings)).collect()
}

fn no_home() -> anyhow::Error {
    UserError::usage("there is no home folder", "set HOME")
}

/// The entry in the client's keys, of the server or of the bridge before it, and whether the value of a variable is in it.
fn entry(
    one: &Wanted,
    target: &McpClient,
    arguments: &Arguments,
    surroundings: &Surroundings,
) -> Result<(Map<String, Value>, bool)> {
    let written = match arguments.bridge {
        true => target.entry(&one.name, &bridge(one, arguments)?, surroundings),
        false => match target.entry(&one.name, &one.server, surroundings) {
            Err(error @ NotWritable::Unsupported { .. }) => {
                logging::notice(format!("note: {error}; it starts the bridge, which reaches {}", one.name));
                target.entry(&one.name, &bridge(one, arguments)?, surroundings)
            }
            written => written,
        },
    };
    let (entry, written_out) = written
        .map_err(|error| UserError::usage(error.to_string(), "set the variable, or correct the entry"))?;
    warn_of_values(target, &written_out);
    Ok((entry, !written_out.is_empty()))
}

/// The bridge before a server, as a program that the client starts. Secrets stay where they are: in the file of the server, or in
/// variables that the client hands on.
fn bridge(one: &Wanted, arguments: &Arguments) -> Result<ServerConfig> {
    let program = own_program();
    let mut args = vec!["bridge".to_owned(), "--stdio".to_owned()];
    let mut env = IndexMap::new();
    let add_first = || {
        UserError::usage(
            "the bridge reads headers and variables from a file",
            format!("add the server first: anyport add {}, and then install it by its name", one.name),
        )
    };
    match (&one.file, &one.server.endpoint) {
        (Some((path, name)), _) => {
            args.push(format!("{}#{name}", path.display()));
            env.extend(
                one.server.variables().into_iter().map(|name| (name.clone(), format!("${{env:{name}}}"))),
            );
        }
        (None, Endpoint::Url { url, headers, .. }) => {
            args.push(url.clone());
            match arguments.given.only_bearer() {
                Some(place) => {
                    args.extend(["--bearer".to_owned(), place.to_owned()]);
                    env.extend(
                        one.server
                            .variables()
                            .into_iter()
                            .map(|name| (name.clone(), format!("${{env:{name}}}"))),
                    );
                }
                None if headers.is_empty() => {}
                None => return Err(add_first()),
            }
        }
        (None, Endpoint::Command { program, args: words, env: set, cwd, .. }) => {
            if !set.is_empty() {
                return Err(add_first());
            }
            if let Some(cwd) = cwd {
                args.extend(["--cwd".to_owned(), cwd.clone()]);
            }
            args.push("--".to_owned());
            args.push(program.clone());
            args.extend(words.iter().cloned());
        }
    }
    Ok(Endpoint::Command { program, args, env, env_file: None, cwd: None }.into())
}
