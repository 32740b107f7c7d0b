//! One pipeline of checks for every request; the first that fails is the answer.
//!
//! Host and Origin (421, 403) → token (401) → method and content type (405, 415) → size (413) → scan (400) →
//! envelope (400) → era; what follows is the era's own.

use std::{
    pin::pin,
    sync::{Arc, atomic::AtomicUsize},
};

use anyport_protocol::{
    Error, Method as McpMethod, Revision,
    jsonrpc::{Incoming, Malformed, Message, read},
    meta::Meta,
    session::modern::initialize_refused,
};
use anyport_service::{Principal, Service};
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body::Body as Received;
use tokio::time::timeout;

use super::{
    access,
    body::Response,
    config::{Config, Route},
    endpoint::ConnectInfo,
    legacy, modern, response, rest,
    sessions::Sessions,
    sse::{self, Part},
};
use crate::dialogue::refusal;

/// The header that names the revision.
pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// What all requests of an endpoint share.
pub(super) struct State {
    pub(super) service: Arc<dyn Service>,
    pub(super) config: Config,
    pub(super) sessions: Arc<Sessions>,
    /// Streams that are open now.
    pub(super) streams: Arc<AtomicUsize>,
    /// Connections that are WebSockets now.
    #[cfg(feature = "websocket")]
    pub(super) sockets: crate::websocket::Sockets,
}

/// What a client takes as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accept {
    /// `text/event-stream`.
    pub(super) events: bool,
}

impl Accept {
    /// No `Accept` header accepts anything (RFC 9110 §12.5.1).
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::ACCEPT).iter().peekable();
        let none = values.peek().is_none();
        let takes = |value: &HeaderValue| {
            value.to_str().unwrap_or_default().split(',').any(|range| {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next().unwrap_or_default();
                // A weight of nothing says "not acceptable" (RFC 9110 §12.4.2).
                let refused = |part: &str| {
                    let weight = part.strip_prefix("q=").or(part.strip_prefix("Q="));
                    weight.and_then(|weight| weight.parse::<f32>().ok()) == Some(0.0)
                };
                ["text/event-stream", "text/*", "*/*"].iter().any(|taken| kind.eq_ignore_ascii_case(taken))
                    && !parts.any(refused)
            })
        };
        Self { events: none || values.any(takes) }
    }
}

/// Answers one HTTP request.
pub(super) async fn answer<B: Received>(
    state: Arc<State>,
    request: Request<B>,
    info: ConnectInfo,
) -> Response {
    let (parts, body) = request.into_parts();
    let passed = match access::pass(&parts, &state.config, info) {
        Ok(passed) => passed,
        Err(refused) => return refused,
    };
    let mut response = match access::preflight(&parts, &passed) {
        Some(response) => response,
        None => dispatch(&state, parts, body).await,
    };
    access::share(&mut response, &passed);
    response
}

async fn dispatch<B: Received>(state: &Arc<State>, parts: http::request::Parts, body: B) -> Response {
    // Where a route is chosen. First the one that almost every request takes.
    let path = parts.uri.path();
    if path != state.config.path {
        return match Part::of(path, &state.config).filter(|_| sse::is_served(&state.config)) {
            Some(Part::Stream(messages)) => sse::stream(state, &parts, &messages),
            Some(Part::Messages) => Box::pin(async move { sse::message(state, &parts, body).await }).await,
            None => Box::pin(beside(state, parts, body)).await,
        };
    }
    let principal = match access::authenticate(&parts.headers, &state.config) {
        Ok(principal) => principal,
        Err(refused) => return refused,
    };
    let headers = &parts.headers;
    // 2026-07-28, streamable-http §Earlier Streamable HTTP Revisions: "HTTP GET or DELETE to the MCP endpoint:
    // respond with `405 Method Not Allowed`."
    let legacy = speaks_legacy(state) && (parts.method == Method::POST || !names_modern(headers));
    match parts.method {
        Method::POST => post(state, headers, body, principal).await,
        Method::GET | Method::DELETE if legacy => match check_version(state, headers) {
            Err(error) => response::error(StatusCode::BAD_REQUEST, &error),
            Ok(()) if parts.method == Method::GET && sse::is_legacy_sse(headers) => {
                open_legacy_sse(state, &parts, principal)
            }
            Ok(()) if parts.method == Method::GET => {
                Box::pin(legacy::get(state, headers, Accept::of(headers), &principal)).await
            }
            Ok(()) => legacy::delete(state, headers, &principal),
        },
        _ => method_not_allowed(if legacy { "GET, POST, DELETE" } else { "POST" }),
    }
}

/// A client of HTTP+SSE has come to the MCP endpoint.
fn open_legacy_sse(state: &Arc<State>, parts: &http::request::Parts, principal: Principal) -> Response {
    if sse::is_served(&state.config) {
        let messages = format!("{}/messages", state.config.path.trim_end_matches('/'));
        return sse::open(state, parts, &messages, principal);
    }
    let error = Error::invalid_request(
        "a GET opens the stream of a session: POST initialize first, and send its Mcp-Session-Id. HTTP+SSE of 2024-11-05 \
         is not served here",
    );
    response::error(StatusCode::BAD_REQUEST, &error)
}

