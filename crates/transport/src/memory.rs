//! One client in the same process: messages travel as they are, without framing, over bounded channels.
//!
//! There are two ways to use a [`Service`] in its own process. Calling it is the shorter one: it takes a request of the
//! newest revision and returns a reply, and nothing is written or read in between. This module is the other one: what
//! the client says is the text of JSON-RPC messages of whichever revision it speaks, sessions included, so that a test
//! sees what a client on a socket would see, and an embedder can put a client there that knows nothing of Anyport.
//!
//! 2026-07-28, transports §Custom Transports: "Implementers who choose to support custom transports **MUST** ensure
//! they preserve the JSON-RPC message format and lifecycle requirements defined by MCP." A message is one JSON-RPC
//! message (or a batch, in 2025-03-26); there is no connection to establish beyond [`serve`].
//!
//! ```
//! use anyport_protocol::Raw;
//! use anyport_service::{Context, Reply, Request, Service};
//! use anyport_transport::memory;
//!
//! struct Hello;
//!
//! impl Service for Hello {
//!     fn call(&self, _: Request, _: Context) -> Reply {
//!         Reply::ready(Ok(Raw::EMPTY_OBJECT))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (mut client, serving) = memory::serve(Hello, memory::Config::default(), std::future::pending());
//! let serving = tokio::spawn(serving);
//! client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.unwrap();
//! assert!(client.receive().await.unwrap().starts_with(b"{\"jsonrpc\":\"2.0\",\"id\":1,"));
//! drop(client);
//! serving.await.unwrap();
//! # }
//! ```

use std::{future::Future, sync::Arc, time::Duration};

use anyport_protocol::{Limits, Revision, settings};
use anyport_service::{Principal, Service};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{
    BufferedBytes,
    dialogue::{ConnectionConfig, Frame, ServerConnection},
    lines::QUEUE,
};

settings! {
    /// How to serve a client in the same process.
    #[derive(Clone, Debug)]
    pub struct Config {
        /// The revisions that are supported.
        #[default("all" = Revision::ALL.into())]
        #[set(into)]
        pub supported: Arc<[Revision]>,
        /// Size, depth and node count of a message.
        #[default("those of [`Limits`]" = Limits::default())]
        pub limits: Limits,
        /// The principal of the client's calls.
        #[default("[`Principal::local`]" = Principal::local())]
        pub principal: Principal,
        /// The number of messages that may wait in either direction (`queue`). A sender beyond that waits.
        #[default("64" = QUEUE)]
        pub queue: usize,
        /// The number of open requests (`max_open_requests`). Further requests are refused as `overloaded`.
        #[default(1_024)]
        pub max_open_requests: usize,
        /// The time in which running calls may end after the client closed its side.
        #[default(10 s)]
        pub drain: Duration,
        /// The budget of large answers.
        #[default("one of its own" = BufferedBytes::default())]
        pub buffers: BufferedBytes,
    }
}

/// Makes a client of `service`. What serves it is the future, which ends when the client is dropped or closed, or when
/// `stop` completes and running calls have finished.
pub fn serve(
    service: impl Service,
    config: Config,
    stop: impl Future<Output = ()> + Send + 'static,
) -> (Client, impl Future<Output = ()> + Send + 'static) {
    let Config { supported, limits, principal, queue, max_open_requests, drain, buffers } = config;
    let (to, frames) = mpsc::channel(queue.max(1));
    let (out, from) = mpsc::channel(queue.max(1));
    let connection = ConnectionConfig {
        authorization: principal.into(),
        network: None,
        supported,
        limits,
        max_open_requests,
        drain,
        // The client is ours: who holds it open has a reason.
        first_message: None,
        idle: None,
        buffers,
        observer: None,
    };
    let peer = ServerConnection::new(Arc::new(service), connection, out);
    let serving = async move {
        peer.run(frames, stop).await;
    };
    (Client { sender: Sender { to, limit: limits.bytes }, from }, serving)
}

/// The client's end.
#[derive(Debug)]
pub struct Client {
    sender: Sender,
    from: mpsc::Receiver<Bytes>,
}

/// What the client says. May be cloned; the client's side is open for as long as one of them is there.
#[derive(Clone, Debug)]
pub struct Sender {
    to: mpsc::Sender<Frame>,
    limit: usize,
}

/// What the client hears.
#[derive(Debug)]
pub struct Receiver(mpsc::Receiver<Bytes>);

/// The service is no longer served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service is no longer served")]
pub struct Closed;

impl Client {
    /// Sends one message. Waits while too many wait to be read.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<(), Closed> {
        self.sender.send(message).await
    }

    /// The next message; `None` when there will be none. Cancel-safe.
    pub async fn receive(&mut self) -> Option<Bytes> {
        self.from.recv().await
    }

    /// Both directions apart, for code that reads while it writes. When the senders are dropped, running calls may
    /// finish within the drain time and are still heard.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, Receiver(self.from))
    }
}

impl Sender {
    /// Sends one message. Waits while too many wait to be read.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn send(&self, message: impl Into<Bytes>) -> Result<(), Closed> {
        let message = message.into();
        let frame =
            if message.len() > self.limit { Frame::TooLong(message) } else { Frame::Message(message) };
        self.to.send(frame).await.map_err(|_| Closed)
    }
}

impl Receiver {
    /// The next message; `None` when there will be none. Cancel-safe.
    pub async fn receive(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}
