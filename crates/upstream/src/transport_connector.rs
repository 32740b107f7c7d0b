//! Connections over the transports of `anyport-transport`.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
};

use anyport_transport::client::{self, ConnectOptions, Connection, Said, Target};
use futures_core::Stream;

use crate::{ConnectError, Connected, Connector, OpenRequest, RevisionCache, Spoken};

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
}

impl Connector for TransportConnector {
    fn connect(
        &self,
        client: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
        let Self { target, mut opening, revisions } = self.clone();
        opening.capabilities = client.capabilities;
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
        let (watched, closed) = (connection.clone(), connection.clone());
        let (asking, telling) = (connection.clone(), connection.clone());
        Self {
            revision: connection.revision(),
            discovered: connection.discovered().clone(),
            spoken: Box::pin(Heard::new(connection.spoken())),
            tell: Box::new(move |method, params| telling.tell(method, params)),
            asides: Box::new(move |aside| asking.asides(aside)),
            closed: Box::pin(async move { watched.closed().await.to_string() }),
            close: Box::pin(closed.close()),
            service: Arc::new(connection),
        }
    }
}

type Next = Pin<Box<dyn Future<Output = (Option<Said>, client::Spoken)> + Send>>;

/// What a server says, as a stream.
struct Heard(Option<Next>);

impl Heard {
    fn new(spoken: client::Spoken) -> Self {
        Self(Some(next(spoken)))
    }
}

fn next(mut spoken: client::Spoken) -> Next {
    Box::pin(async move { (spoken.next().await, spoken) })
}

impl Stream for Heard {
    type Item = Spoken;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Spoken>> {
        let Some(waiting) = &mut self.0 else { return Poll::Ready(None) };
        let (said, spoken) = std::task::ready!(waiting.as_mut().poll(task));
        self.0 = said.is_some().then(|| next(spoken));
        Poll::Ready(said.map(|said| match said {
            Said::Notification(notification) => Spoken::Notification(notification),
            Said::Missed(_) => Spoken::Missed,
        }))
    }
}
