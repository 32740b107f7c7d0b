//! The `anyport` program.
//!
//! This crate names concrete parts and puts them together: it reads what the user wants, builds, runs, and drains
//! when told to stop. Everything it is made of stands in the libraries.

mod failure;
mod logging;
mod notice;
mod secret;
mod serve;
mod state;
mod stop;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Any MCP client, any MCP server.
#[derive(Debug, Parser)]
#[command(
    name = "anyport",
    version,
    about = "Any MCP client, any MCP server.",
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// How much to log on standard error: error, warn, info, debug or trace.
    #[arg(
        long,
        value_name = "LEVEL",
        global = true,
        env = "ANYPORT_LOG_LEVEL",
        default_value = "warn",
        ignore_case = true,
        hide_env = true,
        hide_possible_values = true
    )]
    log_level: logging::Level,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a folder of Markdown as an MCP server, over HTTP or on standard input and output.
    Serve(Box<serve::Arguments>),
}

/// Exit codes: 0 done, 1 failed to start or to run, 2 wrong usage, 128 and its number when cut by a second signal.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logging::start(arguments.log_level);
    let result = match arguments.command {
        Command::Serve(serve) => serve::run(*serve),
    };
    match result {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn the_version_is_that_of_the_program() {
        let version = Arguments::command().render_version();
        assert_eq!(version.trim_end(), concat!("anyport ", env!("CARGO_PKG_VERSION")));
    }
}
