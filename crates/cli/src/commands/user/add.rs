//! `anyport user add`: adds a local user.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use anyport_auth::{Secret, authorization_server::LocalUserError};
use inquire::{Password, PasswordDisplayMode};

use super::common::{Common, stored, value};
use crate::{
    client_session::output::Output, commands::key::scopes, exit::Exit, render::safe, user_error::UserError,
};

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

/// The longest line that is read as a password.
const LONGEST: u64 = 64 << 10;

/// Adds a user.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { name, scope, common } = arguments;
    let scopes = if scope.is_empty() { None } else { Some(scopes(scope)?) };
    let users = stored(common)?;
    let password = password(name)?;
    let user = users.run(users.records.add(name, &password, scopes)).map_err(explain)?;
    let text = || format!("added the user {}\n", safe::line(&user.name));
    Output::stdout(&common.output).show(|| value(&user), |_| Ok(text()))?;
    Ok(Exit::Done.into())
}

/// The password: asked for twice at a terminal, else the first line of standard input. It is never an argument: others see those in
/// the list of processes.
fn password(name: &str) -> Result<Secret> {
    if io::stdin().is_terminal() {
        let prompt = format!("Password of {}:", safe::line(name));
        let asked = Password::new(&prompt)
            .with_display_mode(PasswordDisplayMode::Hidden)
            .with_custom_confirmation_message("Once more:")
            .with_custom_confirmation_error_message("the two are not the same");
        return Ok(Secret::new(asked.prompt().context("the password was not read")?));
    }
    let mut line = String::new();
    let mut input = io::stdin().lock().take(LONGEST);
    input.read_line(&mut line).context("the password cannot be read from standard input")?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n'])))
}

fn explain(error: LocalUserError) -> anyhow::Error {
    let problem = error.to_string();
    match error {
        LocalUserError::Name => UserError::usage(problem, "choose another name"),
        LocalUserError::Password { .. } => {
            UserError::usage(problem, "type it at the prompt, or give it as the first line of standard input")
        }
        LocalUserError::Exists => {
            UserError::usage(problem, "`anyport user remove NAME` removes that one first")
        }
        _ => UserError::failed(problem, "anyport store check says what is wrong with the store"),
    }
}
