//! Whether the server runs, for load balancers and people; its numbers, for collectors.

use anyport_protocol::{Error, Raw, jsonrpc::Reason};
use anyport_service::Authorization;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{
    accept,
    responses::{refused, unkept},
};
use crate::http::{
    body::{Body, Response},
    operations::{HealthStatus, Operations},
    response,
    routes::Probe,
    state::State,
};

/// The type of OpenMetrics 1.0.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// How the program is. Only operators see more than a word.
pub(super) async fn answer(
    state: &State,
    probe: Probe,
    headers: &HeaderMap,
    caller: &Authorization,
) -> Response {
    let is_draining = state.sessions.is_closing();
    let operations = state.config.operations.as_deref();
    let health = match operations.filter(|_| probe != Probe::Live) {
        Some(operations) => Some(operations.health().await),
        // That it answers is all that there is to know.
        None => None,
    };
    let status = health.as_ref().map_or(HealthStatus::Healthy, |health| health.status);
    // A process that stops is still alive: whoever ended it for that would cut its calls.
    let is_draining = is_draining && probe != Probe::Live;
    let word = if is_draining { "draining" } else { status.as_str() };
    // A program that is degraded does better with requests than without.
    let is_ready = !is_draining && status != HealthStatus::Unhealthy;
    let code = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let wants_words = accept::prefers(headers, "text/plain", "application/json");
    let mut response = match wants_words {
        true => text(code, if is_ready { "OK" } else { word }),
        false => {
            let is_operator = operations.is_some_and(|operations| is_operator(operations, headers, caller));
            let details = health.filter(|_| is_operator).map(|health| health.details);
            response::json(code, Bytes::from(written(word, details.as_ref())))
        }
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    unkept(response)
}

fn written(word: &str, details: Option<&Raw>) -> String {
    let plain = format!(r#"{{"status":"{word}","interface":"http","protocol":"mcp""#);
    match details.and_then(|details| details.as_str().trim_start().strip_prefix('{')) {
        Some(members) if !members.trim_start().starts_with('}') => format!("{plain},{members}"),
        _ => plain + "}",
    }
}

fn text(code: StatusCode, words: &'static str) -> Response {
    let mut response = response::empty(code);
    *response.body_mut() = Body::full(Bytes::from_static(words.as_bytes()));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// Whether a caller may see more than a word. Where nobody is authenticated, one whom a proxy has passed on is nobody in particular,
/// whatever address the proxy has.
fn is_operator(operations: &dyn Operations, headers: &HeaderMap, caller: &Authorization) -> bool {
    let is_passed_on = headers.contains_key("x-forwarded-for") || headers.contains_key(header::FORWARDED);
    (caller.principal().is_authenticated() || !is_passed_on) && operations.is_operator(caller)
}

/// The numbers of the program.
pub(super) fn metrics(operations: &dyn Operations, headers: &HeaderMap, caller: &Authorization) -> Response {
    if !is_operator(operations, headers, caller) {
        let error = Error::internal("the numbers of this server are for its operators")
            .with_reason(Reason::Forbidden);
        return refused(StatusCode::FORBIDDEN, &error);
    }
    let mut response = response::empty(StatusCode::OK);
    *response.body_mut() = Body::full(Bytes::from(operations.metrics()));
    response.headers_mut().insert(header::CONTENT_TYPE, OPEN_METRICS);
    unkept(response)
}
