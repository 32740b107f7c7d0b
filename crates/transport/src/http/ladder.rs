//! One ladder of checks for every request; the first that fails is the answer.
//!
//! Host and Origin (421, 403) → token (401) → method and content type (405, 415) → size (413) → scan (400) →
//! envelope (400) → era; what follows is the era's own.

use std::sync::{Arc, atomic::AtomicUsize};

use anyport_protocol::{
    Error, Method as McpMethod, Revision,
    jsonrpc::{Incoming, Malformed, Message, read},
    meta::Meta,
};
use anyport_service::{Principal, Service};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming as Received;
use tokio::time::timeout;

use super::{
    body::Response,
    config::{Config, Route},
    gate, legacy, modern, response,
    sessions::Sessions,
};
use crate::dialogue::refusal;

/// The header that names the revision, as `http` spells it.
pub(super) const VERSION: &str = "mcp-protocol-version";

/// What every connection of a listener shares.
pub(super) struct State {
    pub(super) service: Arc<dyn Service>,
    pub(super) config: Config,
    pub(super) port: u16,
    pub(super) sessions: Sessions,
    /// Streams that are open now.
    pub(super) streams: Arc<AtomicUsize>,
}

/// What a client takes as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accept {
    /// `text/event-stream`.
    pub(super) events: bool,
}

impl Accept {
    /// No `Accept` header accepts anything (RFC 9110 §12.5.1).
    fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::ACCEPT).iter().peekable();
        let none = values.peek().is_none();
        let takes = |value: &HeaderValue| {
            let ranges = value.to_str().unwrap_or_default().split(',');
            ranges.map(|range| range.split(';').next().unwrap_or_default().trim()).any(|range| {
                ["text/event-stream", "text/*", "*/*"].iter().any(|taken| range.eq_ignore_ascii_case(taken))
            })
        };
        Self { events: none || values.any(takes) }
    }
}

/// Answers one HTTP request.
pub(super) async fn answer(state: Arc<State>, request: Request<Received>) -> Response {
    let (parts, body) = request.into_parts();
    let passed = match gate::pass(&parts, &state.config, state.port) {
        Ok(passed) => passed,
        Err(refused) => return refused,
    };
    let mut response = match gate::preflight(&parts, &passed) {
        Some(response) => response,
        None => dispatch(&state, parts, body).await,
    };
    gate::share(&mut response, &passed);
    response
}

async fn dispatch(state: &Arc<State>, parts: http::request::Parts, body: Received) -> Response {
    let path = parts.uri.path();
    if path != state.config.path {
        return beside(state, parts, body).await;
    }
    let principal = match gate::authenticate(&parts.headers, &state.config) {
        Ok(principal) => principal,
        Err(refused) => return refused,
    };
    let legacy = state.config.supported.iter().any(|revision| !revision.is_modern());
    match parts.method {
        Method::POST => post(state, &parts.headers, body, principal).await,
        Method::GET if legacy => {
            legacy::get(state, &parts.headers, Accept::of(&parts.headers), &principal).await
        }
        Method::DELETE if legacy => legacy::delete(state, &parts.headers, &principal),
        // 2026-07-28, streamable-http §Earlier Streamable HTTP Revisions: "HTTP GET or DELETE to the MCP endpoint:
        // respond with `405 Method Not Allowed`."
        _ => method_not_allowed(if legacy { "GET, POST, DELETE" } else { "POST" }),
    }
}

