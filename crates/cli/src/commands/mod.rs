//! The everyday commands: one file each, every one with its `Arguments` and its `run`.

pub(crate) mod audit;
pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
#[cfg(unix)]
pub(crate) mod gateway;
pub(crate) mod health;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod login;
mod login_options;
pub(crate) mod pins;
pub(crate) mod prompt;
pub(crate) mod read;
pub(crate) mod replay;
pub(crate) mod servers;
pub(crate) mod store;
mod stored;
pub(crate) mod token;
pub(crate) mod tools;
pub(crate) mod user;

use anyhow::Result;

use crate::{
    client_session,
    target::{Surroundings, is_server, may_be_server},
    user_error::UserError,
};

/// Arguments of commands that take only a server.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Plain {
    /// The server: a URL, FILE#NAME or NAME of a running gateway, an anyport.toml or an mcp.json; or a command
    /// after --.
    target: Option<String>,
    #[command(flatten)]
    pub(crate) options: client_session::Options,
}

impl Plain {
    pub(crate) fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }
}

/// Arguments of commands that take a server and further words. A command at the end decides which word is which.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Words {
    /// SERVER first (a URL, FILE#NAME or NAME), unless a command follows --; then what the usage above names.
    #[arg(value_name = "WORDS")]
    words: Vec<String>,
    #[command(flatten)]
    pub(crate) options: client_session::Options,
}

impl Words {
    /// Returns the server, the requested name (`what` is its noun in messages), and the words after it; `command` is the
    /// command that they are for.
    fn split(&self, command: &str, what: &str) -> Result<(Option<String>, String, Vec<String>)> {
        let mut words = self.words.clone();
        let target = self.options.server.target_of(&mut words);
        if words.is_empty() {
            let list = match (command, &target) {
                ("call", Some(target)) => format!("; `anyport tools {target}` lists the tools"),
                ("read", Some(target)) => format!("; `anyport resources {target}` lists the URIs"),
                ("prompt", Some(target)) => format!("; `anyport prompts {target}` lists the prompts"),
                _ => String::new(),
            };
            let help = format!("write SERVER {what}, or {what} -- COMMAND; the server comes first{list}");
            return Err(UserError::usage(format!("no {what} was named"), help));
        }
        let first = words.remove(0);
        if let Some(target) = &target {
            in_order(command, target, &first)?;
        }
        Ok((target, first, words))
    }
}

/// Checks that `server` comes before `name`.
///
/// # Errors
/// When `name` is a server and `server` is none.
fn in_order(command: &str, server: &str, name: &str) -> Result<()> {
    let surroundings = Surroundings::here();
    if is_server(name, &surroundings) && !may_be_server(server, &surroundings) {
        let problem = format!("{server} is no server; SERVER comes first");
        return Err(UserError::usage(problem, format!("write: anyport {command} {name} {server}")));
    }
    Ok(())
}
