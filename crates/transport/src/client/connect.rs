use super::{
    connection::Connection, duplex, error::ConnectError, opening::ConnectOptions, service, target::Target,
};

/// Connects to the server at `target`, finds out what it speaks and opens it.
///
/// Must be called inside a tokio runtime, and the connection lives in it.
///
/// # Errors
/// Each variant of [`ConnectError`] says what was wrong and what to do.
pub async fn connect(target: &Target, opening: &ConnectOptions) -> Result<Connection, ConnectError> {
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
