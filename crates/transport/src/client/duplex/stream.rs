use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Duplex, Outbox};
use crate::lines::{Lines, collect};

/// Bytes that are asked for at once.
const READ: usize = 64 * 1024;

/// Reads messages, a line each, until the stream ends; says why it ended if it broke.
pub(crate) async fn read(
    mut stream: impl AsyncRead + Unpin,
    connection: Arc<Duplex>,
) -> Option<std::io::Error> {
    let mut lines = Lines::new(connection.options.limits.bytes);
    loop {
        lines.buffer().reserve(READ);
        match stream.read_buf(lines.buffer()).await {
            Ok(0) => {
                if let Some(frame) = lines.last() {
                    connection.receive(frame);
                }
                return None;
            }
            Ok(_) => {
                while let Some(frame) = lines.next() {
                    connection.receive(frame);
                }
            }
            Err(error) => return Some(error),
        }
    }
}

/// Writes what is to be sent, a line each, until the hub is closed or the stream breaks. The stream is closed then.
pub(crate) async fn write(mut stream: impl AsyncWrite + Unpin, mut outbox: Outbox) -> std::io::Result<()> {
    let mut batch = Vec::new();
    while let Some(first) = outbox.next().await {
        collect(&mut batch, first, || outbox.waiting());
        stream.write_all(&batch).await?;
        stream.flush().await?;
    }
    stream.shutdown().await
}
