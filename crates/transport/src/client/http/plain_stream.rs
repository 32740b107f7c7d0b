//! The stream to a server or a proxy, below TLS.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context as Task, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::net::TcpStream;

use crate::client::dial::Dialled;

/// A stream to a server or a proxy: TCP, or what the caller has dialled.
pub(crate) struct PlainStream {
    io: TokioIo<Dialled>,
    /// The address at the other end, if it has one.
    pub(super) address: Option<SocketAddr>,
    proxied: bool,
}

impl PlainStream {
    /// `proxied`: whether a proxy reads the requests, so that they must name their host in the first line.
    pub(super) fn tcp(tcp: TokioIo<TcpStream>, proxied: bool) -> Self {
        let tcp = tcp.into_inner();
        Self { address: tcp.peer_addr().ok(), proxied, ..Self::dialled(Box::new(tcp)) }
    }

    pub(super) fn dialled(stream: Dialled) -> Self {
        Self { io: TokioIo::new(stream), address: None, proxied: false }
    }
}

impl Connection for PlainStream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.proxied)
    }
}

impl Read for PlainStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(task, to)
    }
}

impl Write for PlainStream {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(task, from)
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
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(task, from)
    }
}
