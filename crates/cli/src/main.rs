//! The `anyport` program.
//!
//! This crate assembles concrete parts: it reads the options, builds, runs, and drains at the end. All parts are in the
//! libraries.

mod audit;
mod bridge;
mod client_session;
mod commands;
mod confine;
#[cfg(unix)]
mod descriptors;
mod exit;
mod gateway;
mod guard;
mod health;
mod help;
mod inputs;
mod list_cache;
mod listen;
mod logging;
mod login_help;
mod program;
#[cfg(test)]
mod reference;
mod render;
mod report;
mod schema;
mod secret_command;
mod secret_names;
mod secret_source;
mod serve;
mod server_id;
mod server_log;
mod sign_in;
mod state_dir;
mod store;
mod target;
mod telemetry;
mod tool_args;
mod traffic;
mod upstream_factory;
mod upstream_limits;
mod usage;
mod user_error;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::{render::Colour, report::Reader};

/// Any MCP client, any MCP server.
#[derive(Debug, Parser)]
#[command(
    name = "anyport",
    version,
    about = "Any MCP client, any MCP server.",
    arg_required_else_help = true,
    after_help = help::of_program(),
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
    /// Put a server of any revision in front of clients of any other, over any transport.
    Bridge(Box<bridge::Arguments>),
    /// List the tools of a server, or show one of them.
    Tools(Box<commands::tools::Arguments>),
    /// Call a tool of a server.
    Call(Box<commands::call::Arguments>),
    /// List the resources of a server.
    #[command(
        override_usage = "anyport resources [OPTIONS] SERVER\n       anyport resources [OPTIONS] -- COMMAND [ARGS]...",
        after_help = "Examples:\n  anyport resources https://example.com/mcp\n  anyport resources --json -- npx -y @example/server"
    )]
    Resources(Box<commands::list::Arguments>),
    /// Read a resource of a server.
    Read(Box<commands::read::Arguments>),
    /// List the prompts of a server.
    #[command(
        override_usage = "anyport prompts [OPTIONS] SERVER\n       anyport prompts [OPTIONS] -- COMMAND [ARGS]...",
        after_help = "Examples:\n  anyport prompts https://example.com/mcp\n  anyport prompts -v -- npx -y @example/server"
    )]
    Prompts(Box<commands::list::Arguments>),
    /// Fill in a prompt of a server.
    Prompt(Box<commands::prompt::Arguments>),
    /// Describe a server, its tools and their cost, and problems that break clients.
    Inspect(Box<commands::inspect::Arguments>),
    /// Check the connection to a server step by step, and say which step fails and what to do.
    Doctor(Box<commands::doctor::Arguments>),
    /// Send the requests of a recording again, and compare the responses.
    Replay(Box<commands::replay::Arguments>),
    /// List the configured servers, and check whether they answer.
    #[command(visible_alias = "list")]
    Servers(Box<commands::servers::list::Arguments>),
    /// Add a server to the gateway's file, or to Anyport's own, under a name.
    Add(Box<commands::servers::add::Arguments>),
    /// Show what is configured under a name.
    Get(Box<commands::servers::get::Arguments>),
    /// Remove a server from a configuration.
    Remove(Box<commands::servers::remove::Arguments>),
    /// Let a configured server be used again.
    #[command(after_help = "Examples:\n  anyport enable linear\n  anyport enable files --client codex")]
    Enable(Box<commands::servers::enable::Arguments>),
    /// Leave a configured server out, and keep its entry.
    #[command(
        after_help = "Examples:\n  anyport disable linear\n  anyport disable files --config other/anyport.toml"
    )]
    Disable(Box<commands::servers::enable::Arguments>),
    /// Copy the servers of a client into the gateway's file, or into Anyport's own.
    Import(Box<commands::servers::import::Arguments>),
    /// Write a server, or the bridge before it, into the configuration of a client.
    Install(Box<commands::servers::install::Arguments>),
    /// Sign in to a server that wants to know who calls.
    Login(Box<commands::login::LoginArguments>),
    /// Sign out of a server, and take its tokens back.
    Logout(Box<commands::login::LogoutArguments>),
    /// List the servers that you are signed in to.
    Accounts(Box<commands::login::AccountsArguments>),
    /// Make, list and revoke API keys, which programs call your servers with.
    Key(Box<commands::key::Arguments>),
    /// Add, list and remove the local users that sign in to your servers.
    User(Box<commands::user::Arguments>),
    /// Sign a token for a server that verifies tokens with a secret of its own.
    Token(Box<commands::token::Arguments>),
    /// Say whether a running server or gateway is well: exit code 0 or 1.
    Health(Box<commands::health::Arguments>),
    /// Show the running gateways, and the state of their servers.
    #[cfg(unix)]
    Status(Box<commands::gateway::status::Arguments>),
    /// Connect a server of a running gateway anew.
    #[cfg(unix)]
    Restart(Box<commands::gateway::restart::Arguments>),
    /// Show how much a running gateway logs, or change it.
    #[cfg(unix)]
    Log(Box<commands::gateway::log::Arguments>),
    /// Show what the servers of a running gateway have written to standard error and logged, and how their connections began and ended.
    #[cfg(unix)]
    Logs(Box<commands::gateway::logs::Arguments>),
    /// Show the calls of a running gateway as they happen, and their messages.
    #[cfg(unix)]
    Tap(Box<commands::gateway::tap::Arguments>),
    /// Check or show the file of a gateway, anyport.toml, or write its JSON Schema.
    Config(Box<commands::config::Arguments>),
    /// Show the pinned definitions of a gateway's servers, compare those that differ, and accept them.
    Pins(Box<commands::pins::Arguments>),
    /// Show who called what, when, and what became of it; check that nothing was changed.
    Audit(Box<commands::audit::Arguments>),
    /// Check, back up, restore and copy what outlives a process.
    Store(Box<commands::store::Arguments>),
    /// Write a script that completes commands, options, servers and tools in a shell.
    Completions(commands::completions::Arguments),
    /// Write what can stand at a place of a command line. The scripts of `completions` call it.
    #[command(name = "__complete", hide = true)]
    Complete(commands::completions::complete::Arguments),
}

