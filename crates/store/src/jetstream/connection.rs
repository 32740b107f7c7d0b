//! The connection to the servers: it fails at once while there is none, and comes back by itself.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client, ClientError, Event, HeaderMap, RequestErrorKind, ServerError,
    client::Request,
    jetstream::{
        Context, Error as ApiError, ErrorCode, context::RequestErrorKind as ApiErrorKind,
        publish::PublishAck, response::Response,
    },
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{address::Address, options::TlsFiles};
use crate::Error;

/// How long one operation may take.
pub(super) const OPERATION: Duration = Duration::from_secs(2);
/// The longest pause between two attempts to connect.
const PAUSE: Duration = Duration::from_secs(2);

/// A connection. It is made anew for ever when it is lost. Clones are the same connection.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) context: Context,
    seen: watch::Receiver<Seen>,
    /// Until then an operation waits for the first connection.
    first: Instant,
}

/// What the connection reported.
#[derive(Clone, Debug, Default)]
struct Seen {
    is_connected: bool,
    /// The number of connections so far.
    connections: u64,
    /// The newest thing that the server does not permit.
    refused: Option<Arc<str>>,
    /// Why the last attempt to connect failed.
    fault: Option<Arc<str>>,
}

/// Why a request has no answer that says it was done.
#[derive(Debug)]
pub(super) enum Failed {
    /// There is no connection: it was not sent.
    Unsent,
    /// No answer came: it may have been done, or may be done later.
    Lost,
    /// Nobody takes such requests: JetStream has no such stream, or is not there. It was not done.
    NoResponders,
    /// The server does not permit it. It was not done.
    Refused(Arc<str>),
    /// The server refused it. It was not done.
    Api(ApiError),
    /// It could not be sent, or its answer not be read.
    Other(crate::BoxError),
}

impl Connection {
    /// Begins to connect.
    pub(super) async fn begin(address: &Address, tls: &TlsFiles, name: &str) -> Result<Self, Error> {
        let (events, seen) = watch::channel(Seen::default());
        let events = Arc::new(events);
        let mut options = address.options();
        if let Some(issuers) = &tls.issuers {
            options = options.add_root_certificates(issuers.clone());
        }
        if let Some((certificate, key)) = &tls.client {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        let options = options
            .name(name)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(OPERATION)
            .request_timeout(Some(OPERATION))
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(pause)
            .event_callback(move |event| {
                let events = events.clone();
                async move { note(&events, &event) }
            });
        let servers = address.servers().map_err(Error::fault)?;
        let client = options.connect(servers).await.map_err(Error::fault)?;
        let mut context = async_nats::jetstream::new(client.clone());
        context.set_timeout(OPERATION);
        Ok(Self { client, context, seen, first: Instant::now() + OPERATION })
    }

    /// The number of connections so far; it changes when the connection was made anew.
    pub(super) fn connections(&self) -> u64 {
        self.seen.borrow().connections
    }

    /// Waits until the connection is another than `last`, and is there.
    pub(super) async fn reconnected(&self, last: u64) {
        let mut seen = self.seen.clone();
        let _ = seen.wait_for(|seen| seen.is_connected && seen.connections != last).await;
    }

    /// Waits for a connection until `deadline`.
    pub(super) async fn connected(&self, deadline: Instant) -> bool {
        let mut seen = self.seen.clone();
        timeout_at(deadline, seen.wait_for(|seen| seen.is_connected)).await.is_ok_and(|seen| seen.is_ok())
    }

    /// Why there is no connection, as far as it is known.
    pub(super) fn fault(&self) -> Option<Arc<str>> {
        self.seen.borrow().fault.clone()
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self) -> bool {
        self.seen.borrow().is_connected
    }

    /// Whether there is a connection. Only the first one is waited for.
    async fn is_there(&self) -> bool {
        if self.is_connected() {
            return true;
        }
        self.connected(self.first).await
    }

    /// Asks the JetStream API. What is asked must be harmless to repeat.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        subject: String,
        request: &(impl Serialize + Sync),
    ) -> Result<T, Failed> {
        if !self.is_there().await {
            return Err(Failed::Unsent);
        }
        let response = tokio::select! {
            response = self.context.request(subject, request) => response,
            () = self.lost() => return Err(Failed::Lost),
        };
        match response {
            Ok(Response::Ok(answer)) => Ok(answer),
            Ok(Response::Err { error }) => Err(Failed::Api(error)),
            Err(error) => Err(match error.kind() {
                ApiErrorKind::NoResponders => Failed::NoResponders,
                ApiErrorKind::TimedOut => Failed::Lost,
                _ => Failed::Other(Box::new(error)),
            }),
        }
    }

