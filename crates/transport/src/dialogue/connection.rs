use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{
    Error, Id, Limits, Method, Revision,
    jsonrpc::{Incoming, Malformed, Message, Notification, Request, read},
    meta::Meta,
    session::modern,
};
use anyport_service::{Context, Principal, Service, SessionId};
use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, Sleep, sleep},
};

use super::{LegacySession, ResponseEvent, ResponseStream, array, in_use, refusal, too_many_open};

/// One client on a channel that carries messages both ways: standard streams, a socket.
///
/// Both eras may be spoken on it at once. A request with modern `_meta` is served by itself; `initialize` opens the
/// one legacy session that the channel has.
pub(crate) struct ServerConnection {
    service: Arc<dyn Service>,
    config: ConnectionConfig,
    id: SessionId,
    out: mpsc::Sender<Bytes>,
    legacy: Option<Arc<LegacySession>>,
    running: HashMap<Id, Running>,
    open: Arc<AtomicUsize>,
    tasks: JoinSet<Option<Id>>,
    /// Sends what the session has to say outside any call; ends with the peer.
    pushes: JoinSet<()>,
}

/// The limits and the identity that a client is served with.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionConfig {
    /// Who it is.
    pub(crate) principal: Principal,
    pub(crate) supported: Arc<[Revision]>,
    pub(crate) limits: Limits,
    /// Requests that may run at once.
    pub(crate) max_open_requests: usize,
    /// How long its running calls may go on once it ended its side, or we are to stop.
    pub(crate) drain: Duration,
    /// How long it may say nothing at all.
    pub(crate) first_message: Option<Duration>,
    /// How long it may say nothing while nothing runs.
    pub(crate) idle: Option<Duration>,
}

/// A request that is being answered.
struct Running {
    /// Cancels it.
    cancel: oneshot::Sender<()>,
    /// It has no end of its own.
    listen: bool,
    _counted: Counted,
}

/// One of the requests that are open.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Frame {
    /// One message, or what should be one.
    Message(Bytes),
    /// The start of a message that is longer than may be; it is passed over. Clients look whose answer it was.
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    TooLong(Bytes),
    /// The end of one, where there is one.
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    TooLongEnd(Bytes),
    /// What a transport has read itself, within the same limits.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    Read(Box<Result<Incoming, Malformed>>),
}

/// Why a dialogue is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// The client ended its side, or does not hear us any more.
    Closed,
    /// We were told to stop.
    Stopped,
    /// The client never said anything.
    Silent(Duration),
    /// The client said nothing for long, and nothing ran.
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

impl ServerConnection {
    pub(crate) fn new(service: Arc<dyn Service>, config: ConnectionConfig, out: mpsc::Sender<Bytes>) -> Self {
        let (running, open) = (HashMap::new(), Arc::default());
        let (tasks, pushes) = (JoinSet::new(), JoinSet::new());
        let id = SessionId::next();
        Self { service, config, id, out, legacy: None, running, open, tasks, pushes }
    }

    /// How many requests are open, for whoever must not take a client that waits for one that is idle.
    #[cfg(feature = "http")]
    pub(crate) fn open(&self) -> Arc<AtomicUsize> {
        self.open.clone()
    }

    /// The one legacy session of the channel, for a transport that has to know what was agreed.
    pub(crate) fn session(&mut self) -> &Arc<LegacySession> {
        self.legacy.get_or_insert_with(|| {
            let ConnectionConfig { principal, supported, .. } = &self.config;
            let session = LegacySession::new(self.service.clone(), principal.clone(), supported);
            let (pushing, out) = (session.clone(), self.out.clone());
            self.pushes.spawn(async move {
                while let Some(text) = poll_fn(|task| pushing.poll_push(task)).await {
                    if out.send(text).await.is_err() {
                        return;
                    }
                }
            });
            session
        })
    }

