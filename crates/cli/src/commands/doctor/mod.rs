//! `anyport doctor`: goes the way to a server step by step, and says which step fails and what to do.
//!
//! - [`report`]: what was found, step by step.
//! - [`network`]: name, connection, TLS.
//! - [`program`]: whether there is such a program; [`socket`]: whether there is such a socket; [`gateway`]: what the running gateway
//!   says that has the server.
//! - [`opening`]: what the server says at first, and what it speaks.
//! - [`access`]: whether it lets the caller in; [`metadata`]: what it publishes about that.
//! - [`exchange`]: whether it lists what it has, and answers a call.

mod access;
mod exchange;
#[cfg(unix)]
mod gateway;
mod metadata;
mod network;
mod opening;
mod program;
mod report;
#[cfg(unix)]
mod socket;

use std::process::ExitCode;

use anyhow::Result;

use self::{opening::Opened, report::Report};
use super::Words;
use crate::{
    client_session::{self, Held, waiting::Waiting},
    target::{Server, Target},
    user_error::UserError,
};

/// The arguments of `anyport doctor`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport doctor [OPTIONS] SERVER [--call TOOL [KEY=VALUE]...]\n       \
        anyport doctor [OPTIONS] [--call TOOL [KEY=VALUE]...] -- COMMAND [ARGS]...",
    after_help = "The last step calls a read-only tool without required arguments or, if the server has no such tool, \
        one that does not exist, which the server must refuse. The exit code is that of the failed step.\n\nExamples:\n  \
        anyport doctor https://example.com/mcp --bearer env:TOKEN\n  \
        anyport doctor --call search query=issues -- npx -y @example/server"
)]
pub(crate) struct Arguments {
    /// Call this tool at the end, with the arguments that follow the server.
    #[arg(long, value_name = "TOOL")]
    call: Option<String>,
    #[command(flatten)]
    pub(crate) words: Words,
}

/// Goes the way to the server and says how far it leads.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let options = &arguments.words.options;
    let mut words = arguments.words.words.clone();
    let target = options.server.target_of(&mut words);
    if let (None, Some(more)) = (&arguments.call, words.first()) {
        let help = "name one server; --call TOOL takes words after it as arguments";
        return Err(UserError::usage(format!("{more} was not expected"), help));
    }
    let target = options.resolve(target.as_deref())?;
    let options = &options.completed_by(&target);
    // Warnings of the connection are reported as steps.
    let mut quiet = options.clone();
    quiet.output.quiet = options.output.verbose == 0;
    let call = arguments.call.as_deref().map(|tool| (tool, &*words));
    client_session::run(&quiet, async |held| {
        let mut report = Report::new(&target, &options.output);
        let waiting = Waiting::new(options.output.quiet);
        waiting.begin(format!("checking {}", target.name));
        examine(&mut report, options, &target, call, &held, &waiting).await?;
        waiting.end();
        report.finish()
    })
}

/// Goes step by step, until one fails.
async fn examine(
    report: &mut Report,
    options: &client_session::Options,
    target: &Target,
    call: Option<(&str, &[String])>,
    held: &Held,
    waiting: &Waiting,
) -> Result<()> {
    // A request that cannot be sent is a mistake in the command line, not a step.
    let destination = client_session::connect::hurried(options.server.destination(&target.server)?);
    let reached = match &target.server {
        Server::Http { url, .. } | Server::WebSocket { url, .. } => {
            network::reach(report, url, options.server.insecure).await?
        }
        Server::Command { program, environment, cwd, .. } => {
            program::find(report, program, environment, cwd.as_deref())?
        }
        #[cfg(unix)]
        Server::Unix(path) => socket::find(report, path)?,
        #[cfg(unix)]
        Server::Gateway(server) => gateway::find(report, server).await?,
        #[cfg(not(unix))]
        Server::Unix(_) | Server::Gateway(_) => true,
    };
    if !reached {
        return Ok(());
    }
    let Some(Opened { connection, started }) = opening::open(report, target, &destination, options).await?
    else {
        return Ok(());
    };
    held.hold(&connection);
    let done = exchange::exchange(report, &connection, target, options, started, waiting.clone(), call).await;
    client_session::close(&connection).await;
    done
}
