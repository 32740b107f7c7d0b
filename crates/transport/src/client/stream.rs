use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    CloseReason, ConnectError, Dial,
    duplex::{Channel, Open, Opening, read, write},
};

/// How long what was sent last may take to be written once the connection is closed.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// A connection over `input` and `output`, a message a line. `what` they are is for the words of its end.
pub(super) fn drive(
    opening: Opening,
    what: &'static str,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
) -> Channel {
    let (channel, connection, outbox) = Channel::new(opening);
    let mut writing = tokio::spawn(write(output, outbox));
    let driven = connection;
    tokio::spawn(async move {
        let end = tokio::select! {
            broken = read(input, driven.clone()) => match broken {
                Some(error) => CloseReason::lost(format!("the {what} broke: {error}")),
                None => CloseReason::lost(format!("the server closed the {what}")),
            },
            () = driven.closing() => {
                let _ = timeout(LAST_WRITES, &mut writing).await;
                CloseReason::Closed
            }
        };
        writing.abort();
        driven.end(end);
    });
    channel
}

impl Open for Dial {
    async fn open(&self, opening: Opening) -> Result<Channel, ConnectError> {
        let unreachable = |source| ConnectError::Unreachable { at: "the stream".into(), source };
        let (input, output) = tokio::io::split(self.dial().await.map_err(unreachable)?);
        Ok(drive(opening, "stream", input, output))
    }
}
