//! `anyport config`: the file of a gateway, checked and shown without serving it, and its JSON Schema.

mod show;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use anyport_config::{
    Surroundings,
    gateway::{FILE_NAME, UpstreamAuth, schema},
};
use anyport_guards::GuardLimits;
use anyport_policy::Budget;
use clap::ValueEnum;
use serde_json::json;

use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    gateway::{GatewayFile, nearest_file},
    listen::{self, Limit},
    render::safe,
    store::StoreArguments,
    target,
    user_error::UserError,
};

/// The arguments of `anyport config`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport config check\n  anyport config check other/anyport.toml --json\n  anyport config show --origin\n  anyport config schema > anyport.schema.json"
)]
pub(crate) struct Arguments {
    /// What to do.
    #[arg(value_enum)]
    action: Action,
    /// The file: an anyport.toml, or the mcp.json of a client. The nearest anyport.toml unless given.
    file: Option<PathBuf>,
    /// With show: say where each value comes from.
    #[arg(long)]
    origin: bool,
    /// With show: a limit that serve would be given; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    limit: Vec<Limit>,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// What to do with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Action {
    /// Read the file as serve does, and say what it describes or what is wrong with it.
    Check,
    /// Show every value that serve would have. Secrets are hidden; references to them are not.
    Show,
    /// Write the JSON Schema of anyport.toml, for editors.
    Schema,
}

/// Checks the file, or writes its schema.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut output = Output::stdout(&arguments.output);
    if arguments.action != Action::Show {
        let of_show = [("--origin", arguments.origin), ("--limit", !arguments.limit.is_empty())];
        if let Some((option, _)) = of_show.into_iter().find(|(_, given)| *given) {
            return Err(UserError::usage(format!("{option} is for anyport config show"), "leave it out"));
        }
    }
    match arguments.action {
        Action::Check => check(&path(arguments)?, &mut output)?,
        Action::Show => show::show(&path(arguments)?, &arguments.limit, arguments.origin, &mut output)?,
        Action::Schema => {
            if arguments.file.is_some() {
                return Err(UserError::usage(
                    "the schema is that of every anyport.toml, and a file was named",
                    "leave out FILE",
                ));
            }
            output.show(schema, |_| Ok(format!("{:#}\n", schema())))?;
        }
    }
    Ok(Exit::Done.into())
}

/// The file that is named, or the nearest.
fn path(arguments: &Arguments) -> Result<PathBuf> {
    arguments.file.clone().or_else(nearest_file).ok_or_else(|| {
        let problem = format!("there is no {FILE_NAME} in this folder or above it");
        UserError::usage(problem, "name the file, as in: anyport config check FILE")
    })
}

fn check(path: &Path, output: &mut Output) -> Result<()> {
    let file = GatewayFile::read(path, &Surroundings::here())?;
    file.limits()?;
    file.policy(Budget::default())?;
    file.warn_of_policy_doubts();
    file.guards(GuardLimits::default())?;
    file.masking()?;
    let config = &file.config;
    let auth = listen::check_auth(&config.auth, config.gateway.public_url.as_deref());
    auth.map_err(|error| file.located(error))?;
    listen::check_tls(&config.gateway, file.folder())?;
    let mut store = StoreArguments::default();
    store.adopt(&config.store, file.surroundings());
    store.place().map_err(|error| file.located(error))?;
    let used = || config.upstreams.iter().filter(|(_, upstream)| !upstream.disabled);
    for (name, upstream) in used() {
        let wrong = |fault| file.wrong_upstream(name, &fault);
        target::check_upstream(upstream, &file).map_err(wrong)?;
        if upstream.auth == Some(UpstreamAuth::TokenExchange) {
            target::exchange_issuer(upstream, Some(&config.auth)).map_err(wrong)?;
        }
        if upstream.auth == Some(UpstreamAuth::PerUser) {
            target::check_users(Some(&config.auth)).map_err(wrong)?;
        }
    }
    let upstreams: Vec<&str> = used().map(|(name, _)| name.as_str()).collect();
    let knowledge: Vec<&str> = config.knowledge.keys().map(String::as_str).collect();
    let servers: Vec<&str> = config.servers.keys().map(String::as_str).collect();
    let value = json!({"file": file.path, "upstreams": upstreams, "knowledge": knowledge, "servers": servers, "warnings": file.policy_doubts()});
    let rows = [("upstreams", &upstreams), ("knowledge", &knowledge), ("virtual servers", &servers)];
    let mut text = format!("{} is right\n", file.path.display());
    for (what, names) in rows.iter().filter(|(_, names)| !names.is_empty()) {
        text += &format!("  {what:<15} {}\n", safe::line(&names.join(", ")));
    }
    output.show(|| value, |_| Ok(text))
}
