use std::{path::Path, sync::Arc, time::Duration};

use tokio::{net::UnixStream, time::timeout};

use super::{
    ConnectError, End, Opening,
    duplex::{Channel, Hub, Open, read, write},
};

/// A server on a Unix socket.
pub(super) struct Socket<'a>(pub(super) &'a Path);

/// How long what was sent last may take to be written once the connection is closed.
const LAST_WRITES: Duration = Duration::from_secs(2);

impl Open for Socket<'_> {
    async fn open(&self, opening: Arc<Opening>) -> Result<Channel, ConnectError> {
        let stream = UnixStream::connect(self.0).await.map_err(|source| ConnectError::Unreachable {
            at: format!("the socket {}", self.0.display()),
            source,
        })?;
        let (hub, outbox) = Hub::new(opening);
        let (input, output) = stream.into_split();
        let mut writing = tokio::spawn(write(output, outbox));
        let driven = hub.clone();
        tokio::spawn(async move {
            let end = tokio::select! {
                broken = read(input, driven.clone()) => match broken {
                    Some(error) => End::lost(format!("the socket broke: {error}")),
                    None => End::lost("the server closed the socket"),
                },
                () = driven.closing() => {
                    let _ = timeout(LAST_WRITES, &mut writing).await;
                    End::Closed
                }
            };
            writing.abort();
            driven.end(end);
        });
        Ok(Channel::new(hub))
    }
}
