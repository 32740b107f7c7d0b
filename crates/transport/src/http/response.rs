//! Responses that stand by themselves.

use std::time::Duration;

use anyport_protocol::{
    Error,
    jsonrpc::{Reason, code},
};
use http::{HeaderValue, StatusCode, header};

use super::{
    body::{Body, Response},
    config::RefusalWriter,
};
use crate::dialogue::{EncodedResponse, ErrorFacts, MessageText, refusal};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// No body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// JSON.
pub(super) fn json(status: StatusCode, text: impl Into<MessageText>) -> Response {
    let mut response = http::Response::new(Body::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// A JSON-RPC error without an id: nothing that could be answered was read.
pub(super) fn error(status: StatusCode, error: &Error) -> Response {
    with_words(json(status, refusal(None, error, false).text), error)
}

/// A JSON-RPC error without an id for a request that there is no room for, with the reason in `why`.
pub(super) fn overloaded(why: String) -> Response {
    let refused = Error::internal(why).with_reason(Reason::Overloaded);
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, &refused);
    response.headers_mut().insert(header::RETRY_AFTER, seconds(None).into());
    response
}

/// What is wrong with a request that was refused, in the extensions of its response: a route may have a form of its own for it.
#[derive(Clone, Debug)]
struct Words(String);

/// `response` with what `error` says.
pub(super) fn with_words(mut response: Response, error: &Error) -> Response {
    response.extensions_mut().insert(Words(error.message.to_string()));
    response
}

/// `response` in the form of a route, if it is a refusal. Headers that are not about its body stay.
pub(super) fn written_by(write: RefusalWriter, mut response: Response) -> Response {
    let Some(Words(words)) = response.extensions_mut().remove() else { return response };
    let mut written = write(response.status(), &words).map(Body::full);
    for (name, value) in response.headers() {
        if !written.headers().contains_key(name) {
            written.headers_mut().append(name, value.clone());
        }
    }
    written
}

/// An answer to a modern request. Its status follows from what went wrong.
pub(super) fn modern(response: EncodedResponse) -> Response {
    answered(response, modern_status, false)
}

/// An answer to a request in a session: an error is an answer like any other.
pub(super) fn legacy(response: EncodedResponse) -> Response {
    answered(response, overload_status, true)
}

/// What an operation needs and its caller lacks, in the extensions of a response until it is challenged.
#[derive(Clone, Debug)]
pub(super) struct LacksScope {
    /// Every scope of the operation.
    pub(super) scopes: Vec<String>,
    /// Whether the challenge names the scopes of the caller as well.
    pub(super) with_granted: bool,
}

fn answered(
    response: EncodedResponse,
    status: fn(&ErrorFacts) -> StatusCode,
    with_granted: bool,
) -> Response {
    let EncodedResponse { text, error } = response;
    let status = error.as_ref().map_or(StatusCode::OK, status);
    let mut response = json(status, text);
    let retry_after = error.as_ref().and_then(|error| error.retry_after);
    if let Some(scopes) = error.and_then(|error| error.scopes) {
        response.extensions_mut().insert(LacksScope { scopes, with_granted });
    }
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds(retry_after).into());
    }
    response
}

/// The value of `Retry-After` for a time to wait, rounded up: trying too early only costs another refusal.
pub(super) fn seconds(wait: Option<Duration>) -> u64 {
    wait.map_or(1, |wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// 2026-07-28: streamable-http §Protocol Version Header ("`404 Not Found` and a JSON-RPC error with code
/// `-32601`"), §Server Validation (400), basic §_meta (400 for a missing capability).
fn modern_status(error: &ErrorFacts) -> StatusCode {
    match error.code {
        code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        code::PARSE_ERROR
        | code::INVALID_REQUEST
        | code::HEADER_MISMATCH
        | code::MISSING_CLIENT_CAPABILITY
        | code::UNSUPPORTED_PROTOCOL_VERSION => StatusCode::BAD_REQUEST,
        _ => overload_status(error),
    }
}

fn overload_status(error: &ErrorFacts) -> StatusCode {
    match error.reason {
        Some(Reason::Overloaded | Reason::ShuttingDown | Reason::AuditUnavailable) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Some(Reason::RateLimited) => StatusCode::TOO_MANY_REQUESTS,
        // 2026-07-28, authorization §Runtime Insufficient Scope Errors: "`HTTP 403 Forbidden` status code".
        Some(Reason::InsufficientScope) => StatusCode::FORBIDDEN,
        _ => StatusCode::OK,
    }
}

/// Adds the security headers that a response lacks. `hsts`: the time for which its browser is to come over TLS alone.
///
/// What a caller may see is for this caller alone, so that no cache keeps a response that does not say otherwise (RFC 9111 §5.2.2.5:
/// "`no-store`"), and a browser takes no response for a script or a page that it is not (Fetch standard, `X-Content-Type-Options`).
pub(super) fn protect(response: &mut Response, hsts: Option<Duration>) {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(NO_SNIFF);
    // RFC 6797 §7.2: "An HSTS Host MUST NOT include the STS header field in HTTP responses conveyed over non-secure transport."
    if let Some(value) =
        hsts.and_then(|time| HeaderValue::try_from(format!("max-age={}", time.as_secs())).ok())
    {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(value);
    }
}

/// An event stream.
///
/// 2026-07-28, streamable-http §Receiving Messages: "servers SHOULD include the `X-Accel-Buffering: no` header".
pub(super) fn events(body: Body) -> Response {
    let mut response = http::Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENTS);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The answer to a method that the path does not have; `allow` are those that it has.
pub(super) fn method_not_allowed(allow: &str) -> Response {
    refuse_method(allow, format!("method not allowed; use {allow}"))
}

/// The same in words of its own.
pub(super) fn refuse_method(allow: &str, message: String) -> Response {
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, &Error::invalid_request(message));
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}
