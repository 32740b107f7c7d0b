//! Connections over the transports of `anyport-transport`.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use anyport_service::Backoff;
use anyport_transport::client::{self, ConnectOptions, Connection, MessageObserver, Target};
use tokio::time::{Instant, sleep};

use crate::{ConnectError, Connected, Connector, OpenRequest, RevisionCache};

/// A server at a place, connected to over whichever transport the place is reached by.
#[derive(Clone, Debug)]
pub struct TransportConnector {
    target: Target,
    opening: ConnectOptions,
    revisions: RevisionCache,
    handshakes: u32,
    login_help: Option<Arc<str>>,
}

impl TransportConnector {
    /// The server at `target`. Of `opening`, what a client can be asked and who it is are set for each connection.
    pub fn new(target: Target, opening: ConnectOptions) -> Self {
        Self { target, opening, revisions: RevisionCache::default(), handshakes: 1, login_help: None }
    }

    /// Connects up to `handshakes` times to a server that goes away before its handshake is over, such as a program that ends; then the
    /// connection counts as failed. Default once.
    #[must_use]
    pub fn handshakes(mut self, handshakes: u32) -> Self {
        self.handshakes = handshakes;
        self
    }

    /// Sets what errors say is to be done where only a login helps.
    #[must_use]
    pub fn login_help(mut self, help: Option<Arc<str>>) -> Self {
        self.login_help = help;
        self
    }

    /// The same server, with `observer` for the messages of its connections.
    #[must_use]
    pub fn observed(&self, observer: Arc<dyn MessageObserver>) -> Self {
        let opening = self.opening.clone().tap(Some(observer));
        Self { opening, ..self.clone() }
    }
}

/// The pause before the next handshake.
const AGAIN: Backoff = Backoff { first: Duration::from_millis(250), most: Duration::from_secs(2) };

impl Connector for TransportConnector {
    fn connect(
        &self,
        client: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
        let Self { target, mut opening, revisions, handshakes, login_help } = self.clone();
        opening.capabilities = client.capabilities;
        opening.legacy_first = client.legacy_first;
        if let Some(info) = client.info {
            opening.client_info = info;
        }
        Box::pin(async move {
            let (begun, mut attempt) = (Instant::now(), 1);
            loop {
                match revisions.connect(&target, &opening).await {
                    Ok(connection) => return Ok(connection.into()),
                    Err(client::ConnectError::Ended(why))
                        if attempt < handshakes && begun.elapsed() < opening.open_timeout =>
                    {
                        tracing::debug!(%why, attempt, "the server was gone before its handshake was over, and is connected again");
                        sleep(AGAIN.after(attempt - 1)).await;
                        attempt += 1;
                    }
                    Err(error) => {
                        return Err(ConnectError::new(with_help(error, login_help.as_deref()).to_string()));
                    }
                }
            }
        })
    }
}

fn with_help(error: client::ConnectError, login_help: Option<&str>) -> client::ConnectError {
    match login_help {
        Some(help) => error.with_login_help(help),
        None => error,
    }
}

/// An open connection, as an upstream needs it.
impl From<Connection> for Connected {
    fn from(connection: Connection) -> Self {
        Self {
            session: connection.session().clone(),
            peer: connection.peer().clone(),
            close: Box::pin(connection.clone().close()),
            service: Arc::new(connection),
        }
    }
}
