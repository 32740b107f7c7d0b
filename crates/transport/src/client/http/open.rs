//! How a connection begins: what the server speaks is found out by trying.

use std::{sync::Arc, time::Duration};

use anyport_protocol::{
    Error, Method, Raw, Revision,
    jsonrpc::{self, Id, Message, code, write_request},
    session::client::{
        NegotiatedSession, NegotiationError, NegotiationStep, RequestEnvelope, VersionNegotiation,
        initialize_params,
    },
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::{sync::watch, time::timeout};
use url::Url;

use super::{
    Endpoint, Fault,
    call::Http,
    fault::shown,
    hub::{Hub, Line, Way, initialized, result_of},
    mirror::Mirrors,
    outbound::Outbound,
    received::{Broken, EventStream, Messages, Reading, Refusal, is_type},
    session::{PROTOCOL_VERSION, SESSION_ID, Sessions},
};
use crate::client::{ConnectError, ConnectOptions, Spoken, carrier::Opened};

/// Opens a connection to the server at `endpoint`.
///
/// # Errors
/// Why there is none.
pub(crate) async fn open(endpoint: &Endpoint, opening: &ConnectOptions) -> Result<Opened, ConnectError> {
    let opened = timeout(opening.open_timeout, Attempt::new(endpoint, opening).run()).await;
    opened.unwrap_or_else(|_| Err(ConnectError::Silent(opening.open_timeout)))
}

struct Attempt<'a> {
    line: Line,
    opening: &'a ConnectOptions,
    next_id: u64,
    /// The session that `initialize` opened.
    session: Option<HeaderValue>,
    /// The stream and the address of HTTP+SSE, once it turned out to be that.
    old: Option<(Messages, Url)>,
}

/// What came of a request.
enum Tried {
    Answered(jsonrpc::RpcResult),
    Refused(Refusal),
}

impl<'a> Attempt<'a> {
    fn new(endpoint: &Endpoint, opening: &'a ConnectOptions) -> Self {
        let reading = Reading::new(opening.limits, endpoint.answer_max, opening.tap.clone());
        let line = Line { outbound: Outbound::new(endpoint), url: endpoint.url.clone(), reading };
        Self { line, opening, next_id: 0, session: None, old: None }
    }

    async fn run(mut self) -> Result<Opened, ConnectError> {
        let (mut negotiation, mut step) = VersionNegotiation::begin(self.opening.revision);
        let mut asked = Bytes::new();
        loop {
            step = match step {
                NegotiationStep::Discover => match timeout(self.opening.probe_timeout, self.discover()).await
                {
                    Ok(outcome) => negotiation.discover(outcome?),
                    Err(_) => negotiation.silence(),
                },
                NegotiationStep::Initialize(revision) => {
                    asked = self.initialize_message(revision);
                    let outcome = self.initialize(asked.clone()).await?;
                    negotiation.initialized(outcome)
                }
                NegotiationStep::Agreed(agreement) => return self.agreed(agreement, asked).await,
                NegotiationStep::Failed(failure) => return Err(self.failed(failure)),
                // There is no channel that could end.
                NegotiationStep::Reopen => negotiation.reopened(),
                NegotiationStep::Wait => {
                    return Err(ConnectError::Transport("nothing could be agreed with the server".into()));
                }
            };
        }
    }

    fn id(&mut self) -> Id {
        self.next_id += 1;
        Id::from(self.next_id)
    }

