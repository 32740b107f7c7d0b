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

use super::address_policy::AddressClass;
use crate::client::dial::Dialled;

/// A stream to a server or a proxy: TCP, or what the caller has dialled.
pub(crate) struct PlainStream {
    io: TokioIo<Dialled>,
    /// The address at the other end, if it has one.
    pub(super) address: Option<SocketAddr>,
    way: Way,
}

/// How a connection leads to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the address of the server.
    Direct,
    /// Through a proxy. `reads`: it reads the requests, so that they must name their host in the first line.
    Proxy {
        /// Whether it does.
        reads: bool,
    },
    /// To what the caller has dialled, wherever the URL leads.
    Dialled,
}

/// Where a connection leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionInfo {
    pub(super) way: Way,
    /// The class of the server's address, where the connection leads to that.
    pub(super) class: Option<AddressClass>,
}

impl PlainStream {
    /// A stream over TCP to the server, or to a proxy.
    pub(super) fn tcp(tcp: TokioIo<TcpStream>, way: Way) -> Self {
        let tcp = tcp.into_inner();
        Self { address: tcp.peer_addr().ok(), way, ..Self::dialled(Box::new(tcp)) }
    }

    pub(super) fn dialled(stream: Dialled) -> Self {
        Self { io: TokioIo::new(stream), address: None, way: Way::Dialled }
    }
}

impl PlainStream {
    pub(super) fn info(&self) -> ConnectionInfo {
        let address = self.address.filter(|_| self.way == Way::Direct);
        ConnectionInfo { way: self.way, class: address.map(|address| AddressClass::of(address.ip())) }
    }
}

impl Connection for PlainStream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.way == Way::Proxy { reads: true })
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
