//! The REST interface: tools for programs that speak no MCP, in one POST.
//!
//! ```text
//! POST /mcp/call   {"method": "add", "params": {"a": 1, "b": 2}, "id": 1}
//!                  {"jsonrpc":"2.0","id":1,"result":{"sum":3}}
//! GET  /mcp/tools  {"tools":[{"name":"add","description":"Adds.","parameters":{"type":"object"}}]}
//! GET  /health     {"status":"healthy","interface":"http","protocol":"mcp"}
//! GET  /metrics    OpenMetrics 1.0, with Config::operations
//! ```
//!
//! It is off unless [`Config::rest`](crate::http::Config::rest) says otherwise, and no part of MCP: what is at [`Config::path`](crate::http::Config::path) stays as the
//! specification wants it. It is another door to the same service: the same hosts, origins, tokens, limits and layers stand
//! before it. A call is one of the newest revision, by a client that declared nothing and wants neither progress nor logs.
//!
//! # Calls
//! JSON-RPC 2.0 with the name of a tool as `method` and its arguments, by name, as `params`. What is absent is meant kindly:
//! no `jsonrpc` is `"2.0"`, no `params` are `{}`, no `id` is `null`. There are no notifications: every call is answered.
//! Members of the envelope that JSON-RPC does not know are passed over, as on the MCP endpoint. The calls of an array run
//! at the same time, [`Limits::batch_concurrency`](super::Limits::batch_concurrency) of them, and are answered in their
//! order, each as soon as those before it are.
//!
//! # Results
//! `result` is the structured content of a tool that has any, so for every tool with an output schema what that schema says;
//! of a tool whose content is text alone, the text as a string, blocks joined by line ends; else the list of content
//! blocks. Metadata and the text beside structured content are told on the MCP endpoint only.
//!
//! # Errors
//! | code | when | `data` |
//! |---|---|---|
//! | -32700, -32600 | the body, or the envelope of a call, cannot be read | |
//! | -32601 | there is no such tool, or none for this caller | `reason` |
//! | -32602 | arguments do not fit the tool's schema | `field`, `expected`, `got` of the first fault; `faults` |
//! | -32001 | the tool found them wrong by itself | the same |
//! | -32401, -32403 | there is no valid credential, or it lacks a scope: 401 and 403 | `reason`; `scopes` |
//! | -32002, -32003, -32004 | there is no such thing; not allowed; too often | `reason`; `retryAfterMs`, if the tool said when |
//! | -32000 | the tool failed otherwise, took too long, or asks its client | `reason` |
//! | -32603 | the server failed, is overloaded or stops | `reason` |
//!
//! Codes of a tool's own stay as they are. See [`ErrorKind::rest_code`](anyport_protocol::jsonrpc::ErrorKind::rest_code).
//!
//! The HTTP status is 200 for everything that was answered by a tool or about one. A body, or a single call, that cannot be
//! read is 400; a single call that came too often 429 and one that the server has no room for 503, both with `Retry-After`;
//! an array of calls is always 200. What never becomes a call has the status that it has on the MCP endpoint.

mod accept;
mod call;
mod envelope;
mod health;
mod outcome;
mod responses;
mod service_call;
mod tools;

use std::sync::Arc;

use anyport_protocol::Error;
use anyport_service::Authorization;
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use http_body::Body as Received;

pub(super) use self::outcome::code_of;
use self::responses::refused;
use super::{
    body::{Body, Response},
    response,
    routes::RestPath,
    state::State,
};

/// Answers a request to `path`. Host, Origin and credential have been checked by now.
pub(super) async fn answer<B: Received>(
    state: &Arc<State>,
    path: RestPath,
    parts: &Parts,
    body: B,
    authorization: Authorization,
) -> Response {
    let allow = methods(path);
    if !allow.split(", ").any(|method| method == parts.method.as_str()) {
        let error = Error::invalid_request(format!("method not allowed; use {allow}"));
        let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, &error);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        return response;
    }
    // A health check that is particular about its answer is better off with one that it does not like.
    if !matches!(path, RestPath::Health(_) | RestPath::Metrics)
        && !accept::takes(&parts.headers, "application/json")
    {
        let error = Error::invalid_request("the answer is application/json; send Accept: application/json");
        return refused(StatusCode::NOT_ACCEPTABLE, &error);
    }
    match path {
        RestPath::Call => call::answer(state, &parts.headers, body, authorization).await,
        RestPath::Tools => for_method(tools::answer(state, parts, authorization).await, &parts.method),
        RestPath::Health(probe) => {
            for_method(health::answer(state, probe, &parts.headers, &authorization).await, &parts.method)
        }
        RestPath::Metrics => match &state.config.operations {
            Some(operations) => {
                for_method(health::metrics(&**operations, &parts.headers, &authorization), &parts.method)
            }
            None => response::empty(StatusCode::NOT_FOUND),
        },
    }
}

/// `response` without its body where only its head was asked for (RFC 9110 §9.3.2).
fn for_method(mut response: Response, method: &Method) -> Response {
    if *method == Method::HEAD {
        let length = http_body::Body::size_hint(response.body()).exact().unwrap_or_default();
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        *response.body_mut() = Body::empty();
    }
    response
}

/// The methods that a path has.
fn methods(path: RestPath) -> &'static str {
    match path {
        RestPath::Call => "POST",
        RestPath::Tools | RestPath::Health(_) | RestPath::Metrics => "GET, HEAD",
    }
}
