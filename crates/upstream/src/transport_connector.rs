//! Connections over the transports of `anyport-transport`.

use std::{future::Future, pin::Pin, sync::Arc};

use anyport_transport::client::{self, ConnectOptions, Connection, Target};

use crate::{ConnectError, Connected, Connector, OpenRequest};

/// A server at a place, connected to over whichever transport the place is reached by.
#[derive(Clone, Debug)]
pub struct TransportConnector {
    target: Target,
    opening: ConnectOptions,
}

impl TransportConnector {
    /// The server at `target`. Of `opening`, what a client can be asked and who it is are set for each connection.
    pub fn new(target: Target, opening: ConnectOptions) -> Self {
        Self { target, opening }
    }
}

impl Connector for TransportConnector {
    fn connect(
        &self,
        client: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
        let (target, mut opening) = (self.target.clone(), self.opening.clone());
        opening.capabilities = client.capabilities;
        if let Some(info) = client.info {
            opening.client_info = info;
        }
        Box::pin(async move {
            let connected = client::connect(&target, &opening).await;
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
