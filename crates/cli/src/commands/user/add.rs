//! `anyport user add`: adds a local user.

use std::process::ExitCode;

use anyhow::Result;

use super::common::{Common, explain, password, stored, value};
use crate::{client_session::output::Output, commands::key::scopes, exit::Exit, render::safe};

/// The arguments of `anyport user add`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport user add ada\n  anyport user add ada --scope data:read")]
pub(super) struct Arguments {
    /// The name with which the user signs in: letters, digits, dots, `-`, `_` and `@`.
    name: String,
    /// What the user may allow applications: a scope, or several between spaces. May be repeated. Without it, everything.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Adds a user.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { name, scope, common } = arguments;
    let scopes = if scope.is_empty() { None } else { Some(scopes(scope)?) };
    let users = stored(common)?;
    let password = password(name)?;
    let user = users.run(users.records.users.add(name, &password, scopes)).map_err(explain)?;
    let text = || format!("added the user {}\n", safe::line(&user.name));
    Output::stdout(&common.output).show(|| value(&user), |_| Ok(text()))?;
    Ok(Exit::Done.into())
}
