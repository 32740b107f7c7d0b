//! `anyport key`: API keys, which this program's servers accept. One file per command.

mod common;
mod create;
mod list;
mod revoke;

use std::process::ExitCode;

use anyhow::Result;

use self::common::Common;
pub(crate) use self::common::{lifetime, scopes, time};
use crate::client_session::output;

/// The arguments of `anyport key`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport key create robot --scope data:read --expires 90d\n  anyport key list\n  anyport key revoke 0123456789ab"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key, and write it to standard output. It is stored as a hash, and cannot be shown again.
    Create(create::Arguments),
    /// List the keys, without the keys themselves.
    List(list::Arguments),
    /// Take a key back. Running servers refuse it at once.
    Revoke(revoke::Arguments),
}

impl Arguments {
    /// How the answer is written.
    pub(crate) fn output(&self) -> &output::Options {
        &self.common().output
    }

    fn common(&self) -> &Common {
        match &self.command {
            Command::Create(arguments) => &arguments.common,
            Command::List(arguments) => &arguments.common,
            Command::Revoke(arguments) => &arguments.common,
        }
    }
}

/// Runs one of the commands.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::Create(arguments) => create::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Revoke(arguments) => revoke::run(arguments),
    }
}
