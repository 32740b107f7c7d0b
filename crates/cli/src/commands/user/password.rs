//! `anyport user password`: gives a local user another password.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::common::{Common, end_sessions, explain, password, sessions_text, stored, unknown, value};
use crate::{client_session::output::Output, exit::Exit, render::safe};

/// The arguments of `anyport user password`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport user password ada\n  anyport user password ada --json")]
pub(super) struct Arguments {
    /// The name of the user.
    name: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Gives a user another password. Who knew the old one is signed out.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { name, common } = arguments;
    let users = stored(common)?;
    if users.wait(users.records.users.find(name))?.is_none() {
        return Err(unknown());
    }
    let password = password(name)?;
    let user = users.run(users.records.users.set_password(name, &password)).map_err(explain)?;
    let user = user.ok_or_else(unknown)?;
    let ended = end_sessions(&users, &user)?;
    let (browsers, grants) = (ended.browsers, ended.grants);
    let text = || {
        let name = safe::line(&user.name);
        format!("the user {name} has another password\n{}", sessions_text(ended, None))
    };
    let shown = || json!({ "user": value(&user), "ended": { "browsers": browsers, "grants": grants } });
    Output::stdout(&common.output).show(shown, |_| Ok(text()))?;
    Ok(Exit::Done.into())
}
