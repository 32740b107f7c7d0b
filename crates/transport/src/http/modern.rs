//! Requests that carry their version (2026-07-28, streamable-http).

use std::{
    sync::Arc,
    task::{Context as Task, Poll},
};

use anyport_protocol::{
    Error, Method,
    json::string,
    jsonrpc::{Params, Request},
    meta::{Meta, decode_header},
    param_header::ParamHeaders,
    session::{modern, server::Translation},
};
use anyport_service::{Authorization, Context, Network};
use http::{HeaderMap, HeaderName, StatusCode};
use tokio::time::timeout;

use super::{
    accept::Accept,
    body::{Body, Response, Source, SseEvent},
    response,
    state::State,
    stream_permit::StreamPermit,
    trace_headers::trace_headers,
    version::VERSION,
};
use crate::dialogue::{EncodedResponse, ResponseEvent, ResponseStream, refusal};
use crate::observed;

/// Answers a modern request.
pub(super) async fn answer(
    state: &Arc<State>,
    headers: &HeaderMap,
    authorization: Authorization,
    mut request: Request,
) -> Response {
    let meta = std::mem::take(&mut request.meta);
    let (params, context) = match admit(state, headers, authorization, &mut request, meta) {
        Ok(admitted) => admitted,
        Err(error) => return malformed(&request, &error),
    };
    let Request { id, method, .. } = request;
    let (revision, known) = (context.revision(), Method::named(&method));
    let call = anyport_service::Request { method, params };
    if call.is_listen() {
        return listen(state, Accept::of(headers), id, call, context);
    }
    let reply = state.service.call(call, context);
    match ResponseStream::modern(id, reply, revision, known, false, &state.config.buffers).into_ready() {
        Ok(answer) => response::modern(answer),
        // What a client takes matters only now: an answer that is ready is JSON for everyone.
        // Boxed, as all that is rare: the future of an answer that is ready stays small, and is moved often.
        Err(messages) => Box::pin(pending(state, Accept::of(headers), messages)).await,
    }
}

/// Every check of a modern request, in the order in which it is told of.
fn admit(
    state: &State,
    headers: &HeaderMap,
    authorization: Authorization,
    request: &mut Request,
    meta: Meta,
) -> Result<(Params, Context), Error> {
    let requested = modern::required(&meta)?;
    let mut repeated = Some(param_headers(headers));
    if let Err(error) = check_headers(headers, request, &requested, Presence::Required) {
        forgive(state, headers, request, &requested, &meta, error)?;
        // Who leaves out the standard headers leaves out these as well. One of them that is there is compared.
        repeated = repeated.filter(|headers| !headers.is_empty());
    }
    let revision = modern::version(&requested, &state.config.supported)?;
    modern::method(&request.method, revision)?;
    let params = request.params.take().unwrap_or(Params::EMPTY);
    let (params, meta) = Translation::to(revision).lift_request(&request.method, params, meta)?;
    let context = observed::numbered(Context::authorized(authorization, revision)).with_meta(meta)?;
    let context = context
        .with_client_headers(state.client_headers(headers))
        .with_network(Network::HTTP)
        .with_trace_headers(trace_headers(headers));
    let context = match repeated {
        Some(headers) => context.with_param_headers(headers),
        None => context,
    };
    Ok((params, context))
}

/// Lets a request go on whose headers failed with `error`, if all that is wrong with them is that some are missing, and
/// its client is one of those that may leave them out.
#[cold]
fn forgive(
    state: &State,
    headers: &HeaderMap,
    request: &Request,
    requested: &str,
    meta: &Meta,
    error: Error,
) -> Result<(), Error> {
    let Some(client) = state.config.compat.recognise(headers, meta) else { return Err(error) };
    check_headers(headers, request, requested, Presence::Forgiven)?;
    client.forgive(&request.method);
    Ok(())
}

/// Whether a header may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Required,
    Forgiven,
}

