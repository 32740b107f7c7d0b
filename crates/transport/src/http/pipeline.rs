//! One pipeline of checks for every request; the first that fails is the answer.
//!
//! Framing (400) → Host and Origin (400 or 421, 403) → credential (400, 401, 403, 503) → method and content type (405, 415) → size (413) → scan (400) →
//! envelope (400) → era; what follows is the era's own.

use std::{net::IpAddr, sync::Arc};

use anyport_protocol::{
    Error, Method as McpMethod, Revision,
    jsonrpc::{Incoming, Malformed, Message, Params, read},
    meta::Meta,
    session::modern::initialize_refused,
};
use anyport_service::{Authorization, Principal};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, request::Parts};
use http_body::Body as Received;

use super::{
    accept::Accept,
    access,
    authenticate::{Caller, INSUFFICIENT_SCOPE, Refused, authenticate},
    body::{Body, Response},
    client_address::client_address,
    config::{Config, RefusalWriter, Route},
    connect_info::ConnectInfo,
    credential::Scheme,
    credential_watch::CredentialWatch,
    legacy, modern,
    refusal_observer::HttpRefusal,
    request_body::{check_framing, collect, json_body},
    resource::{Refusal, WELL_KNOWN},
    response::{self, LacksScope, method_not_allowed},
    rest,
    routes::{RestPath, Target},
    sse,
    state::State,
    version::{check_version, named, names_modern},
};
use crate::{accept, dialogue::refusal, observed};

/// Answers one HTTP request.
pub(super) async fn answer<B: Received>(
    state: Arc<State>,
    request: Request<B>,
    info: ConnectInfo,
) -> Response {
    let state = state.at(request.uri().path());
    let write = refusals(&state, request.uri().path());
    let response = checked(&state, request, info).await;
    let mut response = match write {
        Some(write) => response::written_by(write, response),
        None => response,
    };
    response::protect(&mut response, state.config.hsts.filter(|_| info.is_secure()));
    response
}

/// Answers a request on a connection beyond the limit of connections called `limit`: operators and load balancers learn how the
/// program is, and everything else is refused unread.
pub(super) async fn answer_beyond<B: Received>(
    limit: &'static str,
    state: Arc<State>,
    request: Request<B>,
    info: ConnectInfo,
) -> Response {
    let target = Target::of(request.uri().path(), &state.config);
    let mut response = match target {
        Some(Target::Rest(RestPath::Health(_) | RestPath::Metrics)) => answer(state, request, info).await,
        _ => {
            let mut refused = response::overloaded(accept::why(limit));
            response::protect(&mut refused, state.config.hsts.filter(|_| info.is_secure()));
            refused
        }
    };
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// How the route of a path writes refusals, if it has a form of its own for them.
fn refusals(state: &State, path: &str) -> Option<RefusalWriter> {
    if path == state.config.path {
        return None;
    }
    state.config.routes.iter().find(|route| route.has_path(path))?.refusals
}

/// Checks a request, and answers it.
async fn checked<B: Received>(state: &Arc<State>, request: Request<B>, info: ConnectInfo) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(refused) = check_framing(&parts.headers) {
        return observed_refusal(state, &parts, with_client(&state.config, &parts, info), refused);
    }
    if let Some(metadata) = metadata(state, &parts) {
        return metadata;
    }
    let is_public = is_public(state, &parts);
    let passed = match access::pass(&parts, &state.config, info, is_public) {
        Ok(passed) => passed,
        Err(refused) => {
            return observed_refusal(state, &parts, with_client(&state.config, &parts, info), refused);
        }
    };
    let mut response = match access::preflight(&parts, &passed) {
        Some(response) => response,
        None => dispatch(state, parts, body, info).await,
    };
    access::share(&mut response, &passed);
    response
}