fn method_not_allowed(allow: &'static str) -> Response {
    let error = Error::invalid_request(format!("method not allowed; use {allow}"));
    let mut response = response::error(StatusCode::METHOD_NOT_ALLOWED, &error);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// A path beside the MCP endpoint.
async fn beside(state: &Arc<State>, parts: http::request::Parts, body: Received) -> Response {
    let routes = &state.config.routes;
    let Some(route) =
        routes.iter().find(|route| route.path == parts.uri.path() && route.method == parts.method)
    else {
        let known = routes.iter().any(|route| route.path == parts.uri.path());
        return if known {
            response::empty(StatusCode::METHOD_NOT_ALLOWED)
        } else {
            let message = format!("nothing is served here; the MCP endpoint is {}", state.config.path);
            response::error(StatusCode::NOT_FOUND, &Error::invalid_request(message))
        };
    };
    if !route.open
        && let Err(refused) = gate::authenticate(&parts.headers, &state.config)
    {
        return refused;
    }
    routed(state, route, parts, body).await
}

async fn routed(state: &State, route: &Route, parts: http::request::Parts, body: Received) -> Response {
    match collect(state, &parts.headers, body).await {
        Ok(bytes) => (route.answer)(Request::from_parts(parts, bytes)).await.map(super::Body::full),
        Err(refused) => refused,
    }
}

async fn post(state: &Arc<State>, headers: &HeaderMap, body: Received, principal: Principal) -> Response {
    // A page may send `text/plain` across origins without asking first; JSON it may not.
    if !is_json(headers) {
        let error = Error::invalid_request("the body must be application/json; set Content-Type");
        return response::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error);
    }
    let text = match collect(state, headers, body).await {
        Ok(text) => text,
        Err(refused) => return refused,
    };
    let accept = Accept::of(headers);
    match read(text, &state.config.limits.message) {
        Ok(Incoming::One(message)) => one(state, headers, accept, principal, message).await,
        Ok(Incoming::Batch(batch)) => legacy::batch(state, headers, accept, &principal, batch).await,
        Err(Malformed { error, id }) => {
            let null_id = legacy::null_id(state, headers, &principal);
            response::json(StatusCode::BAD_REQUEST, refusal(id.as_ref(), &error, null_id).text)
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Chooses the era.
async fn one(
    state: &Arc<State>,
    headers: &HeaderMap,
    accept: Accept,
    principal: Principal,
    message: Message,
) -> Response {
    let params = match &message {
        Message::Request(request) => request.params.as_ref(),
        Message::Notification(notification) => notification.params.as_ref(),
        Message::Response(_) => None,
    };
    let meta = Meta::of(params);
    let version = headers.get(VERSION).map(|value| value.to_str().unwrap_or_default().trim());
    let named: Option<Revision> = version.and_then(|version| version.parse().ok());
    let legacy = state.config.supported.iter().any(|revision| !revision.is_modern());
    if !legacy || meta.is_modern() || named.is_some_and(Revision::is_modern) {
        return match message {
            Message::Request(request) if !legacy && !meta.is_modern() && is_initialize(&request) => {
                modern_only(state, &request)
            }
            Message::Request(request) => {
                modern::answer(state, headers, accept, principal, request, meta).await
            }
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
    // 2025-11-25, transports §Protocol Version Header: "If the server receives a request with an invalid or
    // unsupported `MCP-Protocol-Version`, it MUST respond with `400 Bad Request`."
    if let (Some(version), None) = (version, named) {
        let error = Error::unsupported_version(version, &state.config.supported);
        return response::error(StatusCode::BAD_REQUEST, &error);
    }
    legacy::answer(state, headers, accept, principal, message).await
}

fn is_initialize(request: &anyport_protocol::jsonrpc::Request) -> bool {
    McpMethod::named(&request.method) == Some(McpMethod::Initialize)
}

/// 2026-07-28, versioning: a server that supports only modern versions "SHOULD name the protocol versions it
/// supports in any error it returns to an `initialize` request".
fn modern_only(state: &State, request: &anyport_protocol::jsonrpc::Request) -> Response {
    let asked = request.params.as_ref().and_then(|params| params.member("protocolVersion"));
    let asked = asked.and_then(|version| version.as_string()).unwrap_or_default();
    let error = Error::unsupported_version(&asked, &state.config.supported);
    response::modern(refusal(Some(&request.id), &error, false))
}

/// Reads a body within the limits of size and time.
async fn collect(state: &State, headers: &HeaderMap, body: Received) -> Result<Bytes, Response> {
    let limits = &state.config.limits;
    let limit = limits.message.bytes;
    let too_large = || {
        let error = Error::invalid_request(format!("larger than {limit} bytes (max_message_bytes)"));
        let mut response = response::error(StatusCode::PAYLOAD_TOO_LARGE, &error);
        // The rest of the body is still on its way.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    };
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    match timeout(limits.body_timeout, frames(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Unread::TooLarge)) => Err(too_large()),
        Ok(Err(Unread::Broken)) => {
            Err(response::error(StatusCode::BAD_REQUEST, &Error::invalid_request("the body broke off")))
        }
        Err(_) => {
            let seconds = limits.body_timeout.as_secs();
            let error =
                Error::invalid_request(format!("the body took longer than {seconds} s (body_timeout)"));
            Err(response::error(StatusCode::REQUEST_TIMEOUT, &error))
        }
    }
}

enum Unread {
    TooLarge,
    Broken,
}

/// A body of one frame, as almost all are, is taken as it is.
async fn frames(mut body: Received, limit: usize) -> Result<Bytes, Unread> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|task| std::pin::Pin::new(&mut body).poll_frame(task)).await
    {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        if first.len() + whole.len() + data.len() > limit {
            return Err(Unread::TooLarge);
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
