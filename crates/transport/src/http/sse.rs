//! HTTP+SSE, the transport of 2024-11-05: what the server says comes on a stream that the client opens with GET, and
//! what the client says is posted to the address that the stream names first.
//!
//! The stream is the session: when it ends, so do the calls that run in it. There is nothing to come back to. Any
//! revision before 2026-07-28 can be agreed on in `initialize`, as many clients do.

use std::{
    sync::Arc,
    task::{Context as Task, Poll, ready},
    time::Duration,
};

use anyport_protocol::{
    Error, Revision,
    jsonrpc::{Incoming, Malformed, Message, Reason, read},
};
use anyport_service::{Authorization, Network, Principal};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body::Body as Received;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep_until, timeout},
};

use super::{
    accept::Accept,
    body::{Body, Response, Source, SseEvent},
    caller_key::CallerKey,
    config::Limits,
    request_body::json_body,
    response,
    sessions::Registered,
    sse_channel::Channel,
    state::State,
    stream_permit::StreamPermit,
    trace_headers::trace_headers,
    version,
};
use crate::dialogue::{ConnectionConfig, Frame, Posted, ServerConnection, refusal};

/// Whether a GET of the MCP endpoint comes from a client of this transport, which has neither sessions nor versions.
///
/// 2025-11-25, transports §Backwards Compatibility: such a client will "Issue a GET request to the server URL, expecting
/// that this will open an SSE stream and return an `endpoint` event as the first event."
pub(super) fn is_legacy_sse(headers: &HeaderMap) -> bool {
    let names_events = |value: &HeaderValue| {
        value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains("text/event-stream"))
    };
    !["mcp-session-id", "mcp-protocol-version", "last-event-id"]
        .iter()
        .any(|name| headers.contains_key(*name))
        && headers.get_all(header::ACCEPT).iter().any(names_events)
}

/// Messages that were posted and wait to be read.
const QUEUE: usize = 16;

/// Answers what comes to the stream's path.
pub(super) fn stream(
    state: &Arc<State>,
    parts: &Parts,
    messages: &str,
    authorization: Authorization,
) -> Response {
    if parts.method != Method::GET {
        // 2025-11-25, transports §Backwards Compatibility: a client that posts `initialize` here learns from "405 Method
        // Not Allowed" that this is the old transport.
        let message = format!(
            "this is HTTP+SSE of 2024-11-05: GET it, and POST to the address in its first event; Streamable HTTP is \
             at {}",
            state.config.path
        );
        return response::refuse_method("GET", message);
    }
    open(state, parts, messages, authorization)
}

/// Opens the stream of a new session.
pub(super) fn open(
    state: &Arc<State>,
    parts: &Parts,
    messages: &str,
    authorization: Authorization,
) -> Response {
    let headers = &parts.headers;
    if !Accept::of(headers).events {
        let error = Error::invalid_request("a GET opens an event stream; send Accept: text/event-stream");
        return response::error(StatusCode::NOT_ACCEPTABLE, &error);
    }
    if let Err(error) = check_version(state, headers) {
        return response::error(StatusCode::BAD_REQUEST, &error);
    }
    let limits = &state.config.limits;
    let permit = match StreamPermit::take(state, &authorization) {
        Ok(permit) => permit,
        Err(error) => return response::legacy(refusal(None, &error, true)),
    };
    let caller = CallerKey::of(&authorization);
    // 2026-07-28 does not exist here, so the peer is told of the others only.
    let legacy: Vec<Revision> =
        state.config.supported.iter().copied().filter(|revision| revision.has_sessions()).collect();
    let (out, said) = mpsc::channel(1);
    let connection = ConnectionConfig {
        authorization,
        network: Some(Network::HTTP),
        supported: legacy.into(),
        limits: limits.message,
        max_open_requests: limits.max_open_requests,
        drain: limits.drain,
        // A stream that is idle ends as every session does, see below.
        first_message: None,
        idle: None,
        buffers: state.config.buffers.clone(),
        // What a client posts is read before it comes here.
        observer: None,
    };
    let peer = ServerConnection::new(state.service.clone(), connection, out);
    let (input, posted) = mpsc::channel(QUEUE);
    let session = peer.session().clone();
    let channel = Arc::new(Channel::new(session, caller, input));
    let registered = match state.sessions.register(channel.clone()) {
        Ok(registered) => registered,
        Err(error) => return response::legacy(refusal(None, &error, true)),
    };
    let address = format!("{}{messages}?sessionId={}", prefix(state, parts), registered.id());
    let (outbox, queue) = Outbox::new(limits);
    tokio::spawn(run(peer, posted, said, outbox, registered, channel, limits.clone()));
    let source = Stream { address: Some(address.into()), queue, _permit: permit };
    response::events(Body::events(source, limits.keep_alive))
}