/// Answers a request for the metadata of a protected resource, which any page may read: its Origin does not count.
fn metadata(state: &Arc<State>, parts: &Parts) -> Option<Response> {
    let path = parts.uri.path();
    let endpoint = path.starts_with(WELL_KNOWN).then(|| state.with_metadata_at(path)).flatten()?;
    Some(match access::pass_host(parts, &state.config) {
        Ok(()) => endpoint.resource.metadata(parts),
        Err(refused) => refused,
    })
}

/// Whether the request is for a path whose routes the pages of every origin may call.
fn is_public(state: &State, parts: &Parts) -> bool {
    let here = |route: &&Route| route.has_path(parts.uri.path());
    parts.headers.contains_key(header::ORIGIN)
        && state.config.routes.iter().find(here).is_some_and(|route| route.any_origin)
}

async fn dispatch<B: Received>(state: &Arc<State>, mut parts: Parts, body: B, info: ConnectInfo) -> Response {
    let info = with_client(&state.config, &parts, info);
    let target = Target::of(parts.uri.path(), &state.config);
    let Some(target) = target else {
        let message = format!("nothing is served here; the MCP endpoint is {}", state.config.path);
        return response::error(StatusCode::NOT_FOUND, &Error::invalid_request(message));
    };
    if target == Target::Custom {
        parts.extensions.insert(info);
    }
    if let Some(path) = &state.resource.public_path {
        parts.extensions.insert(path.clone());
    }
    let caller = if is_protected(state, &target, &parts) {
        match authenticate(state, &parts, info).await {
            Ok(caller) => caller,
            Err(refused) => {
                let refused = refuse(state, &target, refused);
                return observed_refusal(state, &parts, info, refused);
            }
        }
    } else {
        // Load balancers have no token, and learn nothing here. Operators have one.
        let known = match target {
            Target::Rest(RestPath::Health(_)) if parts.headers.contains_key(header::AUTHORIZATION) => {
                authenticate(state, &parts, info).await.ok()
            }
            _ => None,
        };
        known.unwrap_or_else(|| Caller { authorization: Principal::anonymous().into(), credential: None })
    };
    if let Some(Err(error)) = state.config.client_headers.as_ref().map(|names| names.check(&parts.headers)) {
        return response::error(StatusCode::BAD_REQUEST, &error);
    }
    answer_caller(state, target, parts, body, caller, info.client()).await
}

/// `info` with the address of the client, where proxies are trusted that say it.
fn with_client(config: &Config, parts: &Parts, info: ConnectInfo) -> ConnectInfo {
    match info.peer() {
        Some(peer) if !config.trusted_proxies.is_empty() => {
            info.with_client(client_address(&parts.headers, peer, &config.trusted_proxies))
        }
        _ => info,
    }
}

/// Shows a refusal to its observer, if there is one. Returns it.
fn observed_refusal(state: &State, parts: &Parts, info: ConnectInfo, refused: Response) -> Response {
    if let Some(observer) = &state.config.refusal_observer {
        observer.refused(&HttpRefusal {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            status: refused.status(),
            address: info.client(),
        });
    }
    refused
}

/// Whether requests to `target` must be authenticated. Routes of the program's own say so themselves.
fn is_protected(state: &State, target: &Target<'_>, parts: &Parts) -> bool {
    match target {
        Target::Rest(RestPath::Health(_)) => false,
        Target::Custom => state.config.routes.iter().any(|route| route.is(parts) && !route.open),
        _ => true,
    }
}

fn refuse(state: &State, target: &Target<'_>, refused: Refused) -> Response {
    match target {
        Target::Rest(_) => refused.rest_response(state),
        _ => refused.response(state),
    }
}

