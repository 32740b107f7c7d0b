//! What the tasks of one connection share: how bytes reach the server, and where messages go at present.

use std::sync::{Arc, atomic::AtomicU32};

use anyport_metrics::Held;
use anyport_protocol::{Method, Revision};
use anyport_service::sync::Lock;
use bytes::Bytes;
use http::{HeaderValue, Method as Verb, Response, StatusCode};
use hyper::body::Incoming as Body;
use tokio::sync::watch;
use url::Url;

use super::{
    Fault,
    fault::SendError,
    headers::RequestHeaders,
    outbound::Outbound,
    pool::Place,
    received::{Reading, Refusal},
};
use crate::client::{ConnectError, ConnectOptions};

/// What the tasks of a connection share.
pub(super) struct Shared {
    pub(super) line: Line,
    pub(super) options: Arc<ConnectOptions>,
    pub(super) route: Lock<Route>,
    /// The generation of the current session.
    pub(super) generation: watch::Sender<u32>,
    /// How many sessions in a row were lost soon after they were opened.
    pub(super) short_sessions: AtomicU32,
}

/// Where messages go at present.
#[derive(Default)]
pub(super) struct Route {
    /// The negotiated revision.
    pub(super) revision: Option<Revision>,
    pub(super) session: Session,
    /// The session that the last `initialize` has opened, which nothing else was sent in.
    pub(super) opened: Option<HeaderValue>,
    /// The address to post to: the server speaks HTTP+SSE (2024-11-05).
    pub(super) post_to: Option<Url>,
    /// `notifications/initialized`, until it is sent.
    pub(super) initialized: Option<Bytes>,
}

/// One session of a legacy server.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// How many sessions this connection had before it.
    pub(super) generation: u32,
    /// Its id, if the server has given it one.
    pub(super) id: Option<HeaderValue>,
}

/// How bytes reach the server.
pub(super) struct Line {
    pub(super) outbound: Outbound,
    pub(super) url: Url,
    pub(super) reading: Arc<Reading>,
}

impl Line {
    /// Posts a message of the connection's own, which waits for no place of the pool. Returns a response of success.
    ///
    /// # Errors
    /// As for [`Line::post_in`].
    pub(super) async fn post(
        &self,
        url: &Url,
        headers: &RequestHeaders,
        message: Bytes,
    ) -> Result<Response<Body>, Undelivered> {
        let _counted = self.outbound.host_pool().map(|host| host.message());
        self.post_in(&Place::default(), url, headers, message).await
    }

    /// Posts a message, in a place of the pool if it wants one. Returns a response of success.
    ///
    /// # Errors
    /// Why it did not arrive, or was refused.
    pub(super) async fn post_in(
        &self,
        place: &Place,
        url: &Url,
        headers: &RequestHeaders,
        message: Bytes,
    ) -> Result<Response<Body>, Undelivered> {
        if let Some(tap) = &self.reading.tap {
            tap.sent(&message);
        }
        let posted = self.outbound.send(Verb::POST, url, headers, message, place).await;
        let response = posted.map_err(Undelivered::Unreachable)?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(Undelivered::Refused(Refusal::of(response, &self.reading).await)),
        }
    }

    /// Asks for a stream of events.
    pub(super) async fn get(&self, headers: &RequestHeaders) -> Result<Response<Body>, Fault> {
        Ok(self.outbound.send(Verb::GET, &self.url, headers, Bytes::new(), &Place::default()).await?)
    }

    /// The place of a call; `is_stream`: its response stays open.
    pub(super) fn place(&self, is_stream: bool) -> Place {
        match (self.outbound.host_pool(), is_stream) {
            (None, _) => Place::default(),
            (Some(host), false) => Place::wanted(host),
            (Some(host), true) => Place::stream(host),
        }
    }

    /// Counts a stream of the whole connection, until it is dropped.
    pub(super) fn stream(&self) -> Option<Held> {
        self.outbound.host_pool().map(|host| host.stream())
    }
}

impl Shared {
    pub(super) fn new(line: Line, options: Arc<ConnectOptions>) -> Self {
        let (route, generation) = (Lock::default(), watch::Sender::new(0));
        Self { line, options, route, generation, short_sessions: AtomicU32::new(0) }
    }

    /// Posts a message that has no response of its own.
    ///
    /// # Errors
    /// As for [`Line::post`].
    pub(super) async fn deliver(&self, message: Bytes) -> Result<(), Undelivered> {
        let (url, headers) = self.route.lock().post(&self.line.url);
        self.line.post(&url, &headers, message).await.map(drop)
    }

    /// Gives the session back.
    ///
    /// 2025-11-25, transports §Session Management: "Clients that no longer need a particular session … SHOULD send an HTTP
    /// DELETE"; a server that does not allow it answers 405, which is as well.
    pub(super) async fn delete_session(&self) {
        let (session, revision) = {
            let mut route = self.route.lock();
            // One that was opened in place of a lost one, and not used.
            (route.opened.take().or_else(|| route.session.id.clone()), route.revision)
        };
        if session.is_none() {
            return;
        }
        let headers = RequestHeaders::default().in_session(session.as_ref(), revision);
        let (outbound, url) = (&self.line.outbound, &self.line.url);
        match outbound.send(Verb::DELETE, url, &headers, Bytes::new(), &Place::default()).await {
            Ok(response)
                if response.status().is_success() || response.status() == StatusCode::METHOD_NOT_ALLOWED => {}
            Ok(response) => tracing::debug!(status = %response.status(), "the server keeps the session"),
            Err(error) => tracing::debug!(error = %error.fault, "the session could not be given back"),
        }
    }
}

impl Route {
    /// The address and the headers of a POST.
    pub(super) fn post(&self, endpoint: &Url) -> (Url, RequestHeaders) {
        match &self.post_to {
            Some(address) => (address.clone(), RequestHeaders::post()),
            None => (endpoint.clone(), self.in_session(RequestHeaders::post())),
        }
    }

    /// Whether the server requests input by its results alone.
    pub(super) fn asks_by_result(&self) -> bool {
        self.revision.is_some_and(Revision::asks_by_result)
    }

    /// `headers` with those of a request of the current session.
    pub(super) fn in_session(&self, headers: RequestHeaders) -> RequestHeaders {
        headers.in_session(self.session.id.as_ref(), self.revision)
    }
}

/// Why a message did not arrive.
pub(super) enum Undelivered {
    Unreachable(SendError),
    Refused(Refusal),
}

impl Undelivered {
    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Unreachable(error) => error.fault.to_string(),
            Self::Refused(refusal) => refusal.words(),
        }
    }

    /// The error of an opening whose `notifications/initialized` this has happened to.
    pub(super) fn into_connect_error(self) -> ConnectError {
        let method = Method::Initialized.as_str();
        match self {
            Self::Refused(refusal) => ConnectError::Refused { method, error: refusal.into_error() },
            Self::Unreachable(error) => ConnectError::Failed { method, failure: error.into_failure() },
        }
    }
}
