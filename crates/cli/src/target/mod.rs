//! Which server a command is for, and how to reach it: the same for every command.
//!
//! - [`lookup`]: what a word stands for.
//! - [`running`]: the gateways that run, and their servers; [`upstream`]: from an upstream of a gateway's file to a server.
//! - [`configured`]: from the entry of a configuration file to a server; the files themselves are read by `anyport-config`.
//! - [`login`]: what a file says of the login to a server; [`login_command`]: the command that signs in there.
//! - [`destination`]: where a transport finds them; [`client_certificate`]: what they are shown.
//! - [`redact`]: values that are never shown.

mod client_certificate;
mod configured;
mod destination;
mod login;
mod login_command;
mod lookup;
mod redact;
mod running;
mod server;
mod upstream;
mod upstream_fault;

use std::{path::PathBuf, str::FromStr, time::Duration};

use anyhow::Result;
use anyport_protocol::Revision;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use http::{HeaderName, HeaderValue};

pub(crate) use anyport_config::Surroundings;

use self::lookup::{HOW, Way, named};
pub(crate) use self::{
    client_certificate::with_certificate,
    configured::{env_file_fault, resolved, warn_of_unused_keys},
    login::{LoginSettings, check_users, exchange, exchange_issuer, of_callers},
    login_command::{login_command, login_command_of},
    lookup::{Target, configured_names, is_server, may_be_server, upstream_of},
    redact::{
        COVER, HiddenTokens, HiddenWhileUsed, SecretValue, redact_json, redacted, redacted_for_log,
        set_log_mask,
    },
    server::{GatewayServer, Server},
    upstream::{check_upstream, of_upstream, runs_commands},
    upstream_fault::UpstreamFault,
};
use crate::{
    logging,
    render::safe,
    secret_source::{InvalidSecretSource, SecretSource},
    user_error::UserError,
};

/// The options of every command about its server.
// Headers, tokens and variables are read by `resolve`: clap repeats a wrong value, and theirs may be secret.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Server")]
#[group(skip)]
pub(crate) struct Options {
    /// A header sent to the server, as 'Name: value'; ${NAME} is read from the environment. May be given several times.
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Do not verify the server's TLS certificate. Anyone on the network path can then read and change everything, the token
    /// included.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Source of the bearer token: env:NAME or file:PATH.
    #[arg(long, value_name = "PLACE")]
    bearer: Option<String>,
    /// The login that is used, if you have several at the server: the name that `anyport login --account` gave it.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// Set in the environment of the command. May be given several times.
    #[arg(short = 'e', long = "env", value_name = "NAME=VALUE")]
    environment: Vec<String>,
    /// The folder that the command runs in.
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Start or reach the server anew, also where a running gateway has it.
    #[arg(long)]
    direct: bool,
    /// Use this revision only; else the newest that both sides support.
    #[arg(long, value_name = "REVISION", value_parser = revision())]
    pub(crate) revision: Option<Revision>,
    /// Seconds that the server may take for a step without progress, 60 unless given; 600 for a call through the bridge; 0
    /// waits for ever.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    timeout: Option<Duration>,
    /// Start this command and speak to it over its standard input and output.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Names its values, so that a shell completes them.
fn revision() -> impl TypedValueParser<Value = Revision> {
    PossibleValuesParser::new(Revision::ALL.map(Revision::as_str)).try_map(|text| Revision::from_str(&text))
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds was expected".to_owned())?;
    match seconds {
        0.0 => Ok(Duration::MAX),
        _ if seconds < 0.0 => Err("it cannot be less than 0".to_owned()),
        _ => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
    }
}

impl Options {
    /// The options of a command that reaches the server itself, also where a running gateway has it.
    pub(crate) fn directly() -> Self {
        Self { direct: true, ..Self::default() }
    }

    /// The time that the server may take for a step without progress.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// The time that a call through the bridge may take without progress.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.timeout.unwrap_or(CALL_TIMEOUT)
    }

