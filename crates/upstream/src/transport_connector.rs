//! Connections over the transports of `anyport-transport`.

use std::{future::Future, pin::Pin, sync::Arc};

use anyport_transport::client::{ConnectOptions, Connection, MessageObserver, Target};

use crate::{ConnectError, Connected, Connector, OpenRequest, RevisionCache};

/// A server at a place, connected to over whichever transport the place is reached by.
#[derive(Clone, Debug)]
pub struct TransportConnector {
    target: Target,
    opening: ConnectOptions,
    revisions: RevisionCache,
}

impl TransportConnector {
    /// The server at `target`. Of `opening`, what a client can be asked and who it is are set for each connection.
    pub fn new(target: Target, opening: ConnectOptions) -> Self {
        Self { target, opening, revisions: RevisionCache::default() }
    }

    /// The same server, with `observer` for the messages of its connections.
    #[must_use]
    pub fn observed(&self, observer: Arc<dyn MessageObserver>) -> Self {
        let opening = self.opening.clone().tap(Some(observer));
        Self { opening, ..self.clone() }
    }
}

impl Connector for TransportConnector {
    fn connect(
        &self,
        client: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
        let Self { target, mut opening, revisions } = self.clone();
        opening.capabilities = client.capabilities;
        opening.legacy_first = client.legacy_first;
        if let Some(info) = client.info {
            opening.client_info = info;
        }
        Box::pin(async move {
            let connected = revisions.connect(&target, &opening).await;
            let connection = connected.map_err(|error| ConnectError(error.to_string()))?;
            Ok(connection.into())
        })
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