/// A request that never became a call. Bad params of its own are HTTP's 400 here, not 200: basic §_meta.
fn malformed(request: &Request, error: &Error) -> Response {
    let mut response = response::modern(refusal(Some(&request.id), error, false));
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

/// 2026-07-28, streamable-http §Server Validation: "Servers that process the request body MUST reject requests
/// where the values specified in the headers do not match the corresponding values in the request body."
fn check_headers(
    headers: &HeaderMap,
    request: &Request,
    version: &str,
    presence: Presence,
) -> Result<(), Error> {
    equal("MCP-Protocol-Version", plain(headers, VERSION)?, version, presence)?;
    equal("Mcp-Method", plain(headers, METHOD)?, &request.method, presence)?;
    let Some(member) = Method::named(&request.method).and_then(Method::header_name) else { return Ok(()) };
    let named = request.params.as_ref().and_then(|params| params.find(member));
    let named = named.and_then(|name| name.strip_prefix('"')?.strip_suffix('"')).map(string::unescape);
    // Without a name there is nothing to mirror; the call itself refuses such params.
    let Some(name) = named else { return Ok(()) };
    let header = plain(headers, NAME)?;
    let decoded = match header {
        Some(header) => Some(decode_header(header).ok_or_else(|| {
            Error::header_mismatch(format!(
                "Header mismatch: Mcp-Name value {header:.64?} is not valid Base64"
            ))
        })?),
        None => None,
    };
    equal("Mcp-Name", decoded.as_deref(), &name, presence)
}

/// The one value of a header, without surrounding white space.
fn plain(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Error> {
    let mut values = headers.get_all(&name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::header_mismatch(format!("Header mismatch: {name} is there more than once")));
    }
    let text = value.to_str().map_err(|_| {
        Error::header_mismatch(format!("Header mismatch: {name} has characters that are not visible ASCII"))
    })?;
    Ok(Some(text.trim_ascii()))
}

fn equal(name: &str, header: Option<&str>, body: &str, presence: Presence) -> Result<(), Error> {
    match header {
        Some(header) if header == body => Ok(()),
        Some(header) => Err(Error::header_mismatch(format!(
            "Header mismatch: {name} header value '{header:.64}' does not match body value '{body:.64}'"
        ))),
        None if presence == Presence::Forgiven => Ok(()),
        None => Err(Error::header_mismatch(format!(
            "Header mismatch: the {name} header is missing; the body's value is '{body:.64}'"
        ))),
    }
}

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

fn param_headers(headers: &HeaderMap) -> ParamHeaders {
    let mut params = ParamHeaders::default();
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix("mcp-param-") {
            params.push(name.to_owned(), value.as_bytes().to_vec());
        }
    }
    params
}

/// A call that is not answered at once. It stays JSON until it has something to say before its answer, or until
/// silence would make a proxy cut it.
async fn pending(state: &State, accept: Accept, mut messages: ResponseStream) -> Response {
    if !accept.events {
        return loop {
            // 2026-07-28 lets a client that accepts JSON alone have nothing but the answer.
            if let ResponseEvent::Response(answer) = messages.next().await {
                break response::modern(answer);
            }
        };
    }
    let keep_alive = state.config.limits.keep_alive;
    match timeout(keep_alive, messages.next()).await {
        Ok(ResponseEvent::Response(answer)) => response::modern(answer),
        Ok(ResponseEvent::Message(first)) => stream(Streaming::new(messages, Some(first), None), keep_alive),
        Ok(ResponseEvent::Disconnect(_)) | Err(_) => stream(Streaming::new(messages, None, None), keep_alive),
    }
}

/// Opens a listen stream.
fn listen(
    state: &Arc<State>,
    accept: Accept,
    id: anyport_protocol::Id,
    call: anyport_service::Request,
    context: Context,
) -> Response {
    if !accept.events {
        let error = Error::invalid_request("a listen stream needs Accept: text/event-stream");
        let answer = refusal(Some(&id), &error, false);
        return response::json(StatusCode::NOT_ACCEPTABLE, answer.text);
    }
    let permit = match StreamPermit::take(state, context.authorization()) {
        Ok(permit) => permit,
        Err(error) => return response::modern(refusal(Some(&id), &error, false)),
    };
    let revision = context.revision();
    let reply = state.service.call(call, context);
    let buffers = &state.config.buffers;
    match ResponseStream::modern(id, reply, revision, Some(Method::Listen), true, buffers).into_ready() {
        // Refused: an error is no stream.
        Ok(answer) => response::modern(answer),
        Err(messages) => stream(Streaming::new(messages, None, Some(permit)), state.config.limits.keep_alive),
    }
}

fn stream(source: Streaming, keep_alive: std::time::Duration) -> Response {
    response::events(Body::events(source, keep_alive))
}

/// A response stream as server-sent events. Dropping it, when the client is gone, cancels the call.
///
/// 2026-07-28, patterns/cancellation: "The server MUST treat a client disconnect as cancellation of that request."
struct Streaming {
    messages: Option<ResponseStream>,
    first: Option<bytes::Bytes>,
    _permit: Option<StreamPermit>,
}

impl Streaming {
    fn new(messages: ResponseStream, first: Option<bytes::Bytes>, permit: Option<StreamPermit>) -> Self {
        Self { messages: Some(messages), first, _permit: permit }
    }
}

impl Source for Streaming {
    fn poll_event(&mut self, task: &mut Task<'_>) -> Poll<Option<SseEvent>> {
        if let Some(data) = self.first.take() {
            return Poll::Ready(Some(SseEvent { data: data.into(), ..SseEvent::default() }));
        }
        let Some(messages) = &mut self.messages else { return Poll::Ready(None) };
        loop {
            let data = match std::task::ready!(messages.poll_next(task)) {
                ResponseEvent::Message(text) => text.into(),
                ResponseEvent::Response(EncodedResponse { text, .. }) => {
                    self.messages = None;
                    text
                }
                ResponseEvent::Disconnect(_) => continue,
            };
            return Poll::Ready(Some(SseEvent { data, ..SseEvent::default() }));
        }
    }
}