    /// The place of the bearer token.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.bearer.as_deref()
    }

    /// The names of the headers.
    pub(crate) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.header.iter().filter_map(|text| Some(text.split_once(':')?.0.trim()))
    }

    /// Whether a command stands in place of TARGET.
    pub(crate) fn is_command(&self) -> bool {
        !self.command.is_empty()
    }

    /// Takes TARGET from the front of `words`, unless a command stands in its place.
    pub(crate) fn target_of(&self, words: &mut Vec<String>) -> Option<String> {
        (!self.is_command() && !words.is_empty()).then(|| words.remove(0))
    }

    /// The words of the command after `--`; none where SERVER is given.
    pub(crate) fn command(&self) -> &[String] {
        &self.command
    }

    /// The server that is meant by `target` and these options.
    ///
    /// # Errors
    /// When none is, with what to do about it; exit code 2.
    pub(crate) fn resolve(&self, target: Option<&str>, surroundings: &Surroundings) -> Result<Target> {
        let target = self.target(target, surroundings, true)?;
        target.notes.iter().for_each(|note| logging::notice(safe::line(note)));
        Ok(target)
    }

    /// The same, without a word to the user: a shell completes.
    ///
    /// # Errors
    /// As for [`Options::resolve`].
    pub(crate) fn resolve_quietly(
        &self,
        target: Option<&str>,
        surroundings: &Surroundings,
    ) -> Result<Target> {
        self.target(target, surroundings, false)
    }

    fn target(&self, target: Option<&str>, surroundings: &Surroundings, may_ask: bool) -> Result<Target> {
        let mut target = match (target, self.command.split_first()) {
            (Some(_), Some(_)) => {
                return Err(UserError::usage(
                    "both SERVER and a command were given",
                    "leave out SERVER, or the command after --",
                ));
            }
            (None | Some(""), None) => return Err(UserError::usage("no server was given", HOW)),
            (None, Some((program, arguments))) => Target {
                server: Server::Command {
                    program: program.clone(),
                    arguments: arguments.to_vec(),
                    environment: Vec::new(),
                    cwd: None,
                    confinement: None,
                },
                name: program.clone(),
                found: None,
                revision: None,
                notes: Vec::new(),
            },
            (Some(target), None) => named(target, surroundings, self.way(), may_ask)?,
        };
        self.complete(&mut target.server, surroundings)?;
        Ok(target)
    }

    /// Whether a running gateway may answer for the server. Options that say how it is reached are for a connection of their own.
    fn way(&self) -> Way {
        let is_given = [&self.header, &self.environment].iter().any(|given| !given.is_empty());
        match self.direct
            || is_given
            || self.insecure
            || self.bearer.is_some()
            || self.account.is_some()
            || self.cwd.is_some()
        {
            true => Way::Direct,
            false => Way::Gateway,
        }
    }

    /// Adds what the options say to how a server is reached.
    fn complete(&self, server: &mut Server, surroundings: &Surroundings) -> Result<()> {
        let given_headers = self.headers(surroundings)?;
        let given_environment = self.environment()?;
        match server {
            Server::Http { url, headers, .. } | Server::WebSocket { url, headers } => {
                hide_query(url);
                idle(!given_environment.is_empty(), "-e", "a command")?;
                idle(self.cwd.is_some(), "--cwd", "a command")?;
                for (name, value) in given_headers {
                    headers.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
                    headers.push((name, value));
                }
            }
            Server::Command { environment, cwd, .. } => {
                idle(!self.header.is_empty(), "--header", "a URL")?;
                idle(self.bearer.is_some(), "--bearer", "a URL")?;
                idle(self.insecure, "--insecure", "a URL")?;
                for (name, value) in given_environment {
                    environment.retain(|(other, _)| *other != name);
                    environment.push((name, value));
                }
                if let Some(folder) = &self.cwd {
                    if !folder.is_dir() {
                        return Err(UserError::usage(
                            format!("--cwd {} is no folder", folder.display()),
                            "name one that exists",
                        ));
                    }
                    *cwd = Some(folder.clone());
                }
            }
            Server::Unix(_) => {
                idle(!self.header.is_empty(), "--header", "a URL")?;
                idle(self.bearer.is_some(), "--bearer", "a URL")?;
                idle(self.insecure, "--insecure", "a URL")?;
                idle(!given_environment.is_empty(), "-e", "a command")?;
                idle(self.cwd.is_some(), "--cwd", "a command")?;
            }
            // With any of these options, no gateway answers.
            Server::Gateway(_) => {}
        }
        Ok(())
    }

    fn headers(&self, surroundings: &Surroundings) -> Result<Vec<(String, SecretValue)>> {
        let mut headers = Vec::new();
        for (position, text) in self.header.iter().enumerate() {
            // The argument is not repeated: its value may be secret.
            let wrong = |why: &str| {
                UserError::usage(
                    format!("the {} --header is wrong: {why}", ordinal(position + 1)),
                    "write it as --header 'Name: value'; '${NAME}' in the value is read from the environment",
                )
            };
            let (name, value) = text.split_once(':').ok_or_else(|| wrong("it has no colon"))?;
            let (name, value) = (name.trim(), value.trim());
            if HeaderName::from_str(name).is_err() {
                return Err(wrong("what stands before the colon is no name of a header"));
            }
            let value = anyport_config::expand(value, surroundings, &surroundings.cwd)
                .map_err(|error| wrong(&error.to_string()))?;
            if HeaderValue::from_str(&value).is_err() {
                return Err(wrong("its value has signs that no header can hold"));
            }
            headers.push((name.to_owned(), SecretValue::new(value)));
        }
        if let Some(token) = self.bearer.as_deref().map(bearer).transpose()? {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
            headers.push(("Authorization".into(), SecretValue::new(format!("Bearer {token}"))));
        }
        Ok(headers)
    }

    fn environment(&self) -> Result<Vec<(String, SecretValue)>> {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.contains('\0') => {
                Ok((name.to_owned(), SecretValue::new(value.to_owned())))
            }
            _ => Err(UserError::usage("-e takes NAME=VALUE", "for example -e API_URL=https://api.example")),
        };
        self.environment.iter().map(pair).collect()
    }
}

