//! `anyport user`: the local users of this program's authorization server. One file per command.

mod add;
mod common;
mod list;
mod logout;
mod password;
mod remove;

use std::process::ExitCode;

use anyhow::Result;

use crate::client_session::output;

/// The arguments of `anyport user`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport user add ada --scope data:read\n  anyport user list\n  anyport user remove ada"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add a user, whose password is asked for, or read from standard input. It is stored as a hash.
    Add(add::Arguments),
    /// List the users.
    List(list::Arguments),
    /// Give a user another password. Browsers and applications of the user have to sign in again.
    Password(password::Arguments),
    /// End all that a user is signed in to: browsers, applications, and logins at servers behind a gateway.
    Logout(logout::Arguments),
    /// Remove a user. What `anyport user logout` ends, ends within seconds.
    Remove(remove::Arguments),
}

impl Arguments {
    /// How the answer is written.
    pub(crate) fn output(&self) -> &output::Options {
        match &self.command {
            Command::Add(arguments) => &arguments.common.output,
            Command::List(arguments) => &arguments.common.output,
            Command::Password(arguments) => &arguments.common.output,
            Command::Logout(arguments) => &arguments.common.output,
            Command::Remove(arguments) => &arguments.common.output,
        }
    }
}

/// Runs one of the commands.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::Add(arguments) => add::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Password(arguments) => password::run(arguments),
        Command::Logout(arguments) => logout::run(arguments),
        Command::Remove(arguments) => remove::run(arguments),
    }
}
