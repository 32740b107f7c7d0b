//! `anyport user remove`: removes a local user.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::common::{Common, stored, value};
use crate::{client_session::output::Output, exit::Exit, render::safe, user_error::UserError};

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
    let removed = users.wait(users.records.remove(name))?.ok_or_else(|| {
        UserError::failed("there is no user of this name", "`anyport user list` lists the users")
    })?;
    let text = || format!("removed the user {}\n", safe::line(&removed.name));
    Output::stdout(&common.output).show(|| json!({ "removed": value(&removed) }), |_| Ok(text()))?;
    Ok(Exit::Done.into())
}
