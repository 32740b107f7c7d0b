//! `anyport key create`: makes an API key.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;

use super::common::{Common, lifetime, scopes, stored, value};
use crate::{client_session::output::Output, exit::Exit, logging, render::safe};

/// The arguments of `anyport key create`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport key create robot --scope data:read --expires 90d\n  anyport key create backup --json"
)]
pub(super) struct Arguments {
    /// Who the key is for. Keys of one name are the same caller to a server.
    name: String,
    /// What the key allows: a scope, or several between spaces. May be repeated. Without it, the key allows everything.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// How long the key is valid, such as 12h or 90d. Else until it is revoked.
    #[arg(long, value_name = "TIME", value_parser = lifetime)]
    expires: Option<Duration>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Makes a key.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { name, scope, expires, common } = arguments;
    let scopes = if scope.is_empty() { None } else { Some(scopes(scope)?) };
    let keys = stored(common)?;
    let (key, record) = keys.wait(keys.records.create(name, scopes, *expires))?;
    let whole = || {
        let mut value = value(&record);
        value["key"] = key.expose().into();
        value
    };
    Output::stdout(&common.output).show(whole, |_| Ok(format!("{}\n", key.expose())))?;
    if !common.output.json {
        let (id, name) = (&record.id, safe::line(&record.name));
        logging::notice(format!(
            "the key of {name} is not shown again; `anyport key revoke {id}` takes it back"
        ));
    }
    Ok(Exit::Done.into())
}
