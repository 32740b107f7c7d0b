//! The first attempt to reach a server, when its bridge starts.

use std::{fmt, time::Duration};

use anyport_protocol::{Revision, failure::Failure};
use anyport_service::{Context, Principal};
use anyport_upstream::{ServerInfo, Upstream};
use tokio::{task::JoinHandle, time::timeout};

use crate::{logging, render::safe};

/// An attempt to reach the server, in the background.
pub(super) struct Probe(Option<JoinHandle<Result<ServerInfo, Failure>>>);

/// What is known of the server when the banner is written.
#[derive(Debug)]
pub(super) enum ServerState {
    /// The first call connects.
    Untried,
    /// No answer came within [`PATIENCE`].
    Connecting,
    /// The server speaks this revision.
    Ready(Revision),
    /// Why the server cannot be reached, in words.
    Unreachable(String),
}

/// How long the banner waits for the server.
const PATIENCE: Duration = Duration::from_secs(2);

impl Probe {
    /// Begins to connect to the server as for a client of `revision`.
    pub(super) fn start(upstream: Upstream, revision: Revision) -> Self {
        let context = Context::new(Principal::local(), revision);
        Self(Some(tokio::spawn(async move { upstream.probe(&context).await })))
    }

    /// The state of the server, within two seconds.
    pub(super) async fn state(&mut self) -> ServerState {
        let Some(probe) = &mut self.0 else { return ServerState::Untried };
        let Ok(ended) = timeout(PATIENCE, probe).await else { return ServerState::Connecting };
        self.0 = None;
        ended.map_or(ServerState::Untried, ServerState::of)
    }

    /// Reports what came of an attempt that had not ended when the banner was written.
    pub(super) fn report_late(self) {
        let Some(probe) = self.0 else { return };
        tokio::spawn(async move {
            // A failure was logged when it happened.
            if let Ok(Ok(info)) = probe.await {
                logging::notice(format!("the server is {}", ServerState::Ready(info.revision)));
            }
        });
    }
}

impl ServerState {
    fn of(probed: Result<ServerInfo, Failure>) -> Self {
        match probed {
            Ok(info) => Self::Ready(info.revision),
            Err(failure) => Self::Unreachable(match failure.root() {
                Failure::Unavailable { why, .. } => why.clone(),
                failure => failure.to_string(),
            }),
        }
    }
}

impl fmt::Display for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untried => f.write_str("connected at the first call"),
            Self::Connecting => {
                write!(f, "still connecting: it has not answered for {} s", PATIENCE.as_secs())
            }
            Self::Ready(revision) => write!(f, "ready, in revision {revision}"),
            Self::Unreachable(why) => {
                let why = safe::text(why);
                write!(
                    f,
                    "not connected\n  problem    {why}\n             calls try again; the bridge stays up"
                )
            }
        }
    }
}
