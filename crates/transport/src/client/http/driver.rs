//! How the messages of one connection travel over HTTP.

use std::{
    sync::{Arc, Weak},
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_protocol::{
    Method, Revision,
    failure::{CloseReason, Failure},
    session::client::{CallId, Input, NegotiatedSession, NegotiationError, Outgoing, PreparedRequest},
};
use anyport_service::{Context, sync::Lock};
use bytes::Bytes;
use http::{HeaderValue, Method as Verb, Response, StatusCode};
use hyper::body::Incoming as Body;
use smallvec::SmallVec;
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
    time::timeout,
};
use url::Url;

use super::{
    Fault,
    call_stream::CallStream,
    fault::shown,
    headers::RequestHeaders,
    opening,
    outbound::Outbound,
    param_headers::Mirrors,
    received::{Reading, Refusal},
    shared_stream,
};
use crate::client::{
    ConnectError, ConnectOptions,
    multiplexer::{Control, Driver, Multiplexer},
};

/// One connection over HTTP.
pub(super) type HttpConnection = Multiplexer<HttpDriver>;

/// Carries the messages of one connection: a POST for each, a response stream per call, and the stream of a session.
pub(super) struct HttpDriver {
    pub(super) shared: Arc<Shared>,
    /// Completes the opening of the connection, once.
    opened: Lock<Option<oneshot::Sender<Result<Arc<NegotiatedSession>, ConnectError>>>>,
    /// What was negotiated over HTTP+SSE, while `notifications/initialized` is under way.
    confirming: Lock<Option<Arc<NegotiatedSession>>>,
    /// Tasks that read streams of the whole connection, and those that send its own requests.
    streams: Lock<JoinSet<()>>,
    /// Tasks that post messages without a response.
    posts: Lock<JoinSet<()>>,
    /// The most of these at once: each may be a connection, and how many a server causes is its own choice.
    max_posts: usize,
    ended: watch::Sender<Option<CloseReason>>,
}

/// What the tasks of a connection share.
pub(super) struct Shared {
    pub(super) line: Line,
    pub(super) tools: Mirrors,
    pub(super) route: Lock<Route>,
    /// The generation of the current session.
    pub(super) generation: watch::Sender<u32>,
}

/// Where messages go at present.
#[derive(Default)]
pub(super) struct Route {
    /// The negotiated revision.
    pub(super) revision: Option<Revision>,
    pub(super) session: Session,
    /// The session that the last `initialize` has opened, which nothing else was sent in.
    pub(super) opened: Option<HeaderValue>,
    /// The address to post to: the server speaks HTTP+SSE (2024-11-05).
    pub(super) post_to: Option<Url>,
    /// `notifications/initialized`, until it is sent.
    pub(super) initialized: Option<Bytes>,
}

/// One session of a legacy server.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// How many sessions this connection had before it.
    pub(super) generation: u32,
    /// Its id, if the server has given it one.
    pub(super) id: Option<HeaderValue>,
}

/// How bytes reach the server.
pub(super) struct Line {
    pub(super) outbound: Outbound,
    pub(super) url: Url,
    pub(super) reading: Arc<Reading>,
}

impl Line {
    /// Posts a message.
    pub(super) async fn post(
        &self,
        url: &Url,
        headers: &RequestHeaders,
        message: Bytes,
    ) -> Result<Response<Body>, Fault> {
        if let Some(tap) = &self.reading.tap {
            tap.sent(&message);
        }
        self.outbound.send(Verb::POST, url, headers, message).await
    }

    /// Asks for a stream of events.
    pub(super) async fn get(&self, headers: &RequestHeaders) -> Result<Response<Body>, Fault> {
        self.outbound.send(Verb::GET, &self.url, headers, Bytes::new()).await
    }
}

impl Shared {
    /// Posts a message that has no response of its own.
    ///
    /// # Errors
    /// Why it did not arrive.
    pub(super) async fn deliver(&self, message: Bytes) -> Result<(), Undelivered> {
        let (url, headers) = self.route.lock().post(&self.line.url);
        let response = self.line.post(&url, &headers, message).await.map_err(Undelivered::Unreachable)?;
        match response.status().is_success() {
            true => Ok(()),
            false => Err(Undelivered::Refused(Refusal::of(response, &self.line.reading).await)),
        }
    }