/// Redacts the query of a URL: some servers take tokens there, and repeat the URL.
fn hide_query(url: &str) {
    let Some((_, query)) = url.split_once('?') else { return };
    let query = query.split('#').next().unwrap_or(query);
    let written = query.split('&').filter_map(|part| part.split_once('=')).map(|(_, value)| value.to_owned());
    let read = url::form_urlencoded::parse(query.as_bytes()).map(|(_, value)| value.into_owned());
    for value in std::iter::once(query.to_owned()).chain(written).chain(read) {
        SecretValue::new(value);
    }
}

/// How long a server may take for a step without progress, unless something else is said.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);
/// How long a call through the bridge may take without progress, unless something else is said.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Refuses an option that was given for a server of another kind: for `what` it would do something.
pub(crate) fn idle(given: bool, option: &str, what: &str) -> Result<()> {
    match given {
        true => {
            Err(UserError::usage(format!("{option} is for {what}, and this server is none"), "leave it out"))
        }
        false => Ok(()),
    }
}

fn ordinal(position: usize) -> String {
    match position {
        1 => "first".into(),
        2 => "second".into(),
        3 => "third".into(),
        position => format!("{position}th"),
    }
}

/// Reads the token from its place; the token itself is not taken, and not repeated.
fn bearer(location: &str) -> Result<String> {
    let secret = SecretSource::from_str(location).map_err(|InvalidSecretSource| {
        UserError::usage(
            "--bearer takes the place of the token, never the token itself, which other users of this machine could read",
            "keep the token in a variable or a file, and give --bearer env:NAME or --bearer file:PATH",
        )
    })?;
    secret.read_given("--bearer")
}

#[cfg(test)]
mod tests;
