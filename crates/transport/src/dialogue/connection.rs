use std::{fmt, future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use anyport_protocol::{
    Error, Limits, Method, Revision,
    jsonrpc::{Incoming, Malformed, Message, Params, Request, read},
    meta::Meta,
    session::{
        modern,
        server::{CallKind, Silence, Translation},
    },
};
use anyport_service::{Authorization, Context, Network, Reply, Service, SessionId, TraceHeaders};
use bytes::Bytes;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    idle::IdleTimer,
    in_flight::InFlightRequest,
    response_stream::{ResponseEvent, ResponseStream},
    session::{CallOrigin, LegacySession},
    text::{EncodedResponse, array, refusal},
};
use crate::{
    buffered_bytes::BufferedBytes,
    observed::{self, ClientObserver},
};

/// Serves one client on a channel that carries messages both ways: standard streams, a socket.
///
/// Both eras may be spoken on it at once. A request with modern `_meta` is served by itself; `initialize` opens the
/// one legacy session that the channel has.
pub(crate) struct ServerConnection {
    service: Arc<dyn Service>,
    config: ConnectionConfig,
    id: SessionId,
    out: mpsc::Sender<Bytes>,
    /// Keeps the requests of both eras in flight.
    session: Arc<LegacySession>,
    /// The trace context of the HTTP request whose message is read now.
    trace_headers: Option<Box<TraceHeaders>>,
    tasks: JoinSet<()>,
    /// Sends the messages of the session that belong to no call; ends with the connection.
    pushes: JoinSet<()>,
}

/// The limits and the identity that a client is served with.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionConfig {
    /// Who the client is, and what it may do.
    pub(crate) authorization: Authorization,
    /// The network by which the client comes; `None` within the process.
    pub(crate) network: Option<Network>,
    /// The revisions that may be spoken.
    pub(crate) supported: Arc<[Revision]>,
    /// Size, depth and node count of a message.
    pub(crate) limits: Limits,
    /// The most requests in flight.
    pub(crate) max_open_requests: usize,
    /// How long calls in flight may go on after the client has ended its side, or the server stops.
    pub(crate) drain: Duration,
    /// How long the first message may take.
    pub(crate) first_message: Option<Duration>,
    /// How long the client may be silent while no request is in flight.
    pub(crate) idle: Option<Duration>,
    /// The budget of large answers.
    pub(crate) buffers: BufferedBytes,
    /// The observer of the client's messages.
    pub(crate) observer: Option<Arc<dyn ClientObserver>>,
}

/// One unit of input on a channel.
#[derive(Debug)]
pub(crate) enum Frame {
    /// The text of one message; it is not scanned yet.
    Message(Bytes),
    /// The start of a message beyond the limit of size; the rest is skipped. Clients read from it which request it answers.
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    TooLong(Bytes),
    /// The end of such a message, if the transport has it.
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    TooLongEnd(Bytes),
    /// A message that the transport has scanned itself, within the same limits.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    Read(Box<Posted>),
}

/// A message that was posted, with a credential of its own.
#[derive(Debug)]
pub(crate) struct Posted {
    /// The message, scanned.
    pub(crate) read: Result<Incoming, Malformed>,
    /// What its sender may do. The sender is the principal of the connection.
    pub(crate) authorization: Authorization,
    /// The trace context of the HTTP request that posted it.
    pub(crate) trace_headers: Option<Box<TraceHeaders>>,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// The client ended its side, or no longer reads ours.
    Closed,
    /// The server stops.
    Stopped,
    /// The client has sent no first message in time.
    Silent(Duration),
    /// The client was silent for too long while no request was in flight.
    Idle(Duration),
}

impl fmt::Display for ConnectionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the client closed the connection"),
            Self::Stopped => f.write_str("the server stops"),
            Self::Silent(limit) => write!(f, "no message within {limit:?} (first_message)"),
            Self::Idle(limit) => {
                write!(f, "nothing said and nothing running for {limit:?} (connection_idle)")
            }
        }
    }
}