/// What stands before our paths where the client sees them.
fn prefix(state: &State, parts: &Parts) -> String {
    #[cfg(feature = "axum")]
    let mounted = super::mount::prefix(parts);
    #[cfg(not(feature = "axum"))]
    let mounted = {
        let _ = parts;
        ""
    };
    format!("{}{mounted}", state.config.public_prefix.trim_end_matches('/'))
}

/// Carries a session until one of its ends is reached.
async fn run(
    peer: ServerConnection,
    posted: mpsc::Receiver<Frame>,
    said: mpsc::Receiver<Bytes>,
    outbox: Outbox,
    registered: Registered,
    channel: Arc<Channel>,
    limits: Limits,
) {
    // On a stop, calls that run are still answered, and then the stream ends.
    let dialogue = peer.run(posted, registered.closing());
    // When the client is gone this ends, which the peer notices: its calls are cancelled with it.
    let writing = outbox.carry(said, &channel);
    tokio::select! {
        _ = async { tokio::join!(dialogue, writing) } => {}
        () = idle(&channel, limits.session_idle) => {
            tracing::debug!("a session of HTTP+SSE was idle (session_idle)");
        }
        () = channel.ended() => {}
    }
    channel.session.close();
}

/// Completes when nothing was said for so long, and no request is open.
async fn idle(channel: &Channel, limit: Duration) {
    loop {
        let last_activity = channel.last_activity();
        let Some(end) = last_activity.checked_add(limit) else { return std::future::pending().await };
        sleep_until(end).await;
        if channel.session.in_flight() > 0 {
            channel.touch();
        } else if channel.last_activity() == last_activity {
            return;
        }
    }
}

/// What waits for the reader of a stream: so many bytes, and at least one message.
struct Outbox {
    queue: mpsc::UnboundedSender<(Bytes, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    bytes: u32,
    /// How long the reader may take nothing.
    patience: Duration,
}

type Queue = mpsc::UnboundedReceiver<(Bytes, OwnedSemaphorePermit)>;

impl Outbox {
    fn new(limits: &Limits) -> (Self, Queue) {
        let (queue, reader) = mpsc::unbounded_channel();
        let bytes = u32::try_from(limits.sse_buffer).unwrap_or(u32::MAX).max(1);
        let room = Arc::new(Semaphore::new(usize::try_from(bytes).unwrap_or(Semaphore::MAX_PERMITS)));
        (Self { queue, room, bytes, patience: limits.write_timeout }, reader)
    }

