//! Running gateways: `anyport status` and `anyport restart`.

pub(crate) mod restart;
pub(crate) mod status;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use serde_json::Value;

use crate::{
    gateway::socket::{self, Request},
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

/// How long a gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(35);

impl Which {
    /// Sends `request` to every running gateway. The answers, at least one.
    ///
    /// # Errors
    /// When none runs.
    fn ask(&self, request: &Request) -> Result<Vec<Value>> {
        let state = state_dir::folder(self.state_dir.clone());
        let answers = state.map(|state| socket::ask_all(&socket::folder(&state), request, PATIENCE));
        let answers: Vec<Value> = answers.into_iter().flatten().map(|(_, answer)| answer).collect();
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
    let gateways = Which { state_dir }.ask(&Request::Status).ok()?;
    let address = gateways.into_iter().find(is_same)?["address"].as_str()?.to_owned();
    Some(format!("http://{address}/mcp"))
}
