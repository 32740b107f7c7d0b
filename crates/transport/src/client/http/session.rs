//! The session of an older server over Streamable HTTP, and what is sent with its requests.

use std::sync::Arc;

use anyport_protocol::Revision;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The session that is open now; a lost one is followed by another.
pub(super) struct Sessions {
    now: watch::Sender<Arc<Session>>,
    /// Held while a new one is opened, so that of all who miss the old one only the first does it.
    pub(super) opening: tokio::sync::Mutex<()>,
    /// The message that opens a session.
    pub(super) initialize: bytes::Bytes,
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    /// How many there were before it.
    pub(super) number: u64,
    /// Its id, where the server gave it one.
    pub(super) id: Option<HeaderValue>,
}

impl Sessions {
    pub(super) fn new(initialize: bytes::Bytes, id: Option<HeaderValue>) -> Self {
        let first = Arc::new(Session { number: 0, id });
        Self { now: watch::Sender::new(first), opening: tokio::sync::Mutex::new(()), initialize }
    }

    pub(super) fn now(&self) -> Arc<Session> {
        self.now.borrow().clone()
    }

    /// Completes when another session is in the place of the one with this number.
    pub(super) async fn lost(&self, number: u64) {
        // The sender is ours.
        let _ = self.now.subscribe().wait_for(|now| now.number != number).await;
    }

    pub(super) fn renewed(&self, id: Option<HeaderValue>) {
        self.now.send_modify(|now| *now = Arc::new(Session { number: now.number + 1, id }));
    }
}

impl Session {
    /// `headers` with those of a request of this session.
    ///
    /// 2025-11-25, transports §Protocol Version Header: "the client MUST include the MCP-Protocol-Version header on all
    /// subsequent requests"; earlier revisions than 2025-06-18 do not have it.
    pub(super) fn headers(&self, mut headers: HeaderMap, revision: Revision) -> HeaderMap {
        if revision >= Revision::V2025_06_18 {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(revision.as_str()));
        }
        if let Some(id) = &self.id {
            headers.insert(SESSION_ID, id.clone());
        }
        headers
    }
}