impl Command {
    /// How the answer is written, for commands that have one.
    fn output(&self) -> Option<&client_session::output::Options> {
        let options = match self {
            Self::Resources(plain) | Self::Prompts(plain) => &plain.options,
            Self::Inspect(arguments) => &arguments.options,
            Self::Tools(arguments) => &arguments.options,
            Self::Call(arguments) => &arguments.words.options,
            Self::Read(arguments) => &arguments.words.options,
            Self::Prompt(arguments) => &arguments.words.options,
            Self::Doctor(arguments) => &arguments.words.options,
            Self::Replay(arguments) => &arguments.options,
            Self::Servers(arguments) => return Some(&arguments.output),
            Self::Add(arguments) => return Some(&arguments.output),
            Self::Get(arguments) => return Some(&arguments.output),
            Self::Remove(arguments) => return Some(&arguments.output),
            Self::Enable(arguments) | Self::Disable(arguments) => return Some(&arguments.output),
            Self::Import(arguments) => return Some(&arguments.output),
            Self::Install(arguments) => return Some(&arguments.output),
            Self::Login(arguments) => return Some(arguments.output()),
            Self::Logout(arguments) => return Some(arguments.output()),
            Self::Accounts(arguments) => return Some(arguments.output()),
            Self::Key(arguments) => return Some(arguments.output()),
            Self::User(arguments) => return Some(arguments.output()),
            Self::Token(arguments) => return Some(&arguments.output),
            Self::Health(arguments) => return Some(&arguments.output),
            #[cfg(unix)]
            Self::Status(arguments) => return Some(&arguments.output),
            #[cfg(unix)]
            Self::Restart(arguments) => return Some(&arguments.output),
            #[cfg(unix)]
            Self::Log(arguments) => return Some(&arguments.output),
            #[cfg(unix)]
            Self::Logs(arguments) => return Some(&arguments.output),
            #[cfg(unix)]
            Self::Tap(arguments) => return Some(&arguments.output),
            Self::Config(arguments) => return Some(&arguments.output),
            Self::Pins(arguments) => return Some(arguments.output()),
            Self::Audit(arguments) => return Some(arguments.output()),
            Self::Store(arguments) => return Some(arguments.output()),
            Self::Serve(_) | Self::Bridge(_) | Self::Completions(_) | Self::Complete(_) => return None,
        };
        Some(&options.output)
    }
}