    /// 2026-07-28, streamable-http §Backward Compatibility: a client "MAY detect which era the server implements by
    /// attempting a modern request first".
    async fn discover(&mut self) -> Result<jsonrpc::RpcResult, ConnectError> {
        let hop = RequestEnvelope {
            progress_token: None,
            capabilities: self.opening.capabilities.clone(),
            client_info: self.opening.client_info.clone(),
            log_level: None,
        };
        let revision = self.opening.revision.unwrap_or(Revision::NEWEST);
        let params = NegotiatedSession::modern(revision, Raw::EMPTY_OBJECT)
            .params(Method::Discover.as_str(), &Raw::EMPTY_OBJECT, &hop)
            .map_err(|refused| ConnectError::Transport(refused.to_string()))?;
        let mut headers = self.line.headers();
        headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(revision.as_str()));
        headers.insert("mcp-method", HeaderValue::from_static(Method::Discover.as_str()));
        let mut message = Vec::new();
        write_request(&mut message, &self.id(), Method::Discover.as_str(), Some(&params));
        let old = |why: String| Err(Error::new(code::METHOD_NOT_FOUND, why));
        match self.post(headers, message.into()).await {
            Ok(Tried::Answered(outcome)) => Ok(outcome),
            Ok(Tried::Refused(refusal)) if refusal.says_nothing_of_the_era() => Err(self.said(refusal)),
            Ok(Tried::Refused(refusal)) => {
                let words = refusal.words();
                Ok(refusal.error.map_or_else(|| old(words), Err))
            }
            // A server that breaks off at what it does not know may still know `initialize`.
            Err(Fault::Lost { why, .. }) => Ok(old(why)),
            Err(fault) => Err(fault.into()),
        }
    }

    fn initialize_message(&mut self, revision: Revision) -> Bytes {
        let params = initialize_params(revision, &self.opening.capabilities, &self.opening.client_info);
        let mut message = Vec::new();
        write_request(&mut message, &self.id(), Method::Initialize.as_str(), Some(&params));
        message.into()
    }

    async fn initialize(&mut self, message: Bytes) -> Result<jsonrpc::RpcResult, ConnectError> {
        if self.old.is_some() {
            return self.initialize_old(message).await;
        }
        let tried = self.post(self.line.headers(), message.clone()).await;
        let refusal = match tried? {
            Tried::Answered(outcome) => return Ok(outcome),
            Tried::Refused(refusal) => refusal,
        };
        // Who is not let in is told so, whatever else is in the answer.
        if refusal.says_nothing_of_the_era() || refusal.status == StatusCode::FORBIDDEN {
            return Err(self.said(refusal));
        }
        // 2025-11-25, transports §Backwards Compatibility: "If it fails with the following HTTP status codes "400 Bad
        // Request", "404 Not Found" or "405 Method Not Allowed": Issue a GET request to the server URL, expecting that
        // this will open an SSE stream and return an `endpoint` event as the first event."
        let may_be_older = [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED]
            .contains(&refusal.status);
        let demanded = self.opening.revision.is_none_or(|revision| revision == Revision::V2024_11_05);
        if may_be_older
            && demanded
            && let Some(stream) = self.old_stream().await?
        {
            self.old = Some(stream);
            return self.initialize_old(message).await;
        }
        // 2026-07-28, streamable-http §Protocol Version Header: "If the server does not implement the requested RPC method,
        // it **MUST** respond with `404 Not Found` and a JSON-RPC error with code `-32601`". Else it is the path that is
        // not known, whatever is written beside it.
        let known = [code::METHOD_NOT_FOUND, code::UNSUPPORTED_PROTOCOL_VERSION];
        match &refusal.error {
            Some(error) if refusal.status != StatusCode::NOT_FOUND || known.contains(&error.code) => {
                Ok(Err(error.clone()))
            }
            _ => Err(self.said(refusal)),
        }
    }

    /// Posts a request, and reads its answer.
    async fn post(&mut self, headers: HeaderMap, message: Bytes) -> Result<Tried, Fault> {
        let response = self.line.post(&self.line.url, headers, message).await?;
        if !response.status().is_success() {
            return Ok(Tried::Refused(Refusal::of(response, &self.line.reading).await));
        }
        self.session = response.headers().get(SESSION_ID).cloned();
        Ok(Tried::Answered(result_of(response, &self.line.reading).await))
    }

    fn said(&self, refusal: Refusal) -> ConnectError {
        let at = shown(&self.line.url);
        match refusal.status {
            StatusCode::UNAUTHORIZED => ConnectError::Unauthorized { at, challenge: refusal.challenge },
            StatusCode::FORBIDDEN => {
                let words = refusal.words();
                ConnectError::Forbidden { at, words, challenge: refusal.challenge }
            }
            _ => ConnectError::Transport(format!("{at}: {}", refusal.words())),
        }
    }

    /// The stream of HTTP+SSE, and where to post to.
    ///
    /// 2024-11-05, transports §HTTP with SSE: "When a client connects, the server MUST send an `endpoint` event
    /// containing a URI for the client to use for sending messages."
    async fn old_stream(&self) -> Result<Option<(Messages, Url)>, ConnectError> {
        let Ok(Ok(response)) = timeout(ENDPOINT, self.line.get(self.line.headers(), None)).await else {
            return Ok(None);
        };
        if !response.status().is_success() || !is_type(response.headers(), "text/event-stream") {
            return Ok(None);
        }
        let mut stream = EventStream::new(response.into_body(), self.line.reading.answer_max);
        let Ok(Ok(first)) = timeout(ENDPOINT, stream.next()).await else { return Ok(None) };
        if first.kind != "endpoint" {
            return Ok(None);
        }
        let wrong = |why: &str| {
            let data: String = String::from_utf8_lossy(&first.data).chars().take(256).collect();
            ConnectError::Transport(format!(
                "{} names {data:?} as the address to post to: {why}",
                shown(&self.line.url)
            ))
        };
        let address = std::str::from_utf8(&first.data).map_err(|_| wrong("this is no text"))?;
        let address = self.line.url.join(address.trim()).map_err(|_| wrong("this is no URL"))?;
        // Else a server could have us post what is meant for it, and our credentials, anywhere.
        if address.origin() != self.line.url.origin() {
            return Err(wrong("it is of another origin, where nothing of this connection is sent"));
        }
        Ok(Some((Messages::of_stream(stream, &self.line.reading), address)))
    }

    async fn initialize_old(&mut self, message: Bytes) -> Result<jsonrpc::RpcResult, ConnectError> {
        let Some((messages, address)) = &mut self.old else {
            return Err(ConnectError::Transport("there is no stream".into()));
        };
        let response = self.line.post(address, self.line.headers(), message).await?;
        if !response.status().is_success() {
            let refusal = Refusal::of(response, &self.line.reading).await;
            return Err(ConnectError::Transport(format!("{}: {}", shown(address), refusal.words())));
        }
        loop {
            match messages.next().await {
                Ok(Message::Response(response)) => return Ok(response.outcome),
                Ok(_) => {}
                Err(Broken::Cut(why)) => {
                    return Err(ConnectError::Transport(format!("{}: {why}", shown(&self.line.url))));
                }
                Err(Broken::Invalid(error)) => return Ok(Err(error)),
                Err(Broken::Malformed(malformed)) if malformed.intent.may_be_response() => {
                    return Ok(Err(malformed.into_error()));
                }
                Err(Broken::Malformed(_)) => {}
            }
        }
    }

    async fn agreed(mut self, agreement: NegotiatedSession, asked: Bytes) -> Result<Opened, ConnectError> {
        let (sender, spoken) = Spoken::channel(self.opening.spoken_queue);
        let (end, ended) = watch::channel(None);
        let (modern, agreement) = (agreement.revision().is_modern(), Arc::new(agreement));
        self.line.reading.agreed(agreement.revision());
        if let Some((messages, _)) = &mut self.old {
            messages.agreed(agreement.revision());
        }
        let (way, old) = match self.old {
            _ if modern => (Way::Modern(Mirrors::default()), None),
            Some((messages, address)) => (Way::Stream(address), Some(messages)),
            None => (Way::Session(Sessions::new(asked, self.session)), None),
        };
        let opening = self.opening.clone();
        let hub = Hub::new(self.line, agreement.clone(), opening, way, sender, end, self.next_id + 1);
        if let Some(messages) = old {
            hub.read(messages);
        }
        if !modern {
            let delivered = hub.deliver(initialized()).await;
            delivered.map_err(|error| ConnectError::Refused {
                method: Method::Initialized.as_str(),
                error: error.into_error(),
            })?;
            // Before the first call: what a server says at once must not be lost.
            hub.listen().await;
        }
        let asides = hub.asides.clone();
        Ok(Opened { agreement, carrier: Box::new(Http(hub)), spoken, asides, ended })
    }

    fn failed(&self, failure: NegotiationError) -> ConnectError {
        match failure {
            NegotiationError::Refused(method, error) => ConnectError::Refused { method, error },
            NegotiationError::Revision(spoken) => {
                ConnectError::Revision { spoken, wanted: self.opening.revision }
            }
            NegotiationError::Silent => ConnectError::Silent(self.opening.probe_timeout),
            NegotiationError::TimedOut => ConnectError::Silent(self.opening.open_timeout),
            NegotiationError::Ended => {
                ConnectError::Transport(format!("{} ends each connection", shown(&self.line.url)))
            }
        }
    }
}

/// How long a server of HTTP+SSE may take to name its address.
const ENDPOINT: Duration = Duration::from_secs(10);