    /// Serves until the client ends its side, nobody reads ours any more, it has been quiet for too long, or `stop`
    /// completes. Calls that run then may finish within the drain time.
    pub(crate) async fn run(
        mut self,
        mut input: mpsc::Receiver<Frame>,
        stop: impl Future<Output = ()>,
    ) -> ConnectionEnd {
        tokio::pin!(stop);
        let mut stop = Stop { future: stop, since: None };
        let (mut idle, drain) = (IdleTimer::new(&self.config), self.config.drain);
        let end = loop {
            tokio::select! {
                _ = stop.come() => break ConnectionEnd::Stopped,
                () = self.out.closed() => return ConnectionEnd::Closed,
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    self.done(done);
                    idle.renew();
                }
                frame = input.recv() => match frame {
                    Some(frame) => {
                        idle.spoken();
                        tokio::select! {
                            biased;
                            () = self.frame(frame) => {}
                            // A client that reads nothing holds up itself, and not our end.
                            () = stop.is_over(drain) => break ConnectionEnd::Stopped,
                        }
                    }
                    None => {
                        // Nobody is there to listen any more.
                        self.running.retain(|_, running| !running.listen);
                        break ConnectionEnd::Closed;
                    }
                },
                () = idle.ran_out() => if let Some(end) = idle.judge(self.is_busy()) {
                    break end;
                },
            }
        };
        let left = drain.saturating_sub(stop.since.map_or(Duration::ZERO, |since| since.elapsed()));
        self.drain(left).await;
        end
    }

    /// Whether something is under way for which a client waits in silence.
    fn is_busy(&self) -> bool {
        !self.running.is_empty() || self.legacy.as_ref().is_some_and(|session| session.is_listening())
    }

    /// Lets running calls finish, for so long. On `stop` the service is being closed, which ends the listen streams.
    async fn drain(mut self, limit: Duration) {
        let end = sleep(limit);
        tokio::pin!(end);
        loop {
            tokio::select! {
                done = self.tasks.join_next() => match done {
                    Some(done) => self.done(done),
                    None => break,
                },
                // Nobody would hear the answers.
                () = self.out.closed() => break,
                () = &mut end => {
                    tracing::warn!(calls = self.running.len(), "cut at the end of the drain time");
                    break;
                }
            }
        }
        if let Some(session) = &self.legacy {
            session.close();
        }
    }

    fn done(&mut self, done: Result<Option<Id>, tokio::task::JoinError>) {
        match done {
            Ok(Some(id)) => drop(self.running.remove(&id)),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "a task of a connection failed"),
        }
    }

    async fn frame(&mut self, frame: Frame) {
        let text = match frame {
            Frame::Message(text) => text,
            Frame::TooLongEnd(_) => return,
            Frame::TooLong(_) => {
                let limit = self.config.limits.bytes;
                let error = Error::invalid_request(format!("larger than {limit} bytes (max_message_bytes)"));
                return self.send(refusal(None, &error, self.null_id()).text).await;
            }
            Frame::Read(read) => return self.incoming(*read).await,
        };
        let read = read(text, &self.config.limits);
        self.incoming(read).await;
    }

    async fn incoming(&mut self, incoming: Result<Incoming, Malformed>) {
        match incoming {
            Ok(Incoming::One(message)) => self.message(message).await,
            Ok(Incoming::Batch(batch)) => self.batch(batch).await,
            // Whatever is wrong with a message, the connection goes on.
            Err(Malformed { error, id }) => {
                self.send(refusal(id.as_ref(), &error, self.null_id()).text).await;
            }
        }
    }

    /// Before 2025-11-25 an error without a readable id has `null` in its place; since then it has none.
    fn null_id(&self) -> bool {
        self.legacy.as_ref().is_some_and(|session| session.revision() < Revision::V2025_11_25)
    }

    async fn send(&self, text: Bytes) {
        // Nobody reads any more: `run` is about to notice.
        let _ = self.out.send(text).await;
    }

    async fn message(&mut self, message: Message) {
        match message {
            Message::Request(request) => self.request(request).await,
            Message::Notification(notification) => self.notification(&notification),
            Message::Response(response) => match &self.legacy {
                Some(session) => session.response(response),
                None => tracing::debug!("a response, but nothing was asked"),
            },
        }
    }

    fn notification(&mut self, notification: &Notification) {
        if Method::named(&notification.method) == Some(Method::Cancelled) {
            let id =
                notification.params.as_ref().and_then(|params| params.member("requestId")).and_then(Id::of);
            // 2026-07-28, patterns/cancellation §Error Handling: unknown and completed requests are ignored.
            if let Some(running) = id.and_then(|id| self.running.remove(&id)) {
                let _ = running.cancel.send(());
            }
        } else if let Some(session) = &self.legacy {
            session.notification(notification);
        }
    }

    async fn request(&mut self, request: Request) {
        if let Some(error) = self.refuse(&request) {
            return self.send(refusal(Some(&request.id), &error, false).text).await;
        }
        match self.begin(request).into_ready() {
            Ok(answer) => self.send(answer.text).await,
            Err(stream) => self.spawn(stream, self.out.clone()),
        }
    }

    /// Why a request may not begin now.
    fn refuse(&self, request: &Request) -> Option<Error> {
        if self.running.contains_key(&request.id) {
            return Some(in_use(&request.id));
        }
        let limit = self.config.max_open_requests;
        (self.running.len() >= limit).then(|| too_many_open(limit))
    }

    fn begin(&mut self, request: Request) -> ResponseStream {
        let legacy = self.config.supported.iter().any(|revision| !revision.is_modern());
        let modern = self.config.supported.iter().any(|revision| revision.is_modern());
        // Where no modern revision is spoken, a probe gets a legacy server's error, so that its client falls back.
        if !legacy || (modern && request.meta.is_modern()) {
            return self.modern(request);
        }
        self.session().request(request)
    }

    fn modern(&self, request: Request) -> ResponseStream {
        let Request { id, method, params, meta } = request;
        let request = anyport_service::Request {
            method,
            params: params.unwrap_or(anyport_protocol::jsonrpc::Params::EMPTY),
        };
        let listen = request.is_listen();
        let context = self.admit(&request, meta);
        let reply = match context {
            Ok(context) => self.service.call(request, context),
            Err(error) => anyport_service::Reply::error(error),
        };
        ResponseStream::modern(id, reply, listen)
    }

    fn admit(&self, request: &anyport_service::Request, meta: Meta) -> Result<Context, Error> {
        // 2026-07-28, versioning: a server that supports only modern versions "SHOULD name the protocol versions
        // it supports in any error it returns to an `initialize` request".
        if !meta.is_modern() && &*request.method == Method::Initialize.as_str() {
            let asked = request.params.member("protocolVersion").and_then(|version| version.as_string());
            return Err(Error::unsupported_version(
                asked.as_deref().unwrap_or_default(),
                &self.config.supported,
            ));
        }
        let revision = modern::admit(&request.method, &meta, &self.config.supported)?;
        Context::new(self.config.principal.clone(), revision).with_session(self.id).with_meta(meta)
    }

    /// Answers a request in a task of its own. The response goes to `answers`, everything else straight out.
    fn spawn(&mut self, mut stream: ResponseStream, answers: mpsc::Sender<Bytes>) {
        let (cancel, mut cancelled) = oneshot::channel();
        let id = stream.id().clone();
        let running = Running { cancel, listen: stream.is_listen(), _counted: Counted::new(&self.open) };
        self.running.insert(id.clone(), running);
        let out = self.out.clone();
        self.tasks.spawn(async move {
            loop {
                let event = tokio::select! {
                    biased;
                    _ = &mut cancelled => {
                        // No response: "The server MUST NOT send any further messages for it" (2026-07-28, stdio
                        // §Cancellation). What was asked of a legacy client is withdrawn.
                        for text in stream.cancel() {
                            let _ = out.send(text).await;
                        }
                        return None;
                    }
                    event = stream.next() => event,
                };
                match event {
                    ResponseEvent::Message(text) => {
                        // Nobody reads any more: `run` is about to notice, and nothing is to be made for nobody.
                        if out.send(text).await.is_err() {
                            return None;
                        }
                    }
                    ResponseEvent::Answer(answer) => {
                        let _ = answers.send(answer.text).await;
                        return Some(id);
                    }
                    ResponseEvent::Disconnect(_) => {}
                }
            }
        });
    }

    /// 2025-03-26, basic §Batching: implementations "MUST support receiving JSON-RPC batches"; no other revision
    /// has them. The requests run at once, and their responses come back as one array.
    async fn batch(&mut self, batch: Vec<Result<Message, Malformed>>) {
        let open = self.legacy.as_ref().filter(|session| session.is_open());
        if !open.is_some_and(|session| session.revision().has_batches()) {
            let error =
                Error::invalid_request("batches exist in 2025-03-26 only; send one message at a time");
            return self.send(refusal(None, &error, self.null_id()).text).await;
        }
        // Room for every answer, so that none waits for the collector.
        let (answers, mut collected) = mpsc::channel(batch.len());
        for message in batch {
            let refused = match message {
                Ok(Message::Request(request)) => match self.refuse(&request) {
                    Some(error) => Some(refusal(Some(&request.id), &error, false)),
                    None => {
                        let stream = self.begin(request);
                        self.spawn(stream, answers.clone());
                        None
                    }
                },
                Ok(message) => {
                    self.message(message).await;
                    None
                }
                Err(Malformed { error, id }) => Some(refusal(id.as_ref(), &error, self.null_id())),
            };
            if let Some(answer) = refused {
                let _ = answers.send(answer.text).await;
            }
        }
        let out = self.out.clone();
        self.tasks.spawn(async move {
            drop(answers);
            let mut all = Vec::new();
            while let Some(answer) = collected.recv().await {
                all.push(answer);
            }
            // 2025-03-26, transports: a batch of notifications only is not answered.
            if !all.is_empty() {
                let _ = out.send(array(&all)).await;
            }
            None
        });
    }
}

