//! The everyday commands: one file each, every one with its `Arguments` and its `run`.

pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod prompt;
pub(crate) mod read;
pub(crate) mod replay;
pub(crate) mod servers;
pub(crate) mod tools;

use anyhow::Result;

use crate::{client_session, user_error::UserError};

/// Arguments of commands that take only a server.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Plain {
    /// The server: a URL, FILE#NAME or NAME of an mcp.json; or a command after --.
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
    /// The server, unless a command stands after --; then what the command is for.
    #[arg(value_name = "WORDS")]
    words: Vec<String>,
    #[command(flatten)]
    pub(crate) options: client_session::Options,
}

impl Words {
    /// Returns the server, the requested name (`what` is its noun in messages), and the words after it.
    fn split(&self, what: &str) -> Result<(Option<String>, String, Vec<String>)> {
        let mut words = self.words.clone();
        let target = self.options.server.target_of(&mut words);
        if words.is_empty() {
            let help = format!("write SERVER {what}, or {what} -- COMMAND; the server comes first");
            return Err(UserError::usage(format!("no {what} was named"), help));
        }
        let first = words.remove(0);
        Ok((target, first, words))
    }
}
