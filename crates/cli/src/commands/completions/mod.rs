//! `anyport completions`: what a shell needs to complete commands, options, servers and tools.
//!
//! - [`complete`]: `anyport __complete`, which the scripts call for every word.

pub(crate) mod complete;

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
#[command(after_help = "Examples:\n  \
    anyport completions bash > ~/.local/share/bash-completion/completions/anyport\n  \
    anyport completions fish > ~/.config/fish/completions/anyport.fish")]
pub(crate) struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Writes the script for the shell.
pub(crate) fn run(arguments: &Arguments, mut command: Command) -> Result<ExitCode> {
    let mut generated = Vec::new();
    let script: &[u8] = match arguments.shell {
        Shell::Bash => include_bytes!("anyport.bash"),
        Shell::Zsh => include_bytes!("anyport.zsh"),
        Shell::Fish => include_bytes!("anyport.fish"),
        Shell::PowerShell => include_bytes!("anyport.ps1"),
        // Commands and options alone.
        other => {
            clap_complete::generate(other, &mut command, "anyport", &mut generated);
            &generated
        }
    };
    io::stdout().write_all(script)?;
    Ok(Exit::Done.into())
}
