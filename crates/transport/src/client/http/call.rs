//! One call: what is sent, and what comes back until it is answered.

use std::{borrow::Cow, collections::HashMap, future::poll_fn, sync::Arc};

use anyport_protocol::{
    Error, Method, Raw,
    failure::Failure,
    json::Splice,
    jsonrpc::{self, Id, Message, code, write_notification, write_request},
    meta::{LogLevel, encode_header},
    session::client::{Intent, RequestRoute},
};
use anyport_service::{
    Answer, Context, Emitter, Event, Notification, Outcome, Reply, Request, ServerRequest, emit,
};
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::{
    StreamExt as _,
    future::{AbortHandle, Abortable, BoxFuture, FutureExt as _},
    stream::{self, FuturesUnordered},
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use hyper::body::Incoming as Body;
use tokio::select;

use super::{
    hub::{CallError, Hub, Way, ping, result_of, unknown, unreachable},
    inbox::Inbox,
    mirror::Mirrors,
    received::{Broken, Messages, RETRY, RETRY_MIN, Refusal},
    session::PROTOCOL_VERSION,
};
use crate::client::{
    carrier::{Transport, hop},
    spoken::say,
    undeclared,
};

/// The connection as a [`Transport`].
pub(super) struct Http(pub(super) Arc<Hub>);

impl Transport for Http {
    fn call(&self, request: Request, context: Context) -> Reply {
        let hub = self.0.clone();
        if !hub.revision().is_modern() && request.known() == Some(Method::Discover) {
            return Reply::ready(Outcome::Result(hub.agreement.discovered().clone()));
        }
        if let Some(end) = &*hub.ended.borrow() {
            return Reply::failed(Failure::NotSent(end.clone()));
        }
        if hub.open_calls() >= hub.opening.max_open_requests {
            let why = "too many requests to this server are open (max_open_requests); try again later";
            return Reply::failed(Failure::Overloaded { limit: "max_open_requests", why: why.into() });
        }
        emit::reply(move |emitter| async move { call(hub, request, context, emitter).await })
    }

    fn tell(&self, method: &str, params: &Raw) {
        let mut message = Vec::new();
        write_notification(&mut message, method, Some(params));
        self.0.errand(message, "what a client says outside its calls");
    }

    fn close(&self) {
        self.0.close();
    }
}

async fn call(hub: Arc<Hub>, request: Request, context: Context, emitter: Emitter) -> Outcome {
    let (id, method) = (hub.next_id(), request.known());
    // The token is ours on this hop: two callers may have chosen the same one.
    let token = context.progress_token().map(|_| Raw::trusted(id.to_string().into_bytes()));
    let params: Raw = request.params.clone().into_raw();
    let written = match hub.agreement.params(&request.method, &params, &hop(&context, &hub.opening, token)) {
        Ok(written) => written,
        Err(refused) => return Outcome::Error(hub.agreement.refused(&request.method, &refused)),
    };
    let legacy = !hub.revision().is_modern();
    if let (true, Some(level)) = (legacy && !context.log_level_is_default(), context.log_level()) {
        hub.raise(level).await;
    }
    let mut message = Vec::new();
    let own = Id::from(id);
    write_request(&mut message, &own, &request.method, Some(&written));
    let inbox = hub.open(id, Some(&context), method);
    let headers = if legacy { HeaderMap::new() } else { modern_headers(&hub, &request, &context) };
    let tool = (method == Some(Method::ToolsCall)).then(|| Tool {
        name: request.name().unwrap_or_default(),
        arguments: params.member("arguments").unwrap_or(Raw::EMPTY_OBJECT),
        meta: written.member("_meta").unwrap_or(Raw::EMPTY_OBJECT),
    });
    let source = Source {
        hub: hub.clone(),
        id: own.clone(),
        message: message.into(),
        headers,
        tool,
        at: At::Unsent,
        failures: 0,
    };
    let listener = Listener {
        hub: &hub,
        id,
        own,
        cancels: legacy,
        method,
        emitter,
        token: context.progress_token().cloned(),
        level: context.log_level(),
        untold: legacy && context.log_level_is_default() && hub.is_untold(),
        last_progress: None,
        asked: None,
        open: HashMap::new(),
        context: &context,
        lacked: None,
    };
    let (outcome, lacked) = listener.listen(source, &inbox).await;
    if let (Some(kind @ (Method::Subscribe | Method::Unsubscribe)), Ok(_)) = (method, &outcome)
        && let Some(uri) = params.member("uri").and_then(|uri| uri.as_string())
    {
        hub.subscribed(&uri, kind == Method::Subscribe);
    }
    let outcome = match outcome {
        Ok(result) => Ok(result),
        Err(CallError::Error(error)) => Err(error),
        Err(CallError::Failed(failure)) => return failure.into(),
    };
    let outcome = match (outcome, lacked) {
        // Such a caller knows an older server's codes.
        (Err(error), _) if legacy && !context.revision().is_modern() => Err(error.in_older_words()),
        (Err(_), Some(required)) => Err(Error::missing_capability(&required)),
        (outcome, _) => hub.agreement.outcome(method, &params, context.revision(), outcome),
    };
    match outcome {
        Ok(result) => match &hub.way {
            Way::Modern(mirrors) if method == Some(Method::ToolsList) => {
                Outcome::of_result(mirrors.learn(result))
            }
            _ => Outcome::of_result(result),
        },
        Err(error) => Outcome::Error(error),
    }
}

/// 2026-07-28, streamable-http §Request Metadata: "Every POST request to the MCP endpoint MUST include an
/// `MCP-Protocol-Version` header"; `Mcp-Method` and `Mcp-Name` "are REQUIRED for compliance".
fn modern_headers(hub: &Hub, request: &Request, context: &Context) -> HeaderMap {
    let mut headers = hub.line.headers();
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(hub.revision().as_str()));
    let method = match request.known() {
        Some(method) => Ok(HeaderValue::from_static(method.as_str())),
        None => header_value(&request.method),
    };
    if let Ok(method) = method {
        headers.insert(HeaderName::from_static("mcp-method"), method);
    }
    if let Some(Ok(name)) = request.name().as_ref().map(header_value) {
        headers.insert(HeaderName::from_static("mcp-name"), name);
    }
    // Whoever knows the tool's schema has put them together from the final arguments.
    for (name, value) in context.param_headers().into_iter().flat_map(anyport_service::ParamHeaders::iter) {
        let name = HeaderName::try_from(format!("mcp-param-{name}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

fn header_value(text: &ByteString) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    match encode_header(text) {
        // Shared with the message, not copied.
        Cow::Borrowed(_) => HeaderValue::from_maybe_shared(text.as_bytes().clone()),
        Cow::Owned(encoded) => HeaderValue::from_str(&encoded),
    }
}

/// Listens to what is said about one call, which is noted while it is open. A caller that goes away cancels it.
struct Listener<'a> {
    hub: &'a Arc<Hub>,
    id: u64,
    /// The id, as it was written.
    own: Id,
    /// Whether the server must be told when the caller goes away. A modern one sees the response's stream closed
    /// (2026-07-28, patterns/cancellation §Transport-Specific); for older ones a disconnect says nothing
    /// (2025-11-25, transports §Sending Messages: it "SHOULD NOT be interpreted as the client cancelling its request").
    cancels: bool,
    method: Option<Method>,
    emitter: Emitter,
    /// The caller's own token.
    token: Option<Raw>,
    level: Option<LogLevel>,
    /// Whether neither the caller nor the server was told a level: then the server decides.
    untold: bool,
    last_progress: Option<f64>,
    /// Questions that are not answered; few calls have any.
    asked: Option<FuturesUnordered<BoxFuture<'static, Option<Answered>>>>,
    /// How each of them is taken back.
    open: HashMap<Id, AbortHandle>,
    /// The call's own.
    context: &'a Context,
    /// What the caller would have had to declare for a question that was refused.
    lacked: Option<Raw>,
}

struct Answered {
    id: Id,
    method: Method,
    answer: Answer,
}

impl Listener<'_> {
    /// Returns how the call ended, and what its caller would have had to declare, if anything.
    async fn listen(mut self, source: Source, inbox: &Inbox) -> (Result<Raw, CallError>, Option<Raw>) {
        let outcome = self.heard(source, inbox).await;
        self.cancels = false;
        (outcome, self.lacked.take())
    }

    async fn heard(&mut self, source: Source, inbox: &Inbox) -> Result<Raw, CallError> {
        let source = stream::unfold(source, |mut source| async move {
            let message = source.next().await?;
            Some((message, source))
        });
        let mut source = std::pin::pin!(source.fuse());
        loop {
            let message = select! {
                biased;
                message = poll_fn(|task| inbox.poll_message(task)) => message,
                answered = answered(&mut self.asked) => {
                    self.answered(answered);
                    continue;
                }
                answer = poll_fn(|task| inbox.poll_answer(task)) => match answer {
                    Some(answer) => answer,
                    None => return Err(unknown("the server's stream ended").into()),
                },
                Some(message) = source.next() => message?,
            };
            match message {
                Message::Response(response) if self.is_ours(&response) => {
                    return response.outcome.map_err(CallError::Error);
                }
                Message::Response(_) => {
                    tracing::debug!("the server answers another request than the one of this stream")
                }
                Message::Notification(notification) => self.told(notification).await,
                Message::Request(request) => self.question(request).await,
            }
        }
    }

    /// An error without an id is about what was just sent.
    fn is_ours(&self, response: &jsonrpc::Response) -> bool {
        response.id.as_ref().is_none_or(|id| *id == self.own)
    }

    async fn told(&mut self, notification: jsonrpc::Notification) {
        let params = notification.params.unwrap_or(Raw::EMPTY_OBJECT);
        let Some(method) = Method::named(&notification.method) else {
            let unknown = Event::Unknown { method: notification.method, params };
            return self.emitter.emit(unknown).await;
        };
        if method == Method::Cancelled {
            let id = params.member("requestId").and_then(Id::of);
            if let Some(question) = id.and_then(|id| self.open.remove(&id)) {
                question.abort();
            }
            return;
        }
        let Some(params) = self.hub.agreement.notification(method, params) else { return };
        let params = match method {
            Method::Progress => match self.progress(&params) {
                Some(params) => params,
                None => return,
            },
            Method::LogMessage if !self.wants(&params) => return,
            // Not about this call, whatever stream it came on; but a listen stream is made of these.
            Method::ToolsChanged
            | Method::PromptsChanged
            | Method::ResourcesChanged
            | Method::ResourceUpdated
                if !self.hub.revision().is_modern() =>
            {
                say(&self.hub.spoken, Notification { method, params });
                return;
            }
            _ => params,
        };
        self.emitter.emit(Event::Notification(Notification { method, params })).await;
    }

    /// Progress for the caller: its own token in place of ours. What does not increase is left out (2026-07-28,
    /// patterns/progress: "The `progress` value MUST increase with each notification").
    fn progress(&mut self, params: &Raw) -> Option<Raw> {
        let token = self.token.as_ref()?;
        let value: f64 = params.member("progress")?.as_str().parse().ok()?;
        if self.last_progress.is_some_and(|last| value <= last) {
            return None;
        }
        self.last_progress = Some(value);
        Some(Splice::retain(params, |name| name != "progressToken").with("progressToken", token).finish())
    }

    fn wants(&self, params: &Raw) -> bool {
        let level = params.member("level").and_then(|level| level.as_string());
        let level = level.and_then(|level| level.parse::<LogLevel>().ok());
        self.untold || matches!((level, self.level), (Some(level), Some(least)) if level >= least)
    }

    async fn question(&mut self, request: jsonrpc::Request) {
        let known = Method::named(&request.method).filter(|method| *method != Method::Ping);
        // 2026-07-28, streamable-http §Receiving Messages: "The server MUST NOT send independent JSON-RPC requests on
        // this stream."
        let Some(method) = known.filter(|_| !self.hub.revision().is_modern()) else {
            return self.hub.answer(&request.id, &ping(&request.method));
        };
        if !self.method.is_some_and(Method::may_ask) {
            if let Some(error) = RequestRoute::NotDuring(self.method).refusal(method) {
                self.hub.answer(&request.id, &Err(error));
            }
            return;
        }
        let asked = request.params.map_or(Raw::EMPTY_OBJECT, |params| params.into_raw());
        let params = match self.hub.agreement.question(method, asked) {
            Ok(params) => params,
            Err(error) => return self.hub.answer(&request.id, &Err(error)),
        };
        if let Some(required) = self.context.profile().lacks(method, &params) {
            let error = undeclared(self.context.capabilities(), method, &required);
            self.lacked = Some(required);
            return self.hub.answer(&request.id, &Err(error));
        }
        if self.asked.as_ref().is_some_and(|asked| asked.len() >= self.hub.opening.max_open_questions) {
            let error = Error::internal("too many questions are open (max_open_questions)");
            return self.hub.answer(&request.id, &Err(error));
        }
        let (question, answer) = ServerRequest::new(method, params);
        let (handle, registration) = AbortHandle::new_pair();
        let id = request.id.clone();
        let answer = self.hub.clone().answer_of(answer, request.meta.progress_token);
        let waiting = async move { Answered { id, method, answer: answer.await } };
        self.asked
            .get_or_insert_default()
            .push(Abortable::new(waiting, registration).map(Result::ok).boxed());
        self.open.insert(request.id, handle);
        self.hub.asked(self.id, true);
        self.emitter.emit(Event::ServerRequest(question)).await;
    }

    fn answered(&mut self, answered: Option<Answered>) {
        self.hub.asked(self.id, false);
        // Taken back: the server waits for no answer.
        let Some(Answered { id, method, answer }) = answered else { return };
        self.open.remove(&id);
        self.hub.answer(&id, &self.hub.agreement.answer(method, answer));
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.hub.over(self.id);
        let questions = self.open.drain().map(|(question, _)| question).collect();
        self.hub.leave(self.id, self.cancels, questions);
    }
}

/// The next question that is answered; never, where none is open.
async fn answered(
    asked: &mut Option<FuturesUnordered<BoxFuture<'static, Option<Answered>>>>,
) -> Option<Answered> {
    match asked {
        Some(asked) if !asked.is_empty() => asked.next().await.flatten(),
        _ => std::future::pending().await,
    }
}

/// Where the messages of one request come from: its own response, however often that is cut.
struct Source {
    hub: Arc<Hub>,
    id: Id,
    message: Bytes,
    headers: HeaderMap,
    /// The tool that is called, if one is.
    tool: Option<Tool>,
    at: At,
    /// How often in a row the stream could not be resumed.
    failures: u32,
}

/// What decides which arguments of a call go into headers.
struct Tool {
    name: ByteString,
    arguments: Raw,
    /// `_meta` of the call, for a list of the same caller.
    meta: Raw,
}

#[expect(clippy::large_enum_variant, reason = "there is one a call, within the future of the call")]
enum At {
    Unsent,
    Reading(Messages),
    /// What comes, comes elsewhere.
    Elsewhere,
    Over,
}

impl Source {
    /// The next message; an error is the last.
    async fn next(&mut self) -> Option<Result<Message, CallError>> {
        let failed = loop {
            match &mut self.at {
                At::Unsent => match self.send().await {
                    Ok(at) => self.at = at,
                    Err(error) => break error,
                },
                At::Reading(messages) => match messages.next().await {
                    Ok(message) => {
                        self.failures = 0;
                        return Some(Ok(message));
                    }
                    Err(Broken::Invalid(error)) => break error.into(),
                    Err(Broken::Malformed(malformed)) => {
                        self.failures = 0;
                        // On the call's own stream it may be what is awaited, and then nothing else will come.
                        let ours = match &malformed.intent {
                            Intent::Response(id) => *id == self.id,
                            Intent::Unknown => true,
                            Intent::Request(_) | Intent::Notification => false,
                        };
                        if ours {
                            break malformed.into_error().into();
                        }
                        self.hub.refuse_malformed(*malformed);
                    }
                    Err(Broken::Cut(why)) => match self.resume(why).await {
                        Ok(()) => {}
                        Err(failure) => break failure.into(),
                    },
                },
                At::Elsewhere => std::future::pending().await,
                At::Over => return None,
            }
        };
        self.at = At::Over;
        Some(Err(failed))
    }

    async fn send(&mut self) -> Result<At, CallError> {
        let line = &self.hub.line;
        let response = match &self.hub.way {
            Way::Modern(mirrors) => self.send_modern(mirrors).await?,
            Way::Session(sessions) => self.hub.send(sessions, &self.message).await?,
            Way::Stream(_) => {
                self.hub.deliver(self.message.clone()).await?;
                return Ok(At::Elsewhere);
            }
        };
        if response.status() == StatusCode::ACCEPTED {
            return Err(super::received::invalid(
                "the server accepts the request and announces no answer (HTTP status 202)".into(),
            )
            .into());
        }
        match Messages::of(response, &line.reading).await {
            Ok(messages) => Ok(At::Reading(messages)),
            Err(Broken::Invalid(error)) => Err(error.into()),
            Err(Broken::Malformed(malformed)) => Err(malformed.into_error().into()),
            Err(Broken::Cut(why)) => Err(unknown(&why).into()),
        }
    }

    /// §Client Behavior: "If the server rejects a request with a `HeaderMismatch` error because required `Mcp-Param-*`
    /// headers are missing or do not match the body, the client SHOULD call `tools/list` to check for changes to the
    /// tool's `inputSchema`, then retry the original request with the appropriate headers."
    async fn send_modern(&self, mirrors: &Mirrors) -> Result<Response<Body>, CallError> {
        let refusal = match self.post(mirrors).await? {
            Ok(response) => return Ok(response),
            Err(refusal) => refusal,
        };
        let mismatch = refusal.error.as_ref().is_some_and(|error| error.code == code::HEADER_MISMATCH);
        let Some(tool) = self.tool.as_ref().filter(|_| mismatch) else {
            return Err(refusal.into_error().into());
        };
        // It was refused before anything was done, so once more is safe.
        self.relist(mirrors, tool).await?;
        self.post(mirrors).await?.map_err(|refusal| refusal.into_error().into())
    }

    async fn post(&self, mirrors: &Mirrors) -> Result<Result<Response<Body>, Refusal>, Failure> {
        let line = &self.hub.line;
        let mut headers = self.headers.clone();
        if let Some(tool) = &self.tool {
            mirrors.add(&mut headers, &tool.name, &tool.arguments);
        }
        let response = line.post(&line.url, headers, self.message.clone()).await;
        let response = response.map_err(|fault| unreachable(&fault))?;
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        Ok(Err(Refusal::of(response, &line.reading).await))
    }

    async fn relist(&self, mirrors: &Mirrors, tool: &Tool) -> Result<(), CallError> {
        let (line, name) = (&self.hub.line, Method::ToolsList.as_str());
        let meta = Splice::retain(&tool.meta, |name| name != "progressToken").finish();
        let mut headers = line.headers();
        headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(self.hub.revision().as_str()));
        headers.insert("mcp-method", HeaderValue::from_static(name));
        let mut cursor: Option<Raw> = None;
        for _ in 0..PAGES {
            let mut params = Splice::new().with("_meta", &meta);
            if let Some(cursor) = &cursor {
                params = params.with("cursor", cursor);
            }
            let mut message = Vec::new();
            write_request(&mut message, &Id::from(self.hub.next_id()), name, Some(&params.finish()));
            let response = line.post(&line.url, headers.clone(), message.into()).await;
            let response = response.map_err(|fault| unreachable(&fault))?;
            if !response.status().is_success() {
                return Err(Refusal::of(response, &line.reading).await.into_error().into());
            }
            let page = mirrors.learn(result_of(response, &line.reading).await?);
            let next = page.member("nextCursor").filter(|next| !next.is_null());
            if next.is_none() || next == cursor {
                return Ok(());
            }
            cursor = next;
        }
        Ok(())
    }

    /// Goes on reading where the stream was cut, if it can be resumed.
    ///
    /// 2025-11-25, transports §Resumability and Redelivery: the client "SHOULD issue an HTTP GET to the MCP endpoint, and
    /// include the `Last-Event-ID` header"; §Sending Messages: it "MUST respect the `retry` field, waiting the given
    /// number of milliseconds before attempting to reconnect". Streams of 2026-07-28 cannot be resumed.
    async fn resume(&mut self, why: String) -> Result<(), Failure> {
        let (Way::Session(sessions), At::Reading(messages)) = (&self.hub.way, &mut self.at) else {
            return Err(unknown(&why));
        };
        let Some(stream) = messages.stream() else { return Err(unknown(&why)) };
        let Some(last_id) = stream.events.last_id().cloned() else { return Err(unknown(&why)) };
        let session = sessions.now();
        loop {
            let retry = stream.events.retry().unwrap_or(RETRY).max(RETRY_MIN);
            tokio::time::sleep(retry * 2u32.pow(self.failures.min(5))).await;
            match self
                .hub
                .line
                .get(session.headers(self.hub.line.headers(), self.hub.revision()), Some(&last_id))
                .await
            {
                Ok(response) if response.status().is_success() => {
                    if !super::received::is_type(response.headers(), "text/event-stream") {
                        return Err(unknown("the server did not resume its stream with another one"));
                    }
                    stream.resume(response.into_body());
                    return Ok(());
                }
                Ok(response) if response.status().is_client_error() => {
                    let refusal = Refusal::of(response, &self.hub.line.reading).await;
                    return Err(unknown(&format!("{why}; asked to go on, {}", refusal.words())));
                }
                Ok(_) | Err(_) if self.failures < RESUMES => self.failures += 1,
                Ok(response) => {
                    let refusal = Refusal::of(response, &self.hub.line.reading).await;
                    return Err(unknown(&format!("{why}; asked to go on, {}", refusal.words())));
                }
                Err(fault) => return Err(unknown(&format!("{why}; {fault}"))),
            }
        }
    }
}

/// Pages of tools that are read to find the schema of one.
const PAGES: usize = 100;

/// How often in a row a stream is asked for again in vain.
const RESUMES: u32 = 5;
