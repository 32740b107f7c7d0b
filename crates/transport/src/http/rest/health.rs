//! Whether the server runs, for load balancers and people.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{accept, responses::unkept};
use crate::http::{
    body::{Body, Response},
    response,
    state::State,
};

/// Tells that it does, or that it takes no new sessions since it stops; nothing else.
pub(super) fn answer(state: &State, headers: &HeaderMap) -> Response {
    let draining = state.sessions.is_closing();
    let status = if draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let words = accept::prefers(headers, "text/plain", "application/json");
    let text = match (words, draining) {
        (true, false) => "OK",
        (true, true) => "draining",
        (false, false) => r#"{"status":"healthy","interface":"http","protocol":"mcp"}"#,
        (false, true) => r#"{"status":"draining","interface":"http","protocol":"mcp"}"#,
    };
    let mut response = response::json(status, Bytes::from_static(text.as_bytes()));
    if words {
        *response.body_mut() = Body::full(Bytes::from_static(text.as_bytes()));
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    unkept(response)
}
