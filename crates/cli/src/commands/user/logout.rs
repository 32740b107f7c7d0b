//! `anyport user logout`: ends what a local user is signed in to.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::common::{Common, end_all, stored, unknown, value};
use crate::{client_session::output::Output, exit::Exit, render::safe};

/// The arguments of `anyport user logout`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport user logout ada\n  anyport user logout ada --json")]
pub(super) struct Arguments {
    /// The name of the user.
    name: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Ends the sessions, grants and logins of a user.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { name, common } = arguments;
    let users = stored(common)?;
    let user = users.wait(users.records.users.find(name))?.ok_or_else(unknown)?;
    let ended = end_all(common, &users, &user)?;
    let text = || format!("signed out the user {}\n{}", safe::line(&user.name), ended.text());
    let shown = || json!({ "user": value(&user), "ended": ended.value() });
    Output::stdout(&common.output).show(shown, |_| Ok(text()))?;
    Ok(Exit::Done.into())
}
