//! `anyport key revoke`: takes an API key back.

use std::process::ExitCode;

use anyhow::Result;
use anyport_auth::resource_server::ApiKey;
use serde_json::json;

use super::common::{Common, stored, value};
use crate::{client_session::output::Output, exit::Exit, render::safe, user_error::UserError};

/// The arguments of `anyport key revoke`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport key revoke 0123456789ab\n  anyport key revoke robot --json")]
pub(super) struct Arguments {
    /// The id of the key, or its name if no other key has it.
    #[arg(value_name = "ID")]
    key: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Takes a key back.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { key, common } = arguments;
    let keys = stored(common)?;
    let all = keys.wait(keys.records.list())?;
    let wanted = find(&all, key)?;
    let revoked = keys.wait(keys.records.revoke(&wanted.id))?.ok_or_else(|| unknown(key))?;
    let text = |key: &ApiKey| format!("revoked the key {} of {}\n", key.id, safe::line(&key.name));
    Output::stdout(&common.output).show(|| json!({ "revoked": value(&revoked) }), |_| Ok(text(&revoked)))?;
    Ok(Exit::Done.into())
}

/// The key with this id, or the only one of this name.
fn find<'a>(all: &'a [ApiKey], wanted: &str) -> Result<&'a ApiKey> {
    if let Some(key) = all.iter().find(|key| key.id == wanted) {
        return Ok(key);
    }
    let mut named = all.iter().filter(|key| key.name == wanted);
    match (named.next(), named.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(unknown(wanted)),
        (Some(_), Some(_)) => {
            let ids = all.iter().filter(|key| key.name == wanted).map(|key| key.id.as_str());
            let problem = format!("several keys have the name {}", safe::line(wanted));
            Err(UserError::usage(
                problem,
                format!("name one by its id: {}", ids.collect::<Vec<_>>().join(", ")),
            ))
        }
    }
}

/// What was named may be a key itself by mistake, so it is not repeated.
fn unknown(_: &str) -> anyhow::Error {
    UserError::failed("there is no key with this id or name", "`anyport key list` lists the keys")
}