/// What says that it is time to stop, and when it has said so.
struct Stop<'a, F> {
    future: Pin<&'a mut F>,
    since: Option<Instant>,
}

impl<F: Future<Output = ()>> Stop<'_, F> {
    /// Completes when it is time, and at once when it has been; returns since when. Cancel-safe.
    async fn come(&mut self) -> Instant {
        match self.since {
            Some(since) => since,
            None => {
                self.future.as_mut().await;
                *self.since.insert(Instant::now())
            }
        }
    }

    /// Completes when the time to stop in is over.
    async fn is_over(&mut self, drain: Duration) {
        let since = self.come().await;
        sleep(drain.saturating_sub(since.elapsed())).await;
    }
}

/// How long a client may be quiet. One timer, set anew when it fires and not with every message.
struct IdleTimer {
    timer: Option<Pin<Box<Sleep>>>,
    first: Option<Duration>,
    idle: Option<Duration>,
    /// Whether the first message has come.
    spoken: bool,
    /// When something happened last.
    last: Instant,
}

impl IdleTimer {
    fn new(config: &ConnectionConfig) -> Self {
        let ConnectionConfig { first_message: first, idle, .. } = *config;
        let timer = first.or(idle).map(|limit| Box::pin(sleep(limit)));
        Self { timer, first, idle, spoken: false, last: Instant::now() }
    }

    fn renew(&mut self) {
        if self.timer.is_some() {
            self.last = Instant::now();
        }
    }

    fn spoken(&mut self) {
        self.renew();
        if !std::mem::replace(&mut self.spoken, true) {
            // From now on another limit counts.
            self.timer = self.idle.map(|limit| Box::pin(sleep(limit)));
        }
    }

    async fn ran_out(&mut self) {
        match &mut self.timer {
            Some(timer) => timer.as_mut().await,
            None => std::future::pending().await,
        }
    }

    /// What the timer has found, or when it is to look again.
    fn judge(&mut self, busy: bool) -> Option<ConnectionEnd> {
        let now = Instant::now();
        if let (Some(limit), false) = (self.first, self.spoken) {
            return Some(ConnectionEnd::Silent(limit));
        }
        let limit = self.idle?;
        if busy {
            self.last = now;
        }
        let end = self.last + limit;
        if end <= now {
            return Some(ConnectionEnd::Idle(limit));
        }
        if let Some(timer) = &mut self.timer {
            timer.as_mut().reset(end);
        }
        None
    }
}