    /// Gives the session back.
    ///
    /// 2025-11-25, transports §Session Management: "Clients that no longer need a particular session … SHOULD send an HTTP
    /// DELETE"; a server that does not allow it answers 405, which is as well.
    async fn delete_session(&self) {
        let (session, revision) = {
            let route = self.route.lock();
            (route.session.id.clone(), route.revision)
        };
        if session.is_none() {
            return;
        }
        let headers = RequestHeaders::default().in_session(session.as_ref(), revision);
        match self.line.outbound.send(Verb::DELETE, &self.line.url, &headers, Bytes::new()).await {
            Ok(response)
                if response.status().is_success() || response.status() == StatusCode::METHOD_NOT_ALLOWED => {}
            Ok(response) => tracing::debug!(status = %response.status(), "the server keeps the session"),
            Err(error) => tracing::debug!(%error, "the session could not be given back"),
        }
    }
}

impl Route {
    /// The address and the headers of a POST.
    pub(super) fn post(&self, endpoint: &Url) -> (Url, RequestHeaders) {
        match &self.post_to {
            Some(address) => (address.clone(), RequestHeaders::post()),
            None => (endpoint.clone(), self.in_session(RequestHeaders::post())),
        }
    }

    fn is_modern(&self) -> bool {
        self.revision.is_some_and(Revision::is_modern)
    }

    /// `headers` with those of a request of the current session.
    pub(super) fn in_session(&self, headers: RequestHeaders) -> RequestHeaders {
        headers.in_session(self.session.id.as_ref(), self.revision)
    }
}

/// Why a message without a response did not arrive.
pub(super) enum Undelivered {
    Unreachable(Fault),
    Refused(Refusal),
}

impl Undelivered {
    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Unreachable(fault) => fault.to_string(),
            Self::Refused(refusal) => refusal.words(),
        }
    }
}

impl HttpDriver {
    pub(super) fn new(
        line: Line,
        options: &ConnectOptions,
        opened: oneshot::Sender<Result<Arc<NegotiatedSession>, ConnectError>>,
    ) -> Self {
        let shared = Shared {
            line,
            tools: Mirrors::default(),
            route: Lock::default(),
            generation: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
            opened: Lock::new(Some(opened)),
            confirming: Lock::default(),
            streams: Lock::default(),
            posts: Lock::default(),
            max_posts: options.max_open_requests + options.max_open_questions,
            ended: watch::Sender::new(None),
        }
    }

    /// Why the connection is over; `None` while it is not.
    pub(super) fn ended(&self) -> watch::Receiver<Option<CloseReason>> {
        self.ended.subscribe()
    }

    /// Says whether the connection is open. The first answer counts.
    fn complete(&self, opened: Result<Arc<NegotiatedSession>, ConnectError>) {
        if let Some(waiting) = self.opened.lock().take() {
            let _ = waiting.send(opened);
        }
    }