/// Answers an authenticated caller. What it opens ends with its credential.
async fn answer_caller<B: Received>(
    state: &Arc<State>,
    target: Target<'_>,
    parts: Parts,
    body: B,
    caller: Caller,
    address: Option<IpAddr>,
) -> Response {
    let Caller { authorization, credential } = caller;
    let authorization = authorization.from_address(address);
    // Who has neither lacks no scope, and no stream of his ends.
    let limited = credential.is_some() || authorization.scopes().is_some();
    let limited = limited.then(|| authorization.clone());
    // Boxed, like all that is not on the way of a modern call: futures are moved, and theirs are large.
    let mut response = match target {
        Target::Endpoint => endpoint(state, parts, body, authorization).await,
        Target::SseStream { base } => sse::stream(state, &parts, &format!("{base}/messages"), authorization),
        Target::SseMessages => {
            Box::pin(async move { sse::message(state, &parts, body, authorization).await }).await
        }
        #[cfg(feature = "websocket")]
        Target::WebSocket => return super::socket::open(state, parts, Caller { authorization, credential }),
        Target::Rest(path) => {
            Box::pin(async move { rest::answer(state, path, &parts, body, authorization).await }).await
        }
        Target::Custom => Box::pin(custom(state, parts, body, authorization)).await,
    };
    let Some(caller) = limited else { return response };
    let scheme = credential.as_ref().map_or(Scheme::Bearer, |credential| credential.scheme);
    challenge(state, &mut response, scheme, &caller);
    if response.body().is_event_stream()
        && let Some(watch) = credential.and_then(|credential| CredentialWatch::new(state, credential, caller))
    {
        response.body_mut().end_with(watch.ended());
    }
    response
}

/// Challenges a caller that lacks a scope of the operation.
fn challenge(state: &State, response: &mut Response, scheme: Scheme, caller: &Authorization) {
    let Some(LacksScope { scopes, with_granted }) = response.extensions_mut().remove() else { return };
    let granted = with_granted.then_some(caller);
    let refusal = Refusal { scheme, error: Some(INSUFFICIENT_SCOPE), scopes: &scopes, granted };
    state.resource.challenge(response.headers_mut(), &refusal);
}

/// Answers a request to the MCP endpoint.
async fn endpoint<B: Received>(
    state: &Arc<State>,
    parts: Parts,
    body: B,
    authorization: Authorization,
) -> Response {
    let headers = &parts.headers;
    // 2026-07-28, streamable-http §Earlier Streamable HTTP Revisions: "HTTP GET or DELETE to the MCP endpoint:
    // respond with `405 Method Not Allowed`."
    let legacy = state.speaks_legacy() && (parts.method == Method::POST || !names_modern(headers));
    match parts.method {
        Method::POST => post(state, headers, body, authorization).await,
        Method::GET | Method::DELETE if legacy => match check_version(state, headers) {
            Err(error) => response::error(StatusCode::BAD_REQUEST, &error),
            Ok(()) if parts.method == Method::GET && sse::is_legacy_sse(headers) => {
                open_legacy_sse(state, &parts, authorization)
            }
            Ok(()) if parts.method == Method::GET => {
                Box::pin(legacy::get(state, headers, Accept::of(headers), &authorization)).await
            }
            Ok(()) => legacy::delete(state, headers, authorization.principal()),
        },
        _ => method_not_allowed(if legacy { "GET, POST, DELETE" } else { "POST" }),
    }
}

/// A client of HTTP+SSE has come to the MCP endpoint.
fn open_legacy_sse(state: &Arc<State>, parts: &Parts, authorization: Authorization) -> Response {
    if state.config.serves_sse() {
        let messages = format!("{}/messages", state.config.path.trim_end_matches('/'));
        return sse::open(state, parts, &messages, authorization);
    }
    let error = Error::invalid_request(
        "a GET opens the stream of a session: POST initialize first, and send its Mcp-Session-Id. HTTP+SSE of 2024-11-05 \
         is not served here",
    );
    response::error(StatusCode::BAD_REQUEST, &error)
}

/// Whether an error without a readable id says `null` to this client.
fn null_id(state: &State, headers: &HeaderMap, principal: &Principal) -> bool {
    let revision = legacy::revision(state, headers, principal).or_else(|| named(headers));
    revision.is_some_and(Revision::has_null_ids)
}

