//! Servers in configuration files: `anyport servers`, `add`, `get`, `remove`, `enable`, `disable`, `import` and `install`.
//!
//! - [`known`]: every configured server.
//! - [`list`], [`check`]: what is configured, and whether it answers.
//! - [`given`]: a server that the command line describes.
//! - [`edit`]: one change of one file.
//! - [`covered`]: values without what may be secret.
//! - [`place`]: which file is changed.
//! - [`add`], [`get`], [`remove`], [`enable`], [`import`], [`install`]: a command each.

pub(crate) mod add;
mod check;
pub(crate) mod covered;
mod edit;
pub(crate) mod enable;
pub(crate) mod get;
mod given;
pub(crate) mod import;
pub(crate) mod install;
mod known;
pub(crate) mod list;
mod place;
pub(crate) mod remove;

use std::process::ExitCode;

use anyhow::Result;
use anyport_config::{CLIENTS, McpClient, Scope};
use anyport_protocol::suggest::did_you_mean;
use clap::ValueEnum;

use crate::{client_session::output::Output, exit::Exit, render::safe, user_error::UserError};

/// Whose file is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhichScope {
    /// The file of the user, for all projects.
    User,
    /// The file in the working folder, for everybody who works on the project.
    Project,
}

impl From<WhichScope> for Scope {
    fn from(which: WhichScope) -> Self {
        match which {
            WhichScope::User => Self::User,
            WhichScope::Project => Self::Project,
        }
    }
}

/// The help of an argument that names a client, with the clients.
fn client_help() -> String {
    let ids: Vec<&str> = CLIENTS.iter().map(|client| client.id).filter(|id| *id != "anyport").collect();
    let (last, others) = ids.split_last().unwrap_or((&"", &[]));
    format!("The client: {} or {last}", others.join(", "))
}

/// The client of a name on the command line.
fn client(name: &str) -> Result<&'static McpClient> {
    anyport_config::client(name).ok_or_else(|| {
        let ids = CLIENTS.map(|client| client.id);
        let all = format!("there are {}", ids.join(", "));
        let problem = format!("no client is called {}", safe::line(name));
        UserError::usage(problem, did_you_mean(name, ids).unwrap_or(all))
    })
}

/// Anyport as a client: its own file.
fn own() -> Result<&'static McpClient> {
    client("anyport")
}

/// Writes what was done: lines for a person, one object for a program.
fn report(output: &mut Output, lines: &[String], value: serde_json::Value) -> Result<ExitCode> {
    let text = lines.iter().map(|line| safe::line(line) + "\n").collect::<String>();
    output.show(|| value, |_| Ok(text))?;
    Ok(Exit::Done.into())
}
