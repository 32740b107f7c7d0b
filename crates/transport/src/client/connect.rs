use super::{
    connection::Connection, duplex, eras::may_be_another, error::ConnectError, opening::ConnectOptions,
    service, target::Target,
};

/// Connects to the server at `target`, finds out what it speaks and opens it.
///
/// Must be called inside a tokio runtime, and the connection lives in it.
///
/// # Errors
/// Each variant of [`ConnectError`] says what was wrong and what to do.
pub async fn connect(target: &Target, opening: &ConnectOptions) -> Result<Connection, ConnectError> {
    if opening.revision.is_some() {
        return open(target, opening).await;
    }
    if let Some(known) = opening.eras.known(target) {
        match open(target, &opening.clone().revision(known)).await {
            Err(error) if may_be_another(&error) => {
                tracing::debug!(%error, "the server is no longer what it was; it is probed again");
                opening.eras.forget(target);
            }
            opened => return opened,
        }
    }
    let connection = open(target, opening).await?;
    opening.eras.learn(target, connection.revision());
    Ok(connection)
}

async fn open(target: &Target, opening: &ConnectOptions) -> Result<Connection, ConnectError> {
    match target {
        #[cfg(feature = "client-child")]
        Target::Command(command) => duplex::open(command, opening).await,
        #[cfg(feature = "client-http")]
        Target::Http(endpoint) => super::http::open(endpoint, opening).await,
        #[cfg(feature = "client-websocket")]
        Target::WebSocket(endpoint) => duplex::open(&super::websocket::Upgraded(endpoint), opening).await,
        #[cfg(all(feature = "client-unix", unix))]
        Target::Unix(path) => duplex::open(&super::unix::Socket(path), opening).await,
        Target::Stream(dial) => duplex::open(dial, opening).await,
        Target::Service(service) => duplex::open(&service::InProcess(service.clone()), opening).await,
    }
}
