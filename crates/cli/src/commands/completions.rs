//! `anyport completions`: what a shell needs to complete commands and options.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Command;
use clap_complete::Shell;

use crate::exit::Exit;

/// The arguments of `anyport completions`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "For example: anyport completions bash > ~/.local/share/bash-completion/completions/anyport"
)]
pub(crate) struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Writes the script for the shell.
pub(crate) fn run(arguments: &Arguments, mut command: Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "anyport", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Done.into())
}
