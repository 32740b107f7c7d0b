//! Running gateways: `anyport status` and `anyport restart`.

pub(crate) mod restart;
pub(crate) mod status;

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use serde_json::Value;

use crate::{
    gateway::{Command, control_folder, control_sockets},
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

/// How long a gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(35);

impl Which {
    /// Sends `command` to every running gateway. The answers, at least one.
    ///
    /// # Errors
    /// When none runs.
    fn ask(&self, command: &Command) -> Result<Vec<Value>> {
        let folder = control_folder(self.state_dir.clone());
        let sockets = folder.iter().flat_map(|folder| control_sockets(folder));
        let answers: Vec<Value> = sockets.filter_map(|socket| answer_of(&socket, command)).collect();
        if answers.is_empty() {
            return Err(UserError::failed("no gateway is running", "start one: anyport serve --config FILE"));
        }
        Ok(answers)
    }
}

/// The URL of the running gateway that serves the file at `path`, if one does so over HTTP.
pub(crate) fn url_of(path: &Path) -> Option<String> {
    let state_dir = std::env::var_os("ANYPORT_STATE_DIR").map(PathBuf::from);
    let path = path.canonicalize().ok()?;
    let is_same = |gateway: &Value| {
        let file = gateway["file"].as_str().map(Path::new);
        file.and_then(|file| file.canonicalize().ok()).is_some_and(|file| file == path)
    };
    let gateways = Which { state_dir }.ask(&Command::Status).ok()?;
    let address = gateways.into_iter().find(is_same)?["address"].as_str()?.to_owned();
    Some(format!("http://{address}/mcp"))
}

/// The answer of the gateway at `socket`; `None` if none is there. What an earlier one has left is removed.
fn answer_of(socket: &Path, command: &Command) -> Option<Value> {
    match asked(socket, command) {
        Ok(answer) => Some(answer),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let _ = std::fs::remove_file(socket);
            None
        }
        Err(error) => {
            tracing::warn!(socket = %socket.display(), %error, "a gateway does not answer");
            None
        }
    }
}

fn asked(socket: &Path, command: &Command) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = serde_json::to_string(command).map_err(io::Error::other)?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(io::Error::other)
}