pub(super) fn method_not_allowed(allow: &str) -> Response {
    refuse_method(allow, format!("method not allowed; use {allow}"))
}

pub(super) fn refuse_method(allow: &str, message: String) -> Response {
    let error = Error::invalid_request(message);
    let mut response = response::error(StatusCode::METHOD_NOT_ALLOWED, &error);
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn speaks_legacy(state: &State) -> bool {
    state.config.supported.iter().any(|revision| !revision.is_modern())
}

fn speaks_modern(state: &State) -> bool {
    state.config.supported.iter().any(|revision| revision.is_modern())
}

/// The revision that the header names, if it names one that exists.
fn named(headers: &HeaderMap) -> Option<Revision> {
    headers.get(VERSION)?.to_str().ok()?.trim().parse().ok()
}

pub(super) fn names_modern(headers: &HeaderMap) -> bool {
    named(headers).is_some_and(Revision::is_modern)
}

/// 2025-11-25, transports §Protocol Version Header: "If the server receives a request with an invalid or
/// unsupported `MCP-Protocol-Version`, it MUST respond with `400 Bad Request`." None is valid: it came with
/// 2025-06-18.
pub(super) fn check_version(state: &State, headers: &HeaderMap) -> Result<(), Error> {
    let mut values = headers.get_all(VERSION).iter();
    let Some(value) = values.next() else { return Ok(()) };
    if values.next().is_some() {
        return Err(Error::invalid_request("MCP-Protocol-Version is there more than once"));
    }
    match named(headers) {
        Some(revision) if state.config.supported.contains(&revision) => Ok(()),
        _ => {
            let requested = String::from_utf8_lossy(value.as_bytes());
            let error = Error::unsupported_version(&requested, &state.config.supported);
            // The code is one that only modern servers know.
            Err(if speaks_modern(state) { error } else { Error::invalid_request(error.message) })
        }
    }
}

/// Whether an error without a readable id says `null` to this client, as it does before 2025-11-25.
fn null_id(state: &State, headers: &HeaderMap, principal: &Principal) -> bool {
    let revision = legacy::revision(state, headers, principal).or_else(|| named(headers));
    revision.is_some_and(|revision| revision < Revision::V2025_11_25)
}

/// A path beside the MCP endpoint.
async fn beside<B: Received>(state: &Arc<State>, parts: http::request::Parts, body: B) -> Response {
    #[cfg(feature = "websocket")]
    if let Some(config) = super::socket::at(&state.config, parts.uri.path()) {
        return super::socket::open(state, config, parts);
    }
    if let Some(part) = rest::Part::of(parts.uri.path(), &state.config) {
        return rest::answer(state, part, &parts, body).await;
    }
    let routes = &state.config.routes;
    let Some(route) =
        routes.iter().find(|route| route.path == parts.uri.path() && route.method == parts.method)
    else {
        let here = routes.iter().filter(|route| route.path == parts.uri.path());
        let methods: Vec<&str> = here.map(|route| route.method.as_str()).collect();
        if !methods.is_empty() {
            return method_not_allowed(&methods.join(", "));
        }
        let message = format!("nothing is served here; the MCP endpoint is {}", state.config.path);
        return response::error(StatusCode::NOT_FOUND, &Error::invalid_request(message));
    };
    if !route.open
        && let Err(refused) = access::authenticate(&parts.headers, &state.config)
    {
        return refused;
    }
    routed(state, route, parts, body).await
}

async fn routed<B: Received>(state: &State, route: &Route, parts: http::request::Parts, body: B) -> Response {
    match collect(state, &parts.headers, body).await {
        Ok(bytes) => (route.answer)(Request::from_parts(parts, bytes)).await.map(super::Body::full),
        Err(unread) => unread.response(false),
    }
}

async fn post<B: Received>(
    state: &Arc<State>,
    headers: &HeaderMap,
    body: B,
    principal: Principal,
) -> Response {
    let text = match json_body(state, headers, body).await {
        Ok(text) => text,
        Err(refused) => return refused,
    };
    match read(text, &state.config.limits.message) {
        Ok(Incoming::One(message)) => one(state, headers, principal, message).await,
        Ok(Incoming::Batch(batch)) => {
            let error = if !speaks_legacy(state) || names_modern(headers) {
                Err(Error::invalid_request("batches exist in 2025-03-26 only; send one message at a time"))
            } else {
                check_version(state, headers)
            };
            match error {
                Ok(()) => {
                    Box::pin(legacy::batch(state, headers, Accept::of(headers), &principal, batch)).await
                }
                Err(error) => response::error(StatusCode::BAD_REQUEST, &error),
            }
        }
        Err(Malformed { error, id }) => {
            let null_id = null_id(state, headers, &principal);
            response::json(StatusCode::BAD_REQUEST, refusal(id.as_ref(), &error, null_id).text)
        }
    }
}

/// The body of a POST, checked in the order of the pipeline.
pub(super) async fn json_body<B: Received>(
    state: &State,
    headers: &HeaderMap,
    body: B,
) -> Result<Bytes, Response> {
    read_body(state, headers, body).await.map_err(|unread| unread.response(false))
}

/// The same, for whoever says in its own way why there is none.
pub(super) async fn read_body<B: Received>(
    state: &State,
    headers: &HeaderMap,
    body: B,
) -> Result<Bytes, Unread> {
    // A page may send `text/plain` across origins without asking first; JSON it may not.
    if !is_json(headers) {
        let error = Error::invalid_request("the body must be application/json; set Content-Type");
        return Err(Unread { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, error, close: false });
    }
    collect(state, headers, body).await
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    // What almost every client writes needs no taking apart.
    if value == "application/json" {
        return true;
    }
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Chooses the era.
async fn one(state: &Arc<State>, headers: &HeaderMap, principal: Principal, message: Message) -> Response {
    let modern = match &message {
        Message::Request(request) => request.meta.is_modern(),
        Message::Notification(notification) => Meta::of(notification.params.as_ref()).is_modern(),
        Message::Response(_) => false,
    };
    let legacy = speaks_legacy(state);
    // Where no modern revision is spoken, a modern request is a legacy one that makes little sense: an error that only
    // modern servers know would tell its client not to fall back to `initialize` (2026-07-28, versioning).
    if !legacy || (speaks_modern(state) && (modern || names_modern(headers))) {
        return match message {
            Message::Request(request) if !legacy && !modern && is_initialize(&request) => {
                modern_only(state, &request)
            }
            Message::Request(request) => modern::answer(state, headers, principal, request).await,
            // 2026-07-28, streamable-http §Sending Messages: "If the server accepts it, the server MUST return HTTP
            // status code `202 Accepted` with no body". The core protocol defines none here that says anything.
            Message::Notification(_) => response::empty(StatusCode::ACCEPTED),
            Message::Response(_) => response::error(
                StatusCode::BAD_REQUEST,
                &Error::invalid_request(
                    "a response: this revision asks by result, so there is nothing to respond to",
                ),
            ),
        };
    }
    if let Err(error) = check_version(state, headers) {
        let id = if let Message::Request(request) = &message { Some(&request.id) } else { None };
        return response::json(StatusCode::BAD_REQUEST, refusal(id, &error, false).text);
    }
    // Boxed, like all that is not on the way of a modern call: futures are moved, and theirs are large.
    Box::pin(legacy::answer(state, headers, Accept::of(headers), principal, message)).await
}

fn is_initialize(request: &anyport_protocol::jsonrpc::Request) -> bool {
    McpMethod::named(&request.method) == Some(McpMethod::Initialize)
}

/// Refuses `initialize` where only modern revisions are supported.
fn modern_only(state: &State, request: &anyport_protocol::jsonrpc::Request) -> Response {
    let error = initialize_refused(request.params.as_deref(), &state.config.supported);
    response::modern(refusal(Some(&request.id), &error, false))
}

/// A body that was not read.
pub(super) struct Unread {
    status: StatusCode,
    error: Error,
    /// Whether the rest of the body may still be on its way.
    close: bool,
}

impl Unread {
    /// What its sender is told; `null_id` where the answer must have an id.
    pub(super) fn response(&self, null_id: bool) -> Response {
        let mut response = response::json(self.status, refusal(None, &self.error, null_id).text);
        if self.close {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Reads a body within the limits of size and time.
async fn collect<B: Received>(state: &State, headers: &HeaderMap, body: B) -> Result<Bytes, Unread> {
    let limits = &state.config.limits;
    let limit = limits.message.bytes;
    let unread =
        |status, message: String| Unread { status, error: Error::invalid_request(message), close: true };
    let too_large =
        || unread(StatusCode::PAYLOAD_TOO_LARGE, format!("larger than {limit} bytes (max_message_bytes)"));
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    match timeout(limits.body_timeout, frames(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Broken::TooLarge)) => Err(too_large()),
        Ok(Err(Broken::Off)) => Err(unread(StatusCode::BAD_REQUEST, "the body broke off".into())),
        Err(_) => {
            let limit = limits.body_timeout;
            Err(unread(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body took longer than {limit:?} (body_timeout)"),
            ))
        }
    }
}

enum Broken {
    TooLarge,
    Off,
}

/// A body of one frame, as almost all are, is taken as it is.
async fn frames<B: Received>(body: B, limit: usize) -> Result<Bytes, Broken> {
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|task| body.as_mut().poll_frame(task)).await {
        let Ok(mut data) = frame.map_err(|_| Broken::Off)?.into_data() else { continue };
        let length = data.remaining();
        if first.len() + whole.len() + length > limit {
            return Err(Broken::TooLarge);
        }
        // What is `Bytes` already is not copied.
        let data = data.copy_to_bytes(length);
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