    /// Runs a task until it is over by itself or the connection is closed.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut streams = self.streams.lock();
        // What is over leaves nothing behind.
        while streams.try_join_next().is_some() {}
        streams.spawn_on(task, &runtime);
    }

    /// Posts messages without a response, each once the one before has arrived.
    fn post(&self, messages: SmallVec<[Bytes; 2]>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let shared = self.shared.clone();
        let mut posts = self.posts.lock();
        while posts.try_join_next().is_some() {}
        if posts.len() >= self.max_posts {
            return tracing::warn!("a message was not sent: the server takes too long for those before it");
        }
        let post = async move {
            for message in messages {
                if let Err(why) = shared.deliver(message).await {
                    tracing::warn!(why = why.words(), "a message could not be sent");
                }
            }
        };
        posts.spawn_on(post, &runtime);
    }

    /// Sends `notifications/initialized` over HTTP+SSE; then the connection is open.
    fn confirm(&self, connection: &HttpConnection, initialized: Bytes, session: Arc<NegotiatedSession>) {
        let (shared, connection) = (self.shared.clone(), connection.weak());
        *self.confirming.lock() = Some(session.clone());
        self.spawn(async move {
            let delivered = shared.deliver(initialized).await;
            let Some(connection) = connection.upgrade() else { return };
            match delivered {
                Ok(()) => connection.driver.complete(Ok(session)),
                Err(why) => connection.driver.give_up(&connection, opening::unconfirmed(why)),
            }
        });
    }

    /// Ends an opening whose failure the server's revision has nothing to do with.
    pub(super) fn give_up(&self, connection: &HttpConnection, error: ConnectError) {
        self.complete(Err(error));
        connection.close();
    }

    fn refused(&self, options: &ConnectOptions, error: NegotiationError) -> ConnectError {
        match error {
            NegotiationError::Refused(method, error) => ConnectError::Refused { method, error },
            NegotiationError::Revision(spoken) => ConnectError::Revision { spoken, wanted: options.revision },
            NegotiationError::Silent => ConnectError::Silent(options.probe_timeout),
            NegotiationError::TimedOut => ConnectError::Silent(options.open_timeout),
            NegotiationError::Ended => {
                ConnectError::Transport(format!("{} ends each connection", shown(&self.shared.line.url)))
            }
        }
    }

    /// Ends everything: streams are closed, what is being sent is sent, the session is given back.
    fn close(&self, reason: CloseReason) {
        // A connection that ends while it is confirmed was open, and says itself why it is over.
        let confirming = self.confirming.lock().take();
        self.complete(confirming.ok_or_else(|| ConnectError::Ended(reason.clone())));
        self.streams.lock().abort_all();
        let mut posts = std::mem::take(&mut *self.posts.lock());
        let (shared, ended) = (self.shared.clone(), self.ended.clone());
        let end = move || {
            ended.send_if_modified(|end| {
                let is_first = end.is_none();
                end.get_or_insert(reason);
                is_first
            });
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return end() };
        runtime.spawn(async move {
            let finish = async {
                while posts.join_next().await.is_some() {}
                shared.delete_session().await;
            };
            let _ = timeout(CLOSE_TIMEOUT, finish).await;
            end();
        });
    }
}

impl Driver for HttpDriver {
    type CallStream = CallStream;

    fn refuse(&self, _: &HttpConnection) -> Option<Failure> {
        None
    }

    fn send(&self, connection: &HttpConnection, messages: SmallVec<[Outgoing; 2]>) {
        let mut posts = SmallVec::new();
        for message in messages {
            match &message {
                Outgoing::Request { .. } => {
                    let request = opening::request(connection.weak(), self.shared.clone(), message);
                    self.spawn(request);
                }
                // Sent when its session is opened, before anything else is.
                Outgoing::Notification { method, .. } if *method == Method::Initialized.as_str() => {
                    self.shared.route.lock().initialized = Some(message.write().into());
                }
                // 2026-07-28, streamable-http §Sending Messages: "The client MUST NOT send JSON-RPC responses."
                Outgoing::Response { .. } if self.shared.route.lock().is_modern() => {}
                Outgoing::Notification { .. } | Outgoing::Response { .. } => {
                    posts.push(message.write().into())
                }
            }
        }
        if !posts.is_empty() {
            self.post(posts);
        }
    }

    fn start(
        &self,
        connection: &HttpConnection,
        call: CallId,
        request: &PreparedRequest,
        context: &Context,
    ) -> CallStream {
        CallStream::start(connection, &self.shared, call, request, context)
    }

    fn poll_call(
        &self,
        _connection: &HttpConnection,
        stream: &mut CallStream,
        task: &mut Task<'_>,
    ) -> Poll<Input> {
        stream.poll_input(&self.shared, task)
    }

    fn control(&self, connection: &HttpConnection, control: Control) {
        match control {
            Control::Negotiated(session) => {
                let revision = session.revision();
                self.shared.line.reading.negotiated(revision);
                let initialized = {
                    let mut route = self.shared.route.lock();
                    route.revision = Some(revision);
                    route.initialized.take()
                };
                match initialized {
                    Some(initialized) => self.confirm(connection, initialized, session),
                    None => self.complete(Ok(session)),
                }
            }
            Control::Refused(error) => self.complete(Err(self.refused(&connection.options, error))),
            // The one stream of HTTP+SSE has ended: there is no channel to open anew.
            Control::Reopen => {
                let error = self.refused(&connection.options, NegotiationError::Ended);
                self.give_up(connection, error);
            }
            Control::OpenSharedStream { generation } => {
                let session = shared_stream::open_session(connection.weak(), self.shared.clone(), generation);
                self.spawn(session);
            }
            Control::Close(reason) => self.close(reason),
        }
    }
}

/// A weak handle to a connection: its tasks do not keep it open.
pub(super) type WeakConnection = Weak<HttpConnection>;

/// How long closing may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