/// Answers a request to a route of the program's own, which finds the caller in the extensions of the request.
async fn custom<B: Received>(
    state: &Arc<State>,
    mut parts: Parts,
    body: B,
    authorization: Authorization,
) -> Response {
    let routes = &state.config.routes;
    let Some(route) = routes.iter().find(|route| route.is(&parts)) else {
        let here = routes.iter().filter(|route| route.has_path(parts.uri.path()));
        let methods: Vec<&str> = here.map(|route| route.method.as_str()).collect();
        return method_not_allowed(&methods.join(", "));
    };
    parts.extensions.insert(authorization);
    match collect(state, &parts.headers, body).await {
        Ok(bytes) => (route.answer)(Request::from_parts(parts, bytes)).await.map(Body::full),
        Err(unread) => unread.response(false),
    }
}

async fn post<B: Received>(
    state: &Arc<State>,
    headers: &HeaderMap,
    body: B,
    authorization: Authorization,
) -> Response {
    let text = match json_body(state, headers, body).await {
        Ok(text) => text,
        Err(refused) => return refused,
    };
    match observed::received(state.config.observer.as_ref(), &text) {
        Some(observer) => observed::answer(observer, posted(state, headers, text, authorization)).await,
        None => posted(state, headers, text, authorization).await,
    }
}

/// Answers the text of a message, or of a batch.
async fn posted(
    state: &Arc<State>,
    headers: &HeaderMap,
    text: Bytes,
    authorization: Authorization,
) -> Response {
    match read(text, &state.config.limits.message) {
        Ok(Incoming::One(message)) => one(state, headers, authorization, message).await,
        Ok(Incoming::Batch(batch)) => {
            let error = if !state.speaks_legacy() || names_modern(headers) {
                Err(Error::invalid_request("batches exist in 2025-03-26 only; send one message at a time"))
            } else {
                check_version(state, headers)
            };
            match error {
                Ok(()) => {
                    Box::pin(legacy::batch(state, headers, Accept::of(headers), &authorization, batch)).await
                }
                Err(error) => response::error(StatusCode::BAD_REQUEST, &error),
            }
        }
        Err(Malformed { error, id }) => {
            let null_id = null_id(state, headers, authorization.principal());
            response::json(StatusCode::BAD_REQUEST, refusal(id.as_ref(), &error, null_id).text)
        }
    }
}

/// Chooses the era.
async fn one(
    state: &Arc<State>,
    headers: &HeaderMap,
    authorization: Authorization,
    message: Message,
) -> Response {
    let modern = match &message {
        Message::Request(request) => request.meta.is_stateless(),
        Message::Notification(notification) => Meta::of(notification.params.as_ref()).is_stateless(),
        Message::Response(_) => false,
    };
    let legacy = state.speaks_legacy();
    // Where no modern revision is spoken, a modern request is a legacy one that makes little sense: an error that only
    // modern servers know would tell its client not to fall back to `initialize` (2026-07-28, versioning).
    if !legacy || (state.speaks_modern() && (modern || names_modern(headers))) {
        return match message {
            Message::Request(request) if !legacy && !modern && is_initialize(&request) => {
                modern_only(state, &request)
            }
            Message::Request(request) => modern::answer(state, headers, authorization, request).await,
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
    Box::pin(legacy::answer(state, headers, Accept::of(headers), authorization, message)).await
}

fn is_initialize(request: &anyport_protocol::jsonrpc::Request) -> bool {
    McpMethod::named(&request.method) == Some(McpMethod::Initialize)
}

/// Refuses `initialize` where only modern revisions are supported.
fn modern_only(state: &State, request: &anyport_protocol::jsonrpc::Request) -> Response {
    let error = initialize_refused(request.params.as_ref().map(Params::raw), &state.config.supported);
    response::modern(refusal(Some(&request.id), &error, false))
}
