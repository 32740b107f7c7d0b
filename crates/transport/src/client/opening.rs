use std::{fmt, num::NonZeroU64, sync::Arc, time::Duration};

use anyport_protocol::{Limits, Raw, Revision, settings};

use crate::BufferedBytes;

settings! {
    /// How a connection is opened, and its limits.
    #[derive(Clone)]
    pub struct ConnectOptions {
        /// The revision that the server must support.
        #[default("the newest that both sides support" = None)]
        #[set(into)]
        pub revision: Option<Revision>,
        /// Whether `initialize` is sent first, and `server/discover` only if the server refuses that or does not answer it: a
        /// server of both eras then speaks a legacy revision. A required revision decides alone.
        #[default("`false`: `server/discover` is sent first" = false)]
        pub legacy_first: bool,
        /// The client's capabilities, in the newest vocabulary. A legacy server receives them when the connection is opened; a
        /// modern one receives with each call those of the call's context.
        #[default("`{}`" = Raw::EMPTY_OBJECT)]
        #[set(into)]
        pub capabilities: Raw,
        /// The client's name and version: an `Implementation`.
        #[default("Anyport" = serde_json::json!({"name": "anyport", "version": env!("CARGO_PKG_VERSION")}).into())]
        #[set(into)]
        pub client_info: Raw,
        /// The time in which the server must answer `server/discover`; otherwise it counts as legacy (`probe_timeout`).
        #[default(10 s)]
        pub probe_timeout: Duration,
        /// The time in which the connection must be negotiated (`open_timeout`). Programs that are installed when they are
        /// first run take long.
        #[default(60 s)]
        pub open_timeout: Duration,
        /// Size, depth and node count of a message of the server.
        #[default("64 MiB, else those of [`Limits`]" = Limits::default().bytes(64 << 20))]
        pub limits: Limits,
        /// The number of open requests (`max_open_requests`). Further requests are refused as `overloaded`.
        #[default(1_024)]
        pub max_open_requests: usize,
        /// The size in bytes of what waits to be sent (`send_queue`). Further requests are refused as `overloaded`.
        #[default(64 MiB)]
        pub send_queue: usize,
        /// The number of unread notifications of one call (`call_queue`). Of further ones only the newest progress is kept.
        #[default(256)]
        pub call_queue: usize,
        /// The number of open requests of a legacy server (`max_open_questions`). Further ones get an error.
        #[default(64)]
        pub max_open_questions: usize,
        /// The time that a `roots/list` request outside of calls waits for the next call (`roots_hold`).
        #[default(45 s)]
        pub roots_hold: Duration,
        /// The time after the last call that requested log messages before the log level of a legacy server is lowered again
        /// (`log_hold`).
        #[default(60 s)]
        pub log_hold: Duration,
        /// The number of messages outside of calls that wait for a slow subscriber of the connection's peer
        /// (`event_queue`). Of further ones the oldest are left out.
        #[default(256)]
        pub event_queue: usize,
        /// The budget of large answers that are being read over HTTP. Without one they are read as they come.
        #[default("none" = None)]
        #[set(into)]
        pub buffers: Option<BufferedBytes>,
        /// The pool of calls to servers over HTTP. Without one as many calls are made at once as there are.
        #[cfg(feature = "client-http")]
        #[default("none" = None)]
        #[set(into)]
        pub http_pool: Option<super::http::HttpPool>,
        /// An observer of every message, for recordings.
        #[default("none" = None)]
        pub tap: Option<Arc<dyn MessageObserver>>,
    }
}

/// Sees every message as it is sent and received.
pub trait MessageObserver: Send + Sync + 'static {
    /// A call that is observed under `number` (see [`Context::observed_call`](anyport_service::Context::observed_call)) is about to be
    /// sent, as the request with this id.
    fn call(&self, id: u64, number: NonZeroU64) {
        let _ = (id, number);
    }
    /// A message for the server; called before it is written.
    fn sent(&self, message: &[u8]);
    /// A message of the server's; called before it is read.
    fn received(&self, message: &[u8]);
    /// An HTTP request that was answered or has failed; called when the head of the response was read. Redirects that were
    /// followed are part of it.
    fn http(&self, exchange: &HttpExchange<'_>) {
        let _ = exchange;
    }
}

/// An HTTP request, and the status of the response.
#[derive(Clone, Copy, Debug)]
pub struct HttpExchange<'a> {
    /// The method of the request, such as `POST`.
    pub method: &'a str,
    /// The URL of the request, without a query.
    pub url: &'a str,
    /// The status of the response; `None` if there was no response.
    pub status: Option<u16>,
    /// The time from the request to the head of the response.
    pub elapsed: Duration,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions").field("revision", &self.revision).finish_non_exhaustive()
    }
}
