//! A server that the command line describes, for a configuration file: references to variables stay references.

use std::path::PathBuf;

use anyhow::Result;
use anyport_config::{Endpoint, ServerConfig, Surroundings};
use indexmap::IndexMap;

use crate::{
    secret_source::SecretSource,
    target::{SecretValue, Server, idle},
    user_error::UserError,
};

/// The options of a server that is written to a file.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Server")]
#[group(skip)]
pub(crate) struct Given {
    /// A header of a URL, as 'Name: value'; a value env:NAME becomes a reference to this variable. May be given several times.
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The variable with the bearer token, as env:NAME. The file refers to it where the client can, else it holds the value.
    #[arg(long, value_name = "PLACE")]
    bearer: Option<String>,
    /// Set in the environment of the command; a value env:NAME becomes a reference to this variable. May be given several times.
    #[arg(short = 'e', long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// The folder that the command runs in.
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// The server at the URL speaks HTTP+SSE of 2024-11-05 only.
    #[arg(long)]
    sse: bool,
    /// The command that starts the server.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Given {
    /// Whether a command was given.
    pub(super) fn is_command(&self) -> bool {
        !self.command.is_empty()
    }

    /// Whether anything was said about a server.
    pub(super) fn says_something(&self) -> bool {
        let Self { header, bearer, environment, cwd, sse, command } = self;
        !header.is_empty()
            || bearer.is_some()
            || !environment.is_empty()
            || cwd.is_some()
            || *sse
            || !command.is_empty()
    }

    /// The variable of the token, if nothing else was said.
    pub(super) fn only_bearer(&self) -> Option<&str> {
        let alone = Self { bearer: None, ..self.clone() };
        self.bearer.as_deref().filter(|_| !alone.says_something())
    }

    /// The server at a URL, or that of the command.
    ///
    /// # Errors
    /// When there is neither or both, or an option does not fit.
    pub(super) fn server(&self, url: Option<&str>, surroundings: &Surroundings) -> Result<ServerConfig> {
        let endpoint = match (url, self.command.split_first()) {
            (Some(_), Some(_)) => {
                return Err(UserError::usage("both a URL and a command were given", "leave out one of them"));
            }
            (None, None) => {
                return Err(UserError::usage(
                    "no server was given",
                    "name its URL, or end with its command: -- COMMAND ARGS",
                ));
            }
            (Some(url), None) => {
                // It is not connected to now; a wrong one would only be found then.
                Server::url(url, Vec::new())
                    .map_err(|error| UserError::usage(error.to_string(), "for example https://host/mcp"))?;
                idle(!self.environment.is_empty(), "-e", "a command")?;
                idle(self.cwd.is_some(), "--cwd", "a command")?;
                Endpoint::Url { url: url.to_owned(), headers: self.headers()?, sse: self.sse }
            }
            (None, Some((program, args))) => {
                idle(!self.header.is_empty(), "--header", "a URL")?;
                idle(self.bearer.is_some(), "--bearer", "a URL")?;
                idle(self.sse, "--sse", "a URL")?;
                Endpoint::Command {
                    program: program.clone(),
                    args: args.to_vec(),
                    env: self.environment()?,
                    env_file: None,
                    cwd: self.cwd.as_deref().map(|cwd| surroundings.cwd.join(cwd).display().to_string()),
                }
            }
        };
        Ok(endpoint.into())
    }

    fn headers(&self) -> Result<IndexMap<String, String>> {
        let mut headers = IndexMap::new();
        for text in &self.header {
            // The argument is not repeated: its value may be secret.
            let pair = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
            let Some((name, value)) = pair.filter(|(name, _)| http::HeaderName::try_from(*name).is_ok())
            else {
                return Err(UserError::usage(
                    "a --header is wrong: it is no 'Name: value'",
                    "write it as --header 'Name: value', or --header 'Name: env:VARIABLE'",
                ));
            };
            headers.insert(name.to_owned(), referring(value));
        }
        if let Some(place) = &self.bearer {
            let Ok(SecretSource::Environment(name)) = place.parse() else {
                return Err(UserError::usage(
                    "--bearer takes the name of a variable here, to which the file refers",
                    "keep the token in a variable, and give --bearer env:NAME",
                ));
            };
            headers.insert("Authorization".into(), format!("Bearer ${{{name}}}"));
        }
        Ok(headers)
    }

    fn environment(&self) -> Result<IndexMap<String, String>> {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), referring(value))),
            _ => Err(UserError::usage("-e takes NAME=VALUE", "for example -e API_KEY=env:API_KEY")),
        };
        self.environment.iter().map(pair).collect()
    }
}

/// `value`, with a reference in place of its last word if that is `env:NAME`. Any other value is hidden from now on.
fn referring(value: &str) -> String {
    let (before, last) = value.rsplit_once(' ').map_or(("", value), |(before, last)| (before, last));
    match last.parse() {
        Ok(SecretSource::Environment(name)) if before.is_empty() => format!("${{{name}}}"),
        Ok(SecretSource::Environment(name)) => format!("{before} ${{{name}}}"),
        _ if value.contains("${") => value.to_owned(),
        _ => {
            SecretValue::new(value.to_owned());
            value.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_a_reference() {
        assert_eq!(referring("env:KEY"), "${KEY}");
        assert_eq!(referring("Bearer env:KEY"), "Bearer ${KEY}");
        assert_eq!(referring("plain"), "plain");
        assert_eq!(referring("${KEY}"), "${KEY}");
    }
}