    /// Writes a message. Returns its number in the stream.
    pub(super) async fn publish(
        &self,
        subject: String,
        headers: HeaderMap,
        value: Bytes,
        deadline: Instant,
    ) -> Result<u64, Failed> {
        if !self.is_there().await {
            return Err(Failed::Unsent);
        }
        let request = Request::new().headers(headers).payload(value).timeout(None);
        let sent = self.client.send_request(subject.clone(), request);
        let response = tokio::select! {
            response = timeout_at(deadline, sent) => response.map_err(|_| Failed::Lost)?,
            () = self.lost() => return Err(Failed::Lost),
            refused = self.refused(&subject) => return Err(Failed::Refused(refused)),
        };
        let message = response.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => Failed::NoResponders,
            RequestErrorKind::TimedOut => Failed::Lost,
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                Failed::Other(Box::new(error))
            }
            RequestErrorKind::Other => Failed::Lost,
        })?;
        match serde_json::from_slice(&message.payload) {
            Ok(Response::Ok(PublishAck { sequence, .. })) => Ok(sequence),
            Ok(Response::Err { error }) => Err(Failed::Api(error)),
            Err(error) => Err(Failed::Other(Box::new(error))),
        }
    }

    /// Ends once the connection is lost.
    pub(super) async fn lost(&self) {
        let mut seen = self.seen.clone();
        let _ = seen.wait_for(|seen| !seen.is_connected).await;
    }

    /// Ends once the server has said that it does not permit to publish on `subject`.
    async fn refused(&self, subject: &str) -> Arc<str> {
        let mut seen = self.seen.clone();
        let quoted = format!("\"{subject}\"");
        // What was refused before is asked again: permissions change.
        seen.mark_unchanged();
        loop {
            if seen.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let refused = seen.borrow_and_update().refused.clone();
            if let Some(refused) = refused.filter(|refused| refused.contains(&quoted)) {
                return refused;
            }
        }
    }
}

/// Notes what the client reports.
fn note(events: &watch::Sender<Seen>, event: &Event) {
    match event {
        Event::Connected => {
            tracing::info!("connected to the servers of the store");
            events.send_modify(|seen| {
                seen.is_connected = true;
                seen.connections = seen.connections.saturating_add(1);
                seen.fault = None;
            });
        }
        Event::Disconnected | Event::Closed => {
            tracing::warn!("the connection to the servers of the store is lost; it is made again");
            events.send_modify(|seen| seen.is_connected = false);
        }
        Event::ServerError(ServerError::Other(text))
            if text.to_ascii_lowercase().contains("permissions violation") =>
        {
            tracing::warn!(%text, "the server of the store does not permit this");
            events.send_modify(|seen| seen.refused = Some(text.as_str().into()));
        }
        Event::ClientError(ClientError::Other(text)) => {
            let is_new = events.borrow().fault.as_deref() != Some(text);
            if is_new {
                tracing::warn!(%text, "the servers of the store cannot be connected; it is tried again");
                events.send_modify(|seen| seen.fault = Some(text.as_str().into()));
            }
        }
        event => tracing::debug!(%event, "an event of the store's connection"),
    }
}

/// The pause before an attempt to connect, which grows and is not the same for all members.
fn pause(attempt: usize) -> Duration {
    if attempt <= 1 {
        return Duration::from_millis(fastrand::u64(..50));
    }
    let most = PAUSE.min(Duration::from_millis(50) * (1 << attempt.min(8)));
    most / 2 + most.mul_f64(fastrand::f64() / 2.0)
}

impl Failed {
    /// What it means for a read, or another operation that changes nothing.
    pub(super) fn of_read(self) -> Error {
        match self {
            Self::Unsent | Self::Lost | Self::NoResponders => Error::Unreachable,
            Self::Refused(text) => Error::fault(text.to_string()),
            Self::Api(error) => of_api(error),
            Self::Other(error) => Error::Fault(error),
        }
    }

    /// The error of the server that it is.
    pub(super) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Api(error) => Some(error.error_code()),
            _ => None,
        }
    }
}

/// The server has another newest message for the key than was expected.
pub(super) fn is_other_sequence(code: ErrorCode) -> bool {
    // The second since 2.12.
    code == ErrorCode::STREAM_WRONG_LAST_SEQUENCE || code.0 == 10_164
}

/// What a refusal by the server means.
pub(super) fn of_api(error: ApiError) -> Error {
    match error.error_code().0 {
        // No quorum, no leader, starting, shutting down.
        10_008 | 10_009 | 10_118 | 10_189 => Error::Unreachable,
        // The limits of stream, account and server.
        10_077 | 10_002 | 10_023 | 10_028 | 10_047 => Error::Full,
        // The stream is sealed.
        10_109 => Error::ReadOnly(error.to_string()),
        _ => Error::fault(error),
    }
}
