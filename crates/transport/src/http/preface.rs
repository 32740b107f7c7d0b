//! How a client begins: the connection preface of HTTP/2 (RFC 9113 §3.4), or something else, which is HTTP/1.1 then.

use std::{
    io,
    pin::Pin,
    task::{Context as Task, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    time::timeout,
};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// Reads until it is known what the client speaks, at most for `limit`. `None` if it says nothing in this time, or closes.
pub(super) async fn version<T: AsyncRead + Unpin>(
    mut io: T,
    limit: Duration,
) -> Option<(Version, Reread<T>)> {
    let mut read = [0; PREFACE.len()];
    let mut length = 0;
    let begins = async {
        while length < PREFACE.len() {
            match io.read(&mut read[length..]).await {
                Ok(0) | Err(_) if length == 0 => return None,
                // Half a preface, and the end: HTTP/1.1 knows what to answer.
                Ok(0) | Err(_) => return Some(Version::Http1),
                Ok(more) => length += more,
            }
            if read[..length] != PREFACE[..length] {
                return Some(Version::Http1);
            }
        }
        Some(Version::Http2)
    };
    let version = timeout(limit.min(crate::LONGEST_WAIT), begins).await.ok()??;
    Some((version, Reread { io, read, range: (0, u8::try_from(length).unwrap_or(0)) }))
}

/// A connection whose first bytes were read already, and are read again.
#[derive(Debug)]
pub(super) struct Reread<T> {
    io: T,
    read: [u8; PREFACE.len()],
    /// The bytes that are still to be read again.
    range: (u8, u8),
}

impl<T: AsyncRead + Unpin> AsyncRead for Reread<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (from, to) = self.range;
        let left = self.read.get(usize::from(from)..usize::from(to)).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(&mut self.io).poll_read(task, buffer);
        }
        let taken = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..taken]);
        self.range.0 = from.saturating_add(u8::try_from(taken).unwrap_or(u8::MAX));
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Reread<T> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(task, buffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn every_beginning_is_read_again_wherever_it_is_cut() {
        let http1 = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n".as_slice();
        let almost = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r!and more";
        let whole = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand more";
        for (sent, expected) in [
            (http1, Version::Http1),
            (almost, Version::Http1),
            (whole, Version::Http2),
            (b"PRI", Version::Http1),
        ] {
            for cut in 1..sent.len() {
                let io = in_parts(&sent[..cut], &sent[cut..]);
                let (version, mut again) = version(io, LIMIT).await.unwrap();
                assert_eq!(version, expected, "{cut}");
                let mut read = Vec::new();
                again.read_to_end(&mut read).await.unwrap();
                assert_eq!(read, sent, "{cut}");
            }
        }
    }

    /// Bytes that come in two parts.
    fn in_parts<'a>(first: &'a [u8], rest: &'a [u8]) -> impl AsyncRead + Unpin + 'a {
        first.chain(rest)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_or_half_of_it_is_not_waited_for() {
        for sent in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n"] {
            let (mut client, server) = tokio::io::duplex(64);
            tokio::io::AsyncWriteExt::write_all(&mut client, sent).await.unwrap();
            assert!(version(server, LIMIT).await.is_none());
        }
        assert!(version(&b""[..], LIMIT).await.is_none());
    }
}