impl From<Silence> for ConnectionEnd {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::FirstMessage(limit) => Self::Silent(limit),
            Silence::Idle(limit) => Self::Idle(limit),
        }
    }
}

impl ServerConnection {
    pub(crate) fn new(service: Arc<dyn Service>, config: ConnectionConfig, out: mpsc::Sender<Bytes>) -> Self {
        let ConnectionConfig { authorization, supported, max_open_requests, buffers, .. } = &config;
        let session = LegacySession::new(
            service.clone(),
            authorization.principal().clone(),
            supported.clone(),
            *max_open_requests,
            buffers.refusals().open_requests.clone(),
            None,
        );
        let (tasks, pushes) = (JoinSet::new(), JoinSet::new());
        Self { service, config, id: SessionId::next(), out, session, trace_headers: None, tasks, pushes }
    }

    /// The one legacy session of the channel, for a transport that needs to know what was negotiated.
    #[cfg(feature = "http")]
    pub(crate) fn session(&self) -> &Arc<LegacySession> {
        &self.session
    }

    /// Serves until the client ends its side or does not read ours, it has been silent for too long, or `stop`
    /// completes. Calls in flight then may finish within the drain time.
    pub(crate) async fn run(
        mut self,
        mut input: mpsc::Receiver<Frame>,
        stop: impl Future<Output = ()>,
    ) -> ConnectionEnd {
        tokio::pin!(stop);
        let mut stop = Stop { future: stop, since: None };
        let ConnectionConfig { first_message, idle, drain, .. } = self.config;
        let mut idle = IdleTimer::new(first_message, idle);
        let end = loop {
            tokio::select! {
                _ = stop.come() => break ConnectionEnd::Stopped,
                () = self.out.closed() => return ConnectionEnd::Closed,
                Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    log_panic(ended);
                    idle.finished();
                }
                frame = input.recv() => match frame {
                    Some(frame) => {
                        idle.received();
                        tokio::select! {
                            biased;
                            () = self.frame(frame) => {}
                            // A client that does not read delays itself, and not the end of this server.
                            () = stop.is_over(drain) => break ConnectionEnd::Stopped,
                        }
                    }
                    None => {
                        self.session.end_subscriptions();
                        break ConnectionEnd::Closed;
                    }
                },
                () = idle.due() => if let Some(silence) = idle.check(self.is_busy()) {
                    break silence.into();
                },
            }
        };
        let left = drain.saturating_sub(stop.since.map_or(Duration::ZERO, |since| since.elapsed()));
        self.drain(left).await;
        end
    }

    /// Whether the client may be waiting in silence.
    fn is_busy(&self) -> bool {
        self.session.in_flight() > 0 || self.session.is_listening()
    }

    /// Lets calls in flight finish within `limit`. On `stop` the service is being closed, which ends the listen streams.
    async fn drain(mut self, limit: Duration) {
        let end = sleep(limit);
        tokio::pin!(end);
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => match ended {
                    Some(ended) => log_panic(ended),
                    None => break,
                },
                // The client would not read the responses.
                () = self.out.closed() => break,
                () = &mut end => {
                    tracing::warn!(calls = self.session.in_flight(), "cut at the end of the drain time");
                    break;
                }
            }
        }
        self.session.close();
    }

    async fn frame(&mut self, frame: Frame) {
        let text = match frame {
            Frame::Message(text) => text,
            Frame::TooLongEnd(_) => return,
            Frame::TooLong(_) => {
                let limit = self.config.limits.bytes;
                let error = Error::invalid_request(format!("larger than {limit} bytes (max_message_bytes)"));
                return self.send(refusal(None, &error, self.session.has_null_ids()).text.into_bytes()).await;
            }
            Frame::Read(posted) => {
                self.config.authorization = posted.authorization;
                self.trace_headers = posted.trace_headers;
                return self.incoming(posted.read).await;
            }
        };
        match observed::received(self.config.observer.as_ref(), &text) {
            Some(observer) => observed::answer(observer, self.text(text)).await,
            None => self.text(text).await,
        }
    }

    async fn text(&mut self, text: Bytes) {
        let read = read(text, &self.config.limits);
        self.incoming(read).await;
    }

    async fn incoming(&mut self, incoming: Result<Incoming, Malformed>) {
        match incoming {
            Ok(Incoming::One(message)) => self.message(message).await,
            Ok(Incoming::Batch(batch)) => self.batch(batch).await,
            // A malformed message does not end the connection.
            Err(Malformed { error, id }) => {
                self.send(refusal(id.as_ref(), &error, self.session.has_null_ids()).text.into_bytes()).await;
            }
        }
    }

    async fn send(&self, text: Bytes) {
        // If the client no longer reads, `run` is about to notice.
        let _ = self.out.send(text).await;
    }

    async fn message(&mut self, message: Message) {
        match message {
            Message::Request(request) => {
                if let Some(response) = self.begin(request, None) {
                    self.send(response.text.into_bytes()).await;
                }
            }
            Message::Notification(notification) => {
                self.session.notification(&notification, &self.config.authorization);
            }
            Message::Response(response) => self.session.response(response),
        }
    }

    /// Begins to answer a request. Returns the response if it is ready; otherwise the request is in flight, and its
    /// response goes to `responses`, or to the channel.
    fn begin(
        &mut self,
        request: Request,
        responses: Option<&mpsc::Sender<Bytes>>,
    ) -> Option<EncodedResponse> {
        let id = request.id.clone();
        let begun = self.admit(request).and_then(|stream| match stream.into_ready() {
            Ok(response) => Ok(Some(response)),
            Err(stream) => {
                let kind = if stream.is_listen() { CallKind::Subscription } else { CallKind::Finite };
                let call = InFlightRequest::begin(&self.session, &id, kind)?;
                self.spawn(stream, call, responses.unwrap_or(&self.out).clone());
                Ok(None)
            }
        });
        begun.unwrap_or_else(|error| Some(refusal(Some(&id), &error, false)))
    }

    fn admit(&mut self, request: Request) -> Result<ResponseStream, Error> {
        if self.session.is_stateless(&request)? {
            return Ok(self.modern(request));
        }
        if self.pushes.is_empty() {
            self.pushes.spawn(push(self.session.clone(), self.out.clone()));
        }
        let origin = CallOrigin {
            trace_headers: self.trace_headers.take(),
            ..CallOrigin::on_channel(self.config.authorization.clone(), self.config.network)
        };
        ResponseStream::legacy(&self.session, request, &self.config.buffers, origin)
    }

    fn modern(&self, request: Request) -> ResponseStream {
        let Request { id, method, params, meta } = request;
        let known = Method::named(&method);
        let params = params.unwrap_or(Params::EMPTY);
        let buffers = &self.config.buffers;
        match self.lift(&method, params, meta) {
            Ok((params, context)) => {
                let (revision, request) = (context.revision(), anyport_service::Request { method, params });
                let listen = request.is_listen();
                let reply = self.service.call(request, context);
                ResponseStream::modern(id, reply, revision, known, listen, buffers)
            }
            // Refusals are the same in all revisions.
            Err(error) => {
                ResponseStream::modern(id, Reply::error(error), Revision::NEWEST, known, false, buffers)
            }
        }
    }

    /// The params and the context of a stateless request.
    fn lift(&self, method: &str, params: Params, meta: Meta) -> Result<(Params, Context), Error> {
        if !meta.is_stateless() && method == Method::Initialize.as_str() {
            return Err(modern::initialize_refused(Some(params.raw()), &self.config.supported));
        }
        let revision = modern::admit(method, &meta, &self.config.supported)?;
        let (params, meta) = Translation::to(revision).lift_request(method, params, meta)?;
        let context = Context::authorized(self.config.authorization.clone(), revision);
        let context = context.with_session(self.id);
        let context = match self.config.network {
            Some(network) => context.with_network(network),
            None => context,
        };
        let context = observed::numbered(context);
        Ok((params, context.with_meta(meta)?))
    }

    /// Answers a request in a task of its own. The response goes to `responses`, everything else straight out.
    fn spawn(&mut self, stream: ResponseStream, call: InFlightRequest, responses: mpsc::Sender<Bytes>) {
        self.tasks.spawn(answer(stream, call, self.out.clone(), responses));
    }

    /// Answers a batch. Its requests run at once, and their responses come back as one array.
    async fn batch(&mut self, batch: Vec<Result<Message, Malformed>>) {
        if let Err(error) = self.session.admit_batch() {
            return self.send(refusal(None, &error, self.session.has_null_ids()).text.into_bytes()).await;
        }
        // Room for every response, so that none waits for the collector.
        let (responses, mut collected) = mpsc::channel(batch.len());
        for message in batch {
            let response = match message {
                Ok(Message::Request(request)) => self.begin(request, Some(&responses)),
                Ok(message) => {
                    self.message(message).await;
                    None
                }
                Err(Malformed { error, id }) => {
                    Some(refusal(id.as_ref(), &error, self.session.has_null_ids()))
                }
            };
            if let Some(response) = response {
                let _ = responses.send(response.text.into_bytes()).await;
            }
        }
        let (out, buffers) = (self.out.clone(), self.config.buffers.clone());
        self.tasks.spawn(async move {
            drop(responses);
            let mut all = Vec::new();
            while let Some(response) = collected.recv().await {
                all.push(response);
            }
            // 2025-03-26, transports: a batch of notifications only is not answered.
            if !all.is_empty() {
                let _ = out.send(buffers.hold(array(&all))).await;
            }
        });
    }
}

