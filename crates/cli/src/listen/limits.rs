//! The limits of a program that serves, by the crates that keep them.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use anyport_adapters::{LegacyClientLimits, ParkLimits};
use anyport_knowledge::{
    Folders, Settings,
    answers::DEFAULT_MAX_ANSWER_CHARS,
    folder::{MAX_DOCUMENT_BYTES, MAX_DOCUMENTS},
    live::MAX_HELD_BYTES,
};
use anyport_layers::{CacheLimits, Quota};
use anyport_server::Builder;
use anyport_transport::{http, unix, websocket};
use anyport_upstream::UpstreamLimits;

use crate::logging::Rotation;

/// The limits of a program that serves; [`LIMITS`](super::limit_table::LIMITS) declares them.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) http: http::Limits,
    pub(crate) websocket: websocket::Config,
    pub(crate) shim: LegacyClientLimits,
    pub(crate) park: ParkLimits,
    pub(crate) quota: Quota,
    pub(crate) max_concurrent_calls: usize,
    pub(crate) max_open_requests: usize,
    /// Connections of a bridge to its server, where that was set.
    pub(crate) connections: Option<usize>,
    /// For how long a call waits for one of them.
    pub(crate) connection_wait: Duration,
    pub(crate) cache: CacheLimits,
    pub(crate) rotation: Rotation,
    pub(super) documents: DocumentLimits,
    pub(super) server: ServerLimits,
    /// How many characters of a document an answer holds.
    pub(crate) max_answer_chars: usize,
}

/// The limits of documents.
#[derive(Clone, Copy, Debug)]
pub(super) struct DocumentLimits {
    pub(super) max_documents: usize,
    pub(super) max_document_bytes: u64,
    pub(super) max_held_bytes: u64,
}

/// The limits of the server, if they are set; else its builder's defaults.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServerLimits {
    pub(super) max_listeners: Option<usize>,
    pub(super) max_subscriptions: Option<usize>,
    pub(super) max_subscription_bytes: Option<usize>,
    pub(super) page_size: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        const CALLS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1000).unwrap();
        const CALL_BURST: NonZeroU32 = NonZeroU32::new(2000).unwrap();
        Self {
            http: http::Limits { drain: DRAIN, ..http::Limits::default() },
            websocket: websocket::Config::default(),
            shim: LegacyClientLimits::default(),
            park: ParkLimits::default(),
            quota: Quota { per_second: CALLS_PER_SECOND, burst: CALL_BURST },
            max_concurrent_calls: 1024,
            max_open_requests: 1024,
            connections: None,
            connection_wait: UpstreamLimits::default().connection_wait,
            cache: CacheLimits::default(),
            rotation: Rotation::default(),
            documents: DocumentLimits {
                max_documents: MAX_DOCUMENTS,
                max_document_bytes: MAX_DOCUMENT_BYTES,
                max_held_bytes: MAX_HELD_BYTES,
            },
            server: ServerLimits::default(),
            max_answer_chars: DEFAULT_MAX_ANSWER_CHARS,
        }
    }
}

/// How long running calls may continue when the program stops.
const DRAIN: Duration = Duration::from_secs(10);

impl Limits {
    /// The bounds of a Unix socket: those that it shares with the other transports have the same values.
    pub(crate) fn unix(&self, max_connections: usize) -> unix::Limits {
        unix::Limits {
            message: self.http.message,
            max_connections,
            max_open_requests: self.max_open_requests,
            first_message: self.websocket.first_message,
            connection_idle: self.websocket.connection_idle,
            write_timeout: self.http.write_timeout,
            drain: self.http.drain,
        }
    }

    /// `folders` with their limits.
    pub(crate) fn of_documents(&self, folders: Folders) -> Folders {
        let DocumentLimits { max_documents, max_document_bytes, .. } = self.documents;
        folders.max_documents(max_documents).max_document_bytes(max_document_bytes)
    }

    /// The settings of documents, with the index below `index_dir`.
    pub(crate) fn of_knowledge(&self, index_dir: Option<PathBuf>) -> Settings {
        Settings { index_dir, max_held_bytes: self.documents.max_held_bytes }
    }

    /// `server` with its limits.
    pub(crate) fn of_server(&self, mut server: Builder) -> Builder {
        let ServerLimits { max_listeners, max_subscriptions, max_subscription_bytes, page_size } =
            self.server;
        if let Some(limit) = max_listeners {
            server = server.max_listeners(limit);
        }
        if let Some(limit) = max_subscriptions {
            server = server.max_subscriptions(limit);
        }
        if let Some(limit) = max_subscription_bytes {
            server = server.max_subscription_bytes(limit);
        }
        match page_size {
            Some(size) => server.page_size(size),
            None => server,
        }
    }
}