    /// Passes on what is said. While there is no room, whoever has something to say waits. Ends when nobody says
    /// anything any more, when the client is gone, and when it does not read.
    async fn carry(self, mut said: mpsc::Receiver<Bytes>, channel: &Channel) {
        loop {
            let text = tokio::select! {
                () = self.queue.closed() => return,
                text = said.recv() => text,
            };
            let Some(text) = text else { return };
            let size = u32::try_from(text.len()).unwrap_or(u32::MAX).clamp(1, self.bytes);
            let room = tokio::select! {
                () = self.queue.closed() => return,
                room = timeout(self.patience, self.room.clone().acquire_many_owned(size)) => room,
            };
            let Ok(Ok(room)) = room else {
                tracing::warn!("a client of HTTP+SSE does not read (write_timeout), so its session ends");
                return;
            };
            channel.touch();
            // A client that has gone meanwhile is noticed above.
            let _ = self.queue.send((text, room));
        }
    }
}

/// The stream of a session.
struct Stream {
    address: Option<Bytes>,
    queue: Queue,
    _permit: StreamPermit,
}

impl Source for Stream {
    fn poll_event(&mut self, task: &mut Task<'_>) -> Poll<Option<SseEvent>> {
        // 2024-11-05, transports §HTTP with SSE: "When a client connects, the server MUST send an `endpoint` event
        // containing a URI for the client to use for sending messages."
        if let Some(address) = self.address.take() {
            return Poll::Ready(Some(SseEvent {
                event: Some("endpoint"),
                data: address.into(),
                ..SseEvent::default()
            }));
        }
        // "Server messages are sent as SSE `message` events, with the message content encoded as JSON".
        let next = ready!(self.queue.poll_recv(task));
        Poll::Ready(next.map(|(data, _)| SseEvent {
            event: Some("message"),
            data: data.into(),
            ..SseEvent::default()
        }))
    }
}

/// Takes a message that was posted. Its answer comes on the stream.
pub(super) async fn message<B: Received>(
    state: &Arc<State>,
    parts: &Parts,
    body: B,
    authorization: Authorization,
) -> Response {
    let headers = &parts.headers;
    if parts.method != Method::POST {
        let message = "messages of HTTP+SSE are posted here; their answers come on the stream";
        return response::refuse_method("POST", message.into());
    }
    let text = match json_body(state, headers, body).await {
        Ok(text) => text,
        Err(refused) => return refused,
    };
    if let Err(error) = check_version(state, headers) {
        return response::error(StatusCode::BAD_REQUEST, &error);
    }
    let channel = match find(state, parts, authorization.principal()) {
        Ok(channel) => channel,
        Err(refused) => return refused,
    };
    if state.sessions.is_closing() {
        let error = Error::internal("the server is being stopped; connect again later");
        return response::legacy(refusal(None, &error.with_reason(Reason::ShuttingDown), true));
    }
    let read = match read(text, &state.config.limits.message) {
        // Nobody could tell from the stream what is meant.
        Err(Malformed { error, id: None }) => {
            let null_id = channel.session.revision().has_null_ids();
            return response::json(StatusCode::BAD_REQUEST, refusal(None, &error, null_id).text);
        }
        Ok(Incoming::One(Message::Request(request))) if request.meta.is_stateless() => {
            // No error that only modern servers know: it would keep the client from falling back to `initialize`
            // (2026-07-28, versioning).
            let path = &state.config.path;
            let error = Error::invalid_request(format!(
                "this connection is HTTP+SSE, which 2026-07-28 does not have: POST to {path}, or send initialize"
            ));
            Err(Malformed { error, id: Some(request.id) })
        }
        incoming => incoming,
    };
    channel.touch();
    // Waits while the session reads nothing, since its client reads nothing; that ends with the write timeout.
    let posted = Posted { read, authorization, trace_headers: trace_headers(headers) };
    match channel.input.send(Frame::Read(Box::new(posted))).await {
        Ok(()) => response::empty(StatusCode::ACCEPTED),
        Err(_) => ended(),
    }
}

/// The session that a message is for, if `principal` opened it. To anyone else it does not exist.
fn find(state: &State, parts: &Parts, principal: &Principal) -> Result<Arc<Channel>, Response> {
    let query = parts.uri.query().unwrap_or_default();
    let Some(id) = query.split('&').find_map(|pair| pair.strip_prefix("sessionId=")) else {
        let error = Error::invalid_request(
            "sessionId is missing: open the stream with GET, and POST to the address in its first event",
        );
        return Err(response::error(StatusCode::BAD_REQUEST, &error));
    };
    state.sessions.channel(id, principal).ok_or_else(ended)
}

fn ended() -> Response {
    let error = Error::invalid_request("no such session: it ended with its stream; open a new one with GET");
    response::error(StatusCode::NOT_FOUND, &error)
}

/// Clients send the version that was agreed on here as well.
fn check_version(state: &State, headers: &HeaderMap) -> Result<(), Error> {
    if version::names_modern(headers) {
        let path = &state.config.path;
        return Err(Error::invalid_request(format!("2026-07-28 does not have HTTP+SSE: POST to {path}")));
    }
    version::check_version(state, headers)
}
