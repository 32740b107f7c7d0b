//! The `anyport` program.
//!
//! This crate names concrete parts and puts them together: it reads what the user wants, builds, runs, and drains
//! when told to stop. Everything it is made of stands in the libraries.

mod arguments;
mod bridge;
mod exit;
mod failure;
mod logging;
mod near;
mod render;
mod secret;
mod serve;
mod serving;
mod state;
mod stop;
mod target;

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
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a folder of Markdown as an MCP server, over HTTP or on standard input and output.
    Serve(Box<serve::Arguments>),
    /// Put a server of any revision in front of clients of any other, over whichever transport they speak.
    Bridge(Box<bridge::Arguments>),
}

/// Exit codes: 0 done, 1 failed to start or to run, 2 wrong usage, 128 and its number when cut by a second signal.
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let _flushed = Flushed;
    match run(arguments) {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Serve(serve) => {
            logging::start(&serve.serving.logs, serve.serving.rotation())?;
            serve::run(*serve)
        }
        Command::Bridge(bridge) => {
            logging::start(&bridge.serving.logs, bridge.serving.rotation())?;
            bridge::run(*bridge)
        }
    }
}

/// Writes what is still to be logged when it is dropped, at a panic too.
struct Flushed;

impl Drop for Flushed {
    fn drop(&mut self) {
        logging::flush();
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