/// Exit codes: see [`exit::Exit`]; 128 and its number when cut by a signal.
fn main() -> ExitCode {
    // Before anything is opened or started.
    #[cfg(unix)]
    descriptors::keep_inherited();
    if guard::is_this() {
        return ExitCode::SUCCESS;
    }
    #[cfg(unix)]
    if let Some(code) = confine::is_this() {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let words: Vec<_> = std::env::args_os().skip(1).collect();
            return report::report_usage(&error, &words, &Arguments::command());
        }
    };
    let _flushed = Flushed;
    let output = arguments.command.output();
    let reader = Reader::of(output.is_some_and(|output| output.json));
    let colour = output.map_or(Colour::Auto, |output| output.color);
    match run(arguments) {
        Ok(code) => code,
        Err(error) => report::report(&error, reader, colour),
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Serve(serve) => serve::run(*serve),
        Command::Bridge(bridge) => bridge::run(*bridge),
        Command::Tools(arguments) => commands::tools::run(&arguments),
        Command::Call(arguments) => commands::call::run(&arguments),
        Command::Resources(arguments) => commands::list::resources(&arguments),
        Command::Read(arguments) => commands::read::run(&arguments),
        Command::Prompts(arguments) => commands::list::prompts(&arguments),
        Command::Prompt(arguments) => commands::prompt::run(&arguments),
        Command::Inspect(arguments) => commands::inspect::run(&arguments),
        Command::Doctor(arguments) => commands::doctor::run(&arguments),
        Command::Replay(arguments) => commands::replay::run(&arguments),
        Command::Servers(arguments) => commands::servers::list::run(&arguments),
        Command::Add(arguments) => commands::servers::add::run(&arguments),
        Command::Get(arguments) => commands::servers::get::run(&arguments),
        Command::Remove(arguments) => commands::servers::remove::run(&arguments),
        Command::Enable(arguments) => commands::servers::enable::enable(&arguments),
        Command::Disable(arguments) => commands::servers::enable::disable(&arguments),
        Command::Import(arguments) => commands::servers::import::run(&arguments),
        Command::Install(arguments) => commands::servers::install::run(&arguments),
        Command::Login(arguments) => commands::login::login(&arguments),
        Command::Logout(arguments) => commands::login::logout(&arguments),
        Command::Accounts(arguments) => commands::login::accounts(&arguments),
        Command::Key(arguments) => commands::key::run(&arguments),
        Command::User(arguments) => commands::user::run(&arguments),
        Command::Token(arguments) => commands::token::run(&arguments),
        Command::Health(arguments) => commands::health::run(&arguments),
        #[cfg(unix)]
        Command::Status(arguments) => commands::gateway::status::run(&arguments),
        #[cfg(unix)]
        Command::Restart(arguments) => commands::gateway::restart::run(&arguments),
        #[cfg(unix)]
        Command::Log(arguments) => commands::gateway::log::run(&arguments),
        #[cfg(unix)]
        Command::Logs(arguments) => commands::gateway::logs::run(&arguments),
        #[cfg(unix)]
        Command::Tap(arguments) => commands::gateway::tap::run(&arguments),
        Command::Config(arguments) => commands::config::run(&arguments),
        Command::Pins(arguments) => commands::pins::run(&arguments),
        Command::Audit(arguments) => commands::audit::run(&arguments),
        Command::Store(arguments) => commands::store::run(&arguments),
        Command::Complete(arguments) => {
            commands::completions::complete::run(&arguments, Arguments::command())
        }
        Command::Completions(arguments) => commands::completions::run(&arguments, Arguments::command()),
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
    fn every_option_of_every_command_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_version_is_that_of_the_program() {
        let version = Arguments::command().render_version();
        assert_eq!(version.trim_end(), concat!("anyport ", env!("CARGO_PKG_VERSION")));
    }
}
