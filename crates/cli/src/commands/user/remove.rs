//! `anyport user remove`: removes a local user.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::common::{Common, end_all, stored, unknown, value};
use crate::{client_session::output::Output, exit::Exit, render::safe};

/// The arguments of `anyport user remove`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport user remove ada\n  anyport user remove ada --json")]
pub(super) struct Arguments {
    /// The name of the user.
    name: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Removes a user.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { name, common } = arguments;
    let users = stored(common)?;
    let removed = users.wait(users.records.users.remove(name))?.ok_or_else(unknown)?;
    let ended = end_all(common, &users, &removed)?;
    let text = || format!("removed the user {}\n{}", safe::line(&removed.name), ended.text());
    let shown = || json!({ "removed": value(&removed), "ended": ended.value() });
    Output::stdout(&common.output).show(shown, |_| Ok(text()))?;
    Ok(Exit::Done.into())
}
