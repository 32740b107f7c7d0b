//! Whether a server that is reached over a network is there, when its bridge starts.
//!
//! It is asked `server/discover`, and nothing else. Without a client, a legacy server gets no `initialize`: some have one session
//! only, and that would be taken, or ended for ever. For the same reason no program is started for it.

use std::{fmt, sync::Arc, time::Duration};

use anyport_protocol::Revision;
use anyport_service::sync::Lock;
use anyport_transport::client::{self, ConnectError, ConnectOptions, HttpExchange, MessageObserver, Target};
use tokio::{task::JoinHandle, time::timeout};

use crate::{logging, render::safe};

/// A `server/discover` under way, in the background.
pub(super) struct Probe(Option<JoinHandle<ServerState>>);

/// What is known of the server when the banner is written.
#[derive(Debug)]
pub(super) enum ServerState {
    /// The first call connects.
    Untried,
    /// No answer came within [`PATIENCE`].
    Connecting,
    /// The server speaks this revision.
    Ready(Revision),
    /// The server answers, and is not a modern one: the first call negotiates the revision.
    Answering,
    /// Why the server cannot be reached, in words.
    Unreachable(String),
}

/// How long the banner waits for the server.
const PATIENCE: Duration = Duration::from_secs(2);

impl Probe {
    /// Begins to ask the server at `target`.
    pub(super) fn start(target: Target, options: ConnectOptions) -> Self {
        let answer = Arc::<HttpAnswer>::default();
        let options = options.revision(Some(Revision::NEWEST)).tap(Some(answer.clone()));
        Self(Some(tokio::spawn(async move {
            match client::connect(&target, &options).await {
                Ok(connection) => ServerState::Ready(connection.revision()),
                Err(error) => match answer.is_elsewhere() {
                    Some(words) => ServerState::Unreachable(words),
                    None => ServerState::of(&error),
                },
            }
        })))
    }

    /// The state of the server, within two seconds.
    pub(super) async fn state(&mut self) -> ServerState {
        let Some(probe) = &mut self.0 else { return ServerState::Untried };
        let Ok(ended) = timeout(PATIENCE, probe).await else { return ServerState::Connecting };
        self.0 = None;
        ended.unwrap_or(ServerState::Untried)
    }

    /// Reports what came of it, if that was not known when the banner was written.
    pub(super) fn report_late(self) {
        let Some(probe) = self.0 else { return };
        tokio::spawn(async move {
            match probe.await {
                Ok(ServerState::Unreachable(why)) => tracing::warn!("the server is not connected: {why}"),
                Ok(state) => logging::notice(format!("the server is {state}")),
                Err(_) => {}
            }
        });
    }
}

/// The URL and the HTTP status of the answer to the probe.
#[derive(Default)]
struct HttpAnswer(Lock<Option<(String, u16)>>);

impl HttpAnswer {
    /// What a status says that no MCP server has for a request which it merely does not know: legacy servers refuse one without a
    /// session in many other ways, and those of HTTP+SSE every POST.
    fn is_elsewhere(&self) -> Option<String> {
        match &*self.0.lock() {
            Some((url, 403)) => Some(format!("{url} refuses access (HTTP status 403)")),
            Some((url, status @ (404 | 410 | 500 | 502..))) => {
                Some(format!("{url} answers with HTTP status {status}; is it the URL of an MCP server?"))
            }
            _ => None,
        }
    }
}

impl MessageObserver for HttpAnswer {
    fn sent(&self, _: &[u8]) {}

    fn received(&self, _: &[u8]) {}

    fn http(&self, exchange: &HttpExchange<'_>) {
        *self.0.lock() = exchange.status.map(|status| (exchange.url.to_owned(), status));
    }
}

impl ServerState {
    /// What the error of a modern client says of the server.
    fn of(error: &ConnectError) -> Self {
        match error {
            ConnectError::Revision { .. } | ConnectError::Refused { .. } => Self::Answering,
            // A legacy server may not answer what it does not know.
            ConnectError::Silent(_) => Self::Untried,
            error => Self::Unreachable(error.to_string()),
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
            Self::Answering => f.write_str("answering; the first call negotiates the revision"),
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
