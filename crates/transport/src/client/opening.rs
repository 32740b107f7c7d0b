use std::{fmt, sync::Arc, time::Duration};

use anyport_protocol::{Limits, Raw, Revision};
use anyport_service::peer::EVENT_QUEUE;

use super::RevisionCache;

/// How a connection is opened, and its limits.
#[derive(Clone)]
pub struct ConnectOptions {
    /// The revision that must be spoken; `None`: the newest that both sides know.
    pub revision: Option<Revision>,
    /// What the client can be asked, in the newest vocabulary. An older server is told once, when the connection is
    /// opened; a modern one is told with each call what that call's context says. Default `{}`.
    pub capabilities: Raw,
    /// Who the client is: an `Implementation`. Default Anyport.
    pub client_info: Raw,
    /// How long the server may be silent about `server/discover` before it is taken for an older one (`probe_timeout`).
    /// Default 10 s.
    pub probe_timeout: Duration,
    /// How long the server may take until everything is agreed (`open_timeout`); programs that are installed when they
    /// are first run take long. Default 60 s.
    pub open_timeout: Duration,
    /// How large and deep a message of the server's may be. Default 64 MiB.
    pub limits: Limits,
    /// Requests that may be open at once; further ones are refused as `overloaded` (`max_open_requests`). Default 1,024.
    pub max_open_requests: usize,
    /// Bytes that may wait to be sent; further requests are refused as `overloaded` (`send_queue`). Default 64 MiB.
    pub send_queue: usize,
    /// Notifications of one call that may wait for its reader; of further ones only the newest progress is kept
    /// (`call_queue`). Default 256.
    pub call_queue: usize,
    /// Questions of an older server that may be open at once (`max_open_questions`). Default 64.
    pub max_open_questions: usize,
    /// How long a question for roots that came outside any call waits for the next call (`roots_hold`). Default 45 s.
    pub roots_hold: Duration,
    /// For how long an older server goes on logging after the last call that wanted its log messages (`log_hold`).
    /// Default 60 s.
    pub log_hold: Duration,
    /// Messages outside any call that wait for a slow subscriber of the connection's peer; of further ones the oldest are
    /// left out (`event_queue`). Default 256.
    pub event_queue: usize,
    /// What is remembered of servers' revisions. Default a memory of this opening's own, which its clones share.
    pub eras: RevisionCache,
    /// Sees every message, for recordings.
    pub tap: Option<Arc<dyn MessageObserver>>,
}

/// Sees every message as it is sent and received.
pub trait MessageObserver: Send + Sync + 'static {
    /// A message for the server; called before it is written.
    fn sent(&self, message: &[u8]);
    /// A message of the server's; called before it is read.
    fn received(&self, message: &[u8]);
}

impl Default for ConnectOptions {
    fn default() -> Self {
        let info = serde_json::json!({"name": "anyport", "version": env!("CARGO_PKG_VERSION")});
        Self {
            revision: None,
            capabilities: Raw::EMPTY_OBJECT,
            client_info: info.into(),
            probe_timeout: Duration::from_secs(10),
            open_timeout: Duration::from_secs(60),
            limits: Limits { bytes: 64 << 20, ..Limits::default() },
            max_open_requests: 1024,
            send_queue: 64 << 20,
            call_queue: 256,
            max_open_questions: 64,
            roots_hold: Duration::from_secs(45),
            log_hold: Duration::from_secs(60),
            event_queue: EVENT_QUEUE,
            eras: RevisionCache::default(),
            tap: None,
        }
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions").field("revision", &self.revision).finish_non_exhaustive()
    }
}
