//! Accepting connections, for every listener.

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

/// A listening socket: what differs between listeners in accepting connections.
pub(crate) trait Acceptor {
    /// A connection that may be served.
    type Connection;

    /// Waits for the next connection. Cancel-safe. `None` for one that is closed at once, because its peer may not call.
    ///
    /// # Errors
    /// Why a connection was not accepted; others may follow.
    fn accept(&self) -> impl Future<Output = io::Result<Option<Self::Connection>>> + Send;

    /// Serves a connection, in a task of its own. `permit` counts it among the open ones.
    fn serve(
        &self,
        connection: Self::Connection,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static;

    /// Refuses a connection beyond the limit.
    fn reject(&self, connection: Self::Connection);
}

/// Accepts connections until `stop` completes, at most `max_connections` at once. Returns those that are open then.
pub(crate) async fn accept(
    acceptor: &impl Acceptor,
    max_connections: usize,
    stop: impl Future<Output = ()>,
) -> JoinSet<()> {
    let permits = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return connections,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = acceptor.accept() => match accepted {
                Ok(Some(connection)) => match permits.clone().try_acquire_owned() {
                    Ok(permit) => drop(connections.spawn(acceptor.serve(connection, permit))),
                    Err(_) => acceptor.reject(connection),
                },
                Ok(None) => {}
                // Out of file descriptors, or the client is gone already: neither ends the listener.
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    sleep(RETRY).await;
                }
            },
        }
    }
}

/// Waits until all connections have ended, at most for `limit`; what is open then is closed.
pub(crate) async fn drain(mut connections: JoinSet<()>, limit: Duration) {
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(limit, all).await.is_err() {
        tracing::warn!("connections were cut at the end of the drain time");
    }
}

/// The pause after a connection that was not accepted.
const RETRY: Duration = Duration::from_millis(50);
