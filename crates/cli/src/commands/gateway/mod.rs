//! Running gateways: `anyport status`, `anyport restart`, `anyport log`, `anyport logs` and `anyport tap`.
//!
//! - [`stream`]: what gateways send line by line.

pub(crate) mod log;
pub(crate) mod logs;
pub(crate) mod restart;
pub(crate) mod status;
mod stream;
pub(crate) mod tap;

use std::{
    io::{self, BufReader},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Error, Result};
use anyport_protocol::suggest::did_you_mean;
use serde_json::Value;

use crate::{
    gateway::{
        socket::{self, Introduction, Request},
        status::GatewayStatus,
    },
    logging,
    render::safe,
    state_dir,
    user_error::UserError,
};

/// Which gateways are meant.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Which {
    /// The state folder of the gateway.
    #[arg(long, value_name = "DIR", env = "ANYPORT_STATE_DIR", hide_env = true)]
    state_dir: Option<PathBuf>,
}

/// How long a gateway may take to say how it is. One that is stopped must not hold up what others have to say.
const GLANCE: Duration = Duration::from_secs(3);
/// How long a gateway may take to do something.
const PATIENCE: Duration = Duration::from_secs(35);

/// The error that a gateway that runs does not answer.
fn unanswered(gateway: &Introduction, error: &io::Error) -> Error {
    let problem = format!("the gateway of {} does not answer: {error}", gateway.file.display());
    UserError::failed(problem, "`anyport status` shows the running gateways")
}

impl Which {
    /// The states of all running gateways, at least one.
    ///
    /// # Errors
    /// When none runs.
    fn statuses(&self) -> Result<Vec<GatewayStatus>> {
        let state = state_dir::folder(self.state_dir.clone());
        let answers = state.map(|state| socket::ask_all(&socket::folder(&state), &Request::Status, GLANCE));
        let answers = answers.into_iter().flatten();
        let statuses: Vec<_> = answers.filter_map(|(socket, answer)| known(&socket, answer)).collect();
        if statuses.is_empty() {
            return Err(none());
        }
        Ok(statuses)
    }

    /// Opens a connection to every running gateway that has one of the servers `names`, all if there are none. It begins with the request
    /// that `request` makes of the names under which that gateway has them.
    ///
    /// # Errors
    /// When no gateway runs, or none has one of them.
    fn open(
        &self,
        names: &[String],
        request: impl Fn(Vec<String>) -> Request,
    ) -> Result<Vec<BufReader<UnixStream>>> {
        let mut streams = Vec::new();
        for (socket, gateway, known) in self.having(names)? {
            let stream = socket::open_blocking(&socket, &request(known))
                .map_err(|error| unanswered(&gateway, &error))?;
            streams.push(stream);
        }
        Ok(streams)
    }

    /// The running gateways that have one of the servers `names`, all if there are none, with the names under which each has them:
    /// the file of a client may call a server otherwise.
    ///
    /// # Errors
    /// When no gateway runs, or none has one of them.
    fn having(&self, names: &[String]) -> Result<Vec<(PathBuf, Introduction, Vec<String>)>> {
        let state = state_dir::folder(self.state_dir.clone());
        let gateways: Vec<_> = state.iter().flat_map(|state| socket::introductions(state)).collect();
        if gateways.is_empty() {
            return Err(none());
        }
        let is_known = |name: &String| gateways.iter().any(|(_, gateway)| gateway.server(name).is_some());
        if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
            let servers = gateways.iter().flat_map(|(_, gateway)| &gateway.servers);
            let all: Vec<&str> = servers.map(|server| &*server.name).collect();
            let near = did_you_mean(unknown, all.iter().copied());
            let help = near.unwrap_or_else(|| format!("there are {}", all.join(", ")));
            return Err(UserError::failed(
                safe::line(&format!("no running gateway has a server {unknown}")),
                safe::line(&help),
            ));
        }
        let known = gateways.into_iter().map(|(socket, gateway)| {
            let known = names.iter().filter_map(|name| gateway.server(name)).map(str::to_owned).collect();
            (socket, gateway, known)
        });
        Ok(known.filter(|(.., known): &(_, _, Vec<_>)| names.is_empty() || !known.is_empty()).collect())
    }
}

/// The status that a gateway answered; `None`, with a warning, if its version has other words for it.
fn known(socket: &Path, answer: Value) -> Option<GatewayStatus> {
    let warn = |error: &serde_json::Error| {
        let socket = socket.display();
        logging::notice(format!("warning: the gateway at {socket} is of another version: {error}"));
    };
    serde_json::from_value(answer).inspect_err(warn).ok()
}

fn none() -> Error {
    UserError::failed("no gateway is running", "start one: anyport serve --config FILE")
}

/// The URL of the running gateway that serves the file at `path`, if one does so over HTTP.
pub(crate) fn url_of(path: &Path) -> Option<String> {
    let state_dir = std::env::var_os("ANYPORT_STATE_DIR").map(PathBuf::from);
    let path = path.canonicalize().ok()?;
    let is_same = |gateway: &GatewayStatus| gateway.file.canonicalize().is_ok_and(|file| file == path);
    Which { state_dir }.statuses().ok()?.into_iter().find(is_same)?.url
}
