//! The requests of a connection's own, which find out what the server speaks and open its sessions.

use std::{sync::Arc, time::Duration};

use anyport_protocol::{
    Error, Method, Revision,
    failure::{CloseReason, Failure},
    jsonrpc::{Id, Message, Response as RpcResponse, RpcResult, code},
    session::client::{CallId, Channel, Input, Origin, Outgoing},
};
use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::body::Incoming as Body;
use tokio::{sync::oneshot, time::timeout};
use url::Url;

use super::{
    Endpoint, Fault,
    driver::{HttpConnection, HttpDriver, WeakConnection},
    fault::{SendError, shown},
    headers::{RequestHeaders, SESSION_ID},
    outbound::Outbound,
    received::{EventStream, Messages, Reading, Refusal, is_stream, result_of},
    shared::{Line, Shared, Undelivered},
    shared_stream,
};
use crate::client::{
    ConnectError, ConnectOptions, Connection,
    multiplexer::{Machine, Multiplexer},
};

/// Opens a connection to the server at `endpoint`.
///
/// # Errors
/// Why there is none.
pub(crate) async fn open(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Connection, ConnectError> {
    let reading = Reading::new(options, endpoint.answer_max, &endpoint.url);
    let outbound =
        Outbound::new(endpoint).observer(options.tap.clone()).pool(options.http_pool.as_ref(), &endpoint.url);
    let line = Line { outbound, url: endpoint.url.clone(), reading: Arc::new(reading) };
    let (opened, is_open) = oneshot::channel();
    let options = Arc::new(options.clone());
    let driver = HttpDriver::new(line, options.clone(), opened);
    let machine = Machine::new(&options, Channel::PerCall);
    let connection = Multiplexer::new(driver, options, machine);
    let guard = CloseOnDrop(Some(connection.clone()));
    connection.handle(Input::Opened);
    let session = is_open.await.unwrap_or(Err(ConnectError::Ended(CloseReason::Closed)))?;
    guard.keep();
    let peer = connection.peer();
    Ok(Connection::new(session, Box::new(connection), peer))
}

/// Closes a connection whose opening is given up.
struct CloseOnDrop(Option<Arc<HttpConnection>>);

/// Sends a request of the connection's own, and gives its response back to the connection.
pub(super) async fn request(connection: WeakConnection, shared: Arc<Shared>, request: Outgoing) {
    let message: Bytes = request.write().into();
    let Outgoing::Request { id, method, revision, .. } = request else { return };
    let request = OwnRequest { connection, shared, id, message };
    match (method, revision) {
        (Method::Initialize, _) => request.initialize().await,
        (method, Some(revision)) if revision.is_stateless() => request.probe(revision, method).await,
        _ => request.send().await,
    }
}

struct OwnRequest {
    connection: WeakConnection,
    shared: Arc<Shared>,
    id: CallId,
    message: Bytes,
}

impl OwnRequest {
    /// Gives the outcome of the request to the connection.
    fn ended(&self, outcome: Result<RpcResult, Failure>) {
        let Some(connection) = self.connection.upgrade() else { return };
        connection.handle(match outcome {
            Ok(outcome) => {
                let response = RpcResponse { id: Some(Id::from(self.id)), outcome };
                Input::received(Origin::Call(self.id), Message::Response(response))
            }
            Err(failure) => Input::CallFailed { call: self.id, failure },
        });
    }

    /// The request was refused, or failed without an answer.
    fn undelivered(&self, why: Undelivered) {
        self.ended(match why {
            Undelivered::Refused(refusal) => Ok(Err(refusal.into_error())),
            Undelivered::Unreachable(error) => Err(error.into_failure()),
        });
    }

    /// The server cannot be opened, whatever it speaks.
    fn give_up(&self, error: ConnectError) {
        let Some(connection) = self.connection.upgrade() else { return };
        connection.driver.give_up(&connection, error);
    }

    async fn post(&self, headers: RequestHeaders) -> Result<Response<Body>, Undelivered> {
        let line = &self.shared.line;
        line.post(&line.url, &headers, self.message.clone()).await
    }

    /// Sends `server/discover`.
    ///
    /// 2026-07-28, streamable-http §Backward Compatibility: a client "MAY detect which era the server implements by
    /// attempting a modern request first".
    async fn probe(&self, revision: Revision, method: Method) {
        let unknown = |why: String| Err(Error::new(code::METHOD_NOT_FOUND, why));
        let Some(options) = self.connection.upgrade().map(|connection| connection.options.clone()) else {
            return;
        };
        // The machine has given up a server that is silent for so long; what it has to say later is not waited for.
        let Ok(posted) =
            timeout(options.probe_timeout, self.post(RequestHeaders::post().of_method(revision, method)))
                .await
        else {
            return;
        };
        match posted {
            Ok(response) => self.ended(match result_of(response, &self.shared.line.reading).await {
                // A server that answers something else may still know `initialize`.
                Err(failure) if options.revision.is_none() => Ok(unknown(failure.to_string())),
                outcome => outcome,
            }),
            Err(Undelivered::Refused(refusal)) if refusal.says_nothing_of_the_era() => {
                self.give_up(self.refused(refusal));
            }
            Err(Undelivered::Refused(refusal)) => {
                let words = refusal.words();
                self.ended(Ok(refusal.error.map_or_else(|| unknown(words), Err)));
            }
            // The same of one that breaks off.
            Err(Undelivered::Unreachable(SendError { fault: Fault::Lost { why, .. }, .. })) => {
                self.ended(Ok(unknown(why)))
            }
            Err(Undelivered::Unreachable(error)) => self.give_up(error.fault.into()),
        }
    }

    /// Sends a request of the current session.
    async fn send(&self) {
        let (is_shared, headers) = {
            let route = self.shared.route.lock();
            (route.post_to.is_some(), route.in_session(RequestHeaders::post()))
        };
        if is_shared {
            return match self.shared.deliver(self.message.clone()).await {
                // The response comes on the stream that all requests share.
                Ok(()) => {}
                Err(why) => self.undelivered(why),
            };
        }
        match self.post(headers).await {
            Ok(response) => self.ended(result_of(response, &self.shared.line.reading).await),
            Err(why) => self.undelivered(why),
        }
    }

    /// Sends `initialize`, without the id of any session.
    async fn initialize(&self) {
        let is_renewal = self.shared.route.lock().revision.is_some();
        if self.shared.route.lock().post_to.is_some() {
            return self.initialize_shared().await;
        }
        let refusal = match self.post(RequestHeaders::post()).await {
            Ok(response) => {
                self.shared.route.lock().opened = response.headers().get(SESSION_ID).cloned();
                return self.ended(result_of(response, &self.shared.line.reading).await);
            }
            Err(why) if is_renewal => return self.undelivered(why),
            Err(Undelivered::Refused(refusal)) => refusal,
            Err(Undelivered::Unreachable(error)) => return self.give_up(error.fault.into()),
        };
        // A client that is not let in learns so, whatever else is in the response.
        if refusal.says_nothing_of_the_era() || refusal.status == StatusCode::FORBIDDEN {
            return self.give_up(self.refused(refusal));
        }
        // Only a modern server knows these, and it has no stream of HTTP+SSE.
        let modern = [code::UNSUPPORTED_PROTOCOL_VERSION, code::HEADER_MISMATCH];
        if let Some(error) = refusal.error.as_ref().filter(|error| modern.contains(&error.code)) {
            return self.ended(Ok(Err(error.clone())));
        }
        match self.open_shared_stream(&refusal).await {
            Ok(true) => return self.initialize_shared().await,
            Ok(false) => {}
            Err(error) => return self.give_up(error),
        }
        // 2026-07-28, streamable-http §Protocol Version Header: "If the server does not implement the requested RPC method,
        // it **MUST** respond with `404 Not Found` and a JSON-RPC error with code `-32601`". Else it is the path that is
        // not known, whatever is written beside it.
        let known = [code::METHOD_NOT_FOUND, code::UNSUPPORTED_PROTOCOL_VERSION];
        match &refusal.error {
            Some(error) if refusal.status != StatusCode::NOT_FOUND || known.contains(&error.code) => {
                self.ended(Ok(Err(error.clone())));
            }
            _ => self.give_up(self.refused(refusal)),
        }
    }

    /// Tries the stream of HTTP+SSE. Returns whether the server has it.
    ///
    /// 2025-11-25, transports §Backwards Compatibility: "If it fails with the following HTTP status codes "400 Bad
    /// Request", "404 Not Found" or "405 Method Not Allowed": Issue a GET request to the server URL, expecting that this
    /// will open an SSE stream and return an `endpoint` event as the first event."
    async fn open_shared_stream(&self, refusal: &Refusal) -> Result<bool, ConnectError> {
        let may_be_older = [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED]
            .contains(&refusal.status);
        let Some(connection) = self.connection.upgrade().filter(|_| may_be_older) else { return Ok(false) };
        let demanded = connection.options.revision;
        if demanded.is_some_and(|revision| !revision.has_sse_transport()) {
            return Ok(false);
        }
        drop(connection);
        let Some((messages, address)) = endpoint_of(&self.shared.line).await? else { return Ok(false) };
        let Some(connection) = self.connection.upgrade() else { return Ok(false) };
        self.shared.route.lock().post_to = Some(address);
        connection.handle(Input::SharesOneStream);
        connection.driver.spawn(shared_stream::read_only_stream(self.connection.clone(), messages));
        Ok(true)
    }

    /// Posts `initialize` to the address of HTTP+SSE; the answer comes on its stream.
    async fn initialize_shared(&self) {
        let address = self.shared.route.lock().post_to.clone();
        let at = address.as_ref().map(shown).unwrap_or_default();
        match self.shared.deliver(self.message.clone()).await {
            Ok(()) => {}
            Err(Undelivered::Refused(refusal)) => {
                let status = refusal.status.as_u16();
                self.give_up(ConnectError::Status { at, status, words: refusal.words() });
            }
            Err(Undelivered::Unreachable(error)) => self.give_up(error.fault.into()),
        }
    }

    fn refused(&self, refusal: Refusal) -> ConnectError {
        let at = shown(&self.shared.line.url);
        match refusal.status {
            StatusCode::UNAUTHORIZED => ConnectError::unauthorized(at, refusal.challenge),
            StatusCode::FORBIDDEN => {
                let words = refusal.words();
                ConnectError::Forbidden { at, words, challenge: refusal.challenge }
            }
            status => ConnectError::Status { at, status: status.as_u16(), words: refusal.words() },
        }
    }
}

/// The stream of HTTP+SSE, and the address to post to; `None` if the server does not have it.
///
/// 2024-11-05, transports §HTTP with SSE: "When a client connects, the server MUST send an `endpoint` event containing a URI
/// for the client to use for sending messages."
async fn endpoint_of(line: &Line) -> Result<Option<(Messages, Url)>, ConnectError> {
    let Ok(Ok(response)) = timeout(ENDPOINT_TIMEOUT, line.get(&RequestHeaders::events(None))).await else {
        return Ok(None);
    };
    if !is_stream(&response) {
        return Ok(None);
    }
    let mut stream = EventStream::new(response.into_body(), line.reading.answer_max).counted(line.stream());
    let Ok(Ok(first)) = timeout(ENDPOINT_TIMEOUT, stream.next()).await else { return Ok(None) };
    if first.kind != "endpoint" {
        return Ok(None);
    }
    let wrong = |why: &str| {
        let data: String = String::from_utf8_lossy(&first.data).chars().take(256).collect();
        ConnectError::Transport(format!(
            "{} names {data:?} as the address to post to: {why}",
            shown(&line.url)
        ))
    };
    let address = std::str::from_utf8(&first.data).map_err(|_| wrong("this is no text"))?;
    let address = line.url.join(address.trim()).map_err(|_| wrong("this is no URL"))?;
    // Else a server could have us post what is meant for it, and our credentials, anywhere.
    if address.origin() != line.url.origin() {
        return Err(wrong("it is of another origin, where nothing of this connection is sent"));
    }
    Ok(Some((Messages::of_stream(stream, &line.reading), address)))
}

impl CloseOnDrop {
    /// The connection is open, and is no longer closed with this.
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.close();
        }
    }
}

/// How long a server of HTTP+SSE may take to name its address.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(10);
