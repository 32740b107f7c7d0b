use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, MutexGuard},
};

use anyport_service::{PeerEvent, PeerEvents, sync::Lock};
use anyport_transport::client::{ConnectError, ConnectOptions, Connection, Target};
use anyport_upstream::{Connected, Connector, OpenRequest, RevisionCache};

use super::answers::answer_unsolicited;
use crate::{cache::ClientCache, handler::Functions};

/// Connects a client to its server, and again when its connection was lost.
///
/// The first connection is made before there is an upstream, so that the client knows exactly why it cannot be made.
#[derive(Clone)]
pub(crate) struct ClientConnector(Arc<Shared>);

struct Shared {
    target: Target,
    options: ConnectOptions,
    current: Lock<Current>,
    cache: Arc<ClientCache>,
    functions: Arc<Functions>,
    revisions: RevisionCache,
}

struct Current {
    connection: Connection,
    /// Whether it is still to be given to the upstream.
    is_first: bool,
}

impl ClientConnector {
    /// Connects for the first time.
    pub(crate) async fn open(
        target: Target,
        options: ConnectOptions,
        cache: Arc<ClientCache>,
        functions: Arc<Functions>,
        revisions: RevisionCache,
    ) -> Result<Self, ConnectError> {
        let connection = revisions.connect(&target, &options).await?;
        answer_unsolicited(&functions, &connection);
        let current = Lock::new(Current { connection, is_first: true });
        Ok(Self(Arc::new(Shared { target, options, current, cache, functions, revisions })))
    }

    /// The connection as it is now.
    pub(crate) fn connection(&self) -> Connection {
        self.lock().connection.clone()
    }

    async fn next(&self, legacy_first: bool) -> Result<Connection, ConnectError> {
        {
            let mut current = self.lock();
            let fits = !legacy_first || !current.connection.revision().is_stateless();
            if fits && std::mem::take(&mut current.is_first) {
                return Ok(current.connection.clone());
            }
        }
        let options = self.0.options.clone().legacy_first(legacy_first);
        let connection = self.0.revisions.connect(&self.0.target, &options).await?;
        answer_unsolicited(&self.0.functions, &connection);
        // It may be another server now, and the changes of the one before were not heard meanwhile.
        self.0.cache.clear();
        self.lock().connection = connection.clone();
        Ok(connection)
    }

    /// Lets the cache hear what the server says, until the upstream or the client is gone.
    pub(crate) fn listen(&self, mut events: PeerEvents) {
        let cache = Arc::downgrade(&self.0.cache);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let Some(cache) = cache.upgrade() else { return };
                match event {
                    PeerEvent::Lagged(_) => cache.clear(),
                    event => {
                        if let Some(notification) = event.into_notification() {
                            cache.heard(&notification);
                        }
                    }
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.0.current.lock()
    }
}

impl Connector for ClientConnector {
    /// The options have the client's capabilities, which are the same for all its calls.
    fn connect(
        &self,
        client: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, anyport_upstream::ConnectError>> + Send>> {
        let connector = self.clone();
        Box::pin(async move {
            let connected = connector.next(client.legacy_first).await;
            let connection =
                connected.map_err(|error| anyport_upstream::ConnectError::new(error.to_string()))?;
            Ok(connection.into())
        })
    }
}
