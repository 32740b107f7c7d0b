//! The plain interface: tools for programs that speak no MCP, in one POST.
//!
//! ```text
//! POST /mcp/call   {"method": "add", "params": {"a": 1, "b": 2}, "id": 1}
//!                  {"jsonrpc":"2.0","id":1,"result":{"sum":3}}
//! GET  /mcp/tools  {"tools":[{"name":"add","description":"Adds.","parameters":{"type":"object"}}]}
//! GET  /health     {"status":"healthy","interface":"http","protocol":"mcp"}
//! ```
//!
//! It is off unless [`Config::plain`] says otherwise, and no part of MCP: what is at [`Config::path`] stays as the
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
//! | -32002, -32003, -32004 | there is no such thing; not allowed; too often | `reason`; `retryAfterMs`, if the tool said when |
//! | -32000 | the tool failed otherwise, took too long, or asks its client | `reason` |
//! | -32603 | the server failed, is overloaded or stops | `reason` |
//!
//! Codes of a tool's own stay as they are. See [`ErrorKind::plain_code`](anyport_protocol::jsonrpc::ErrorKind::plain_code).
//!
//! The HTTP status is 200 for everything that was answered by a tool or about one. A body, or a single call, that cannot be
//! read is 400; a single call that came too often 429 and one that the server has no room for 503, both with `Retry-After`;
//! an array of calls is always 200. What never becomes a call has the status that it has on the MCP endpoint.

mod accept;
mod call;
mod envelope;
mod health;
mod outcome;
mod tools;

use std::sync::Arc;

use anyport_protocol::{Error, Raw, Revision, meta::Meta};
use anyport_service::{Context, Event, Outcome, Principal, Reply};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body::Body as Received;
use tokio::task::coop::consume_budget;

use super::{
    access,
    body::{Body, Response},
    config::Config,
    pipeline::State,
    response,
};
use crate::dialogue::refusal;

/// What a path names in this interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Where tools are called.
    Call,
    /// Where they are listed.
    Tools,
    /// Whether the server runs.
    Health,
}

impl Part {
    const ALL: [Self; 3] = [Self::Call, Self::Tools, Self::Health];

    /// What `path` names. A route of the program's own stands before ours.
    pub(super) fn of(path: &str, config: &Config) -> Option<Self> {
        if !config.plain || config.routes.iter().any(|route| route.path == path) {
            return None;
        }
        Self::ALL.into_iter().find(|part| part.is_at(path, config))
    }

    /// Every path that names something.
    #[cfg(feature = "axum")]
    pub(super) fn paths(config: &Config) -> impl Iterator<Item = String> {
        let path = |part: Self| {
            let (base, name) = part.place(config);
            format!("{base}{name}")
        };
        Self::ALL.into_iter().filter(|_| config.plain).map(path)
    }

    fn is_at(self, path: &str, config: &Config) -> bool {
        let (base, name) = self.place(config);
        path.strip_prefix(base) == Some(name)
    }

    /// What the path is below, and its own name.
    fn place(self, config: &Config) -> (&str, &'static str) {
        let endpoint = config.path.trim_end_matches('/');
        match self {
            Self::Call => (endpoint, "/call"),
            Self::Tools => (endpoint, "/tools"),
            Self::Health => ("", "/health"),
        }
    }

    /// Which methods it takes.
    fn methods(self) -> &'static str {
        match self {
            Self::Call => "POST",
            Self::Tools | Self::Health => "GET, HEAD",
        }
    }
}

/// Answers a request to `part`. Host and Origin have been checked by now.
pub(super) async fn answer<B: Received>(state: &Arc<State>, part: Part, parts: &Parts, body: B) -> Response {
    // Load balancers have no token, and learn nothing here.
    let principal = match part {
        Part::Health => Principal::anonymous(),
        Part::Call | Part::Tools => match access::authenticate(&parts.headers, &state.config) {
            Ok(principal) => principal,
            Err(refused) => return refused,
        },
    };
    let allow = part.methods();
    if !allow.split(", ").any(|method| method == parts.method.as_str()) {
        let error = Error::invalid_request(format!("method not allowed; use {allow}"));
        let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, &error);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        return response;
    }
    // A health check that is particular about its answer is better off with one that it does not like.
    if part != Part::Health && !accept::takes(&parts.headers, "application/json") {
        let error = Error::invalid_request("the answer is application/json; send Accept: application/json");
        return refused(StatusCode::NOT_ACCEPTABLE, &error);
    }
    match part {
        Part::Call => call::answer(state, &parts.headers, body, principal).await,
        Part::Tools => for_method(tools::answer(state, parts, principal).await, &parts.method),
        Part::Health => for_method(health::answer(state, &parts.headers), &parts.method),
    }
}

/// What never became a call. JSON-RPC 2.0 §5: without an id that could be read, the answer's "MUST be Null".
fn refused(status: StatusCode, error: &Error) -> Response {
    response::json(status, refusal(None, error, true).text)
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

/// A text that depends on who asks, and when.
fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What is known about a call: it is one of the newest revision, and its client can be told and asked nothing.
fn context(headers: &HeaderMap, principal: Principal) -> Context {
    let context = Context::new(principal, Revision::NEWEST);
    // MCP carries this in `_meta`, which a plain call does not have (W3C Trace Context).
    let trace = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let Some(trace) = trace else { return context };
    let meta = Meta { traceparent: Some(Raw::string(trace)), ..Meta::default() };
    context.clone().with_meta(meta).unwrap_or(context)
}

/// How a call ends. What it says before that is heard by nobody.
async fn outcome(reply: Reply) -> Outcome {
    let mut reply = match reply.into_ready() {
        Ok(outcome) => return outcome,
        Err(reply) => Box::new(reply),
    };
    loop {
        // A call that always has something to say gives others their turn, and whoever cancels it.
        consume_budget().await;
        if let Event::Outcome(outcome) = reply.next().await {
            return outcome;
        }
    }
}

/// JSON that is answered with 200.
fn json(text: impl Into<Bytes>) -> Response {
    response::json(StatusCode::OK, text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_below_the_endpoint_and_behind_routes_of_ones_own() {
        let of = |path: &str, config: &Config| Part::of(path, config);
        let config = Config { plain: true, ..Config::default() };
        assert_eq!(of("/mcp/call", &config), Some(Part::Call));
        assert_eq!(of("/mcp/tools", &config), Some(Part::Tools));
        assert_eq!(of("/health", &config), Some(Part::Health));
        for path in ["/call", "/mcp/health", "/mcp/call/", "/mcp//call", "/mcp", "/mcp/toolsx", "/"] {
            assert_eq!(of(path, &config), None, "{path}");
        }
        assert_eq!(of("/mcp/call", &Config::default()), None, "it is off by default");
        let at_root = Config { path: "/".into(), ..config.clone() };
        assert_eq!(of("/call", &at_root), Some(Part::Call));
        let route = super::super::Route::new(Method::GET, "/health", |_| async { http::Response::default() });
        let own = Config { routes: vec![route], ..config };
        assert_eq!(of("/health", &own), None);
        assert_eq!(of("/mcp/call", &own), Some(Part::Call));
    }
}