/// Sends the messages of a call until its response, or its cancellation.
async fn answer(
    mut stream: ResponseStream,
    mut call: InFlightRequest,
    out: mpsc::Sender<Bytes>,
    responses: mpsc::Sender<Bytes>,
) {
    loop {
        let event = tokio::select! {
            biased;
            () = call.cancelled() => {
                // No response: "The server MUST NOT send any further messages for it" (2026-07-28, stdio
                // §Cancellation). The requests to a legacy client are withdrawn.
                for text in stream.cancel() {
                    let _ = out.send(text).await;
                }
                return;
            }
            event = stream.next() => event,
        };
        match event {
            ResponseEvent::Message(text) => {
                // If the client no longer reads, `run` is about to notice.
                if out.send(text).await.is_err() {
                    return;
                }
            }
            ResponseEvent::Response(response) => {
                let _ = responses.send(response.text.into_bytes()).await;
                return;
            }
            ResponseEvent::Disconnect(_) => {}
        }
    }
}

/// Sends the messages of a session that belong to no call.
async fn push(session: Arc<LegacySession>, out: mpsc::Sender<Bytes>) {
    while let Some(text) = poll_fn(|task| session.poll_push(task)).await {
        if out.send(text).await.is_err() {
            return;
        }
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task of a connection failed");
    }
}

/// The signal to stop, and the moment of it.
struct Stop<'a, F> {
    future: Pin<&'a mut F>,
    since: Option<Instant>,
}

impl<F: Future<Output = ()>> Stop<'_, F> {
    /// Completes on the signal, and at once after it; returns its moment. Cancel-safe.
    async fn come(&mut self) -> Instant {
        match self.since {
            Some(since) => since,
            None => {
                self.future.as_mut().await;
                *self.since.insert(Instant::now())
            }
        }
    }

    /// Completes when the time after the signal is over.
    async fn is_over(&mut self, drain: Duration) {
        let since = self.come().await;
        sleep(drain.saturating_sub(since.elapsed())).await;
    }
}
