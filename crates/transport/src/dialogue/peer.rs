use std::{
    collections::HashMap,
    future::poll_fn,
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
use anyport_service::{Context, Principal, Service};
use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout_at},
};

use super::{Exchange, LegacySession, Outgoing, array, refusal};

/// One client on a channel that carries messages both ways: standard streams, a socket.
///
/// Both eras may be spoken on it at once. A request with modern `_meta` is served by itself; `initialize` opens the
/// one legacy session that the channel has.
pub(crate) struct Peer {
    service: Arc<dyn Service>,
    principal: Principal,
    supported: Arc<[Revision]>,
    limits: Limits,
    max_calls: usize,
    out: mpsc::Sender<Bytes>,
    legacy: Option<Arc<LegacySession>>,
    running: HashMap<Id, Running>,
    open: Arc<AtomicUsize>,
    tasks: JoinSet<Option<Id>>,
    /// Sends what the session has to say outside any call; ends with the peer.
    pushes: JoinSet<()>,
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
    #[cfg_attr(not(feature = "stdio"), allow(dead_code))]
    Message(Bytes),
    /// A message that was longer than may be; it was passed over.
    #[cfg_attr(not(feature = "stdio"), allow(dead_code))]
    TooLong,
    /// What a transport has read itself, within the same limits.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    Read(Box<Result<Incoming, Malformed>>),
}

impl Peer {
    pub(crate) fn new(
        service: Arc<dyn Service>,
        principal: Principal,
        supported: Arc<[Revision]>,
        limits: Limits,
        max_calls: usize,
        out: mpsc::Sender<Bytes>,
    ) -> Self {
        let (running, open) = (HashMap::new(), Arc::default());
        let (tasks, pushes) = (JoinSet::new(), JoinSet::new());
        Self {
            service,
            principal,
            supported,
            limits,
            max_calls,
            out,
            legacy: None,
            running,
            open,
            tasks,
            pushes,
        }
    }

    /// How many requests are open, for whoever must not take a client that waits for one that is idle.
    #[cfg(feature = "http")]
    pub(crate) fn open(&self) -> Arc<AtomicUsize> {
        self.open.clone()
    }

    /// The one legacy session of the channel, for a transport that has to know what was agreed.
    pub(crate) fn session(&mut self) -> &Arc<LegacySession> {
        self.legacy.get_or_insert_with(|| {
            let session = LegacySession::new(self.service.clone(), self.principal.clone(), &self.supported);
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

    /// Serves until the client ends its side, nobody reads ours any more, or `stop` completes. Calls that run
    /// then may finish within `drain`.
    pub(crate) async fn run(
        mut self,
        mut input: mpsc::Receiver<Frame>,
        stop: impl Future<Output = ()>,
        drain: Duration,
    ) {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = self.out.closed() => return,
                Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => self.done(done),
                frame = input.recv() => match frame {
                    Some(frame) => self.frame(frame).await,
                    None => {
                        // Nobody is there to listen any more.
                        self.running.retain(|_, running| !running.listen);
                        break;
                    }
                },
            }
        }
        self.drain(drain).await;
    }

    /// Lets running calls finish. On `stop` the service is being closed, which ends the listen streams.
    async fn drain(mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            match timeout_at(deadline, self.tasks.join_next()).await {
                Ok(Some(done)) => self.done(done),
                Ok(None) => break,
                Err(_) => {
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
            Frame::TooLong => {
                let limit = self.limits.bytes;
                let error = Error::invalid_request(format!("larger than {limit} bytes (max_message_bytes)"));
                return self.send(refusal(None, &error, self.null_id()).text).await;
            }
            Frame::Read(read) => return self.incoming(*read).await,
        };
        let read = read(text, &self.limits);
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
            Err(exchange) => self.spawn(exchange, self.out.clone()),
        }
    }

    /// 2026-07-28, basic §Requests: "The request ID MUST NOT match the ID of any other request the sender has
    /// issued and not yet received a response for."
    fn refuse(&self, request: &Request) -> Option<Error> {
        if self.running.contains_key(&request.id) {
            return Some(Error::invalid_request(format!(
                "id {} belongs to a request that still runs",
                request.id
            )));
        }
        (self.running.len() >= self.max_calls).then(|| {
            let message = format!("{} requests are open (max_open_requests)", self.max_calls);
            Error::internal(message).with_reason(anyport_protocol::jsonrpc::Reason::Overloaded)
        })
    }

    fn begin(&mut self, request: Request) -> Exchange {
        let legacy = self.supported.iter().any(|revision| !revision.is_modern());
        let modern = self.supported.iter().any(|revision| revision.is_modern());
        // Where no modern revision is spoken, a probe gets a legacy server's error, so that its client falls back.
        if !legacy || (modern && request.meta.is_modern()) {
            return self.modern(request);
        }
        self.session().request(request)
    }

    fn modern(&self, request: Request) -> Exchange {
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
        Exchange::modern(id, reply, listen)
    }

    fn admit(&self, request: &anyport_service::Request, meta: Meta) -> Result<Context, Error> {
        // 2026-07-28, versioning: a server that supports only modern versions "SHOULD name the protocol versions
        // it supports in any error it returns to an `initialize` request".
        if !meta.is_modern() && &*request.method == Method::Initialize.as_str() {
            let asked = request.params.member("protocolVersion").and_then(|version| version.as_string());
            return Err(Error::unsupported_version(asked.as_deref().unwrap_or_default(), &self.supported));
        }
        let revision = modern::admit(&request.method, &meta, &self.supported)?;
        Context::new(self.principal.clone(), revision).with_meta(meta)
    }

    /// Answers a request in a task of its own. The response goes to `answers`, everything else straight out.
    fn spawn(&mut self, mut exchange: Exchange, answers: mpsc::Sender<Bytes>) {
        let (cancel, mut cancelled) = oneshot::channel();
        let id = exchange.id().clone();
        let running = Running { cancel, listen: exchange.is_listen(), _counted: Counted::new(&self.open) };
        self.running.insert(id.clone(), running);
        let out = self.out.clone();
        self.tasks.spawn(async move {
            loop {
                let outgoing = tokio::select! {
                    biased;
                    _ = &mut cancelled => {
                        // No response: "The server MUST NOT send any further messages for it" (2026-07-28, stdio
                        // §Cancellation). What was asked of a legacy client is withdrawn.
                        for text in exchange.cancel() {
                            let _ = out.send(text).await;
                        }
                        return None;
                    }
                    outgoing = exchange.next() => outgoing,
                };
                match outgoing {
                    Outgoing::Message(text) => {
                        let _ = out.send(text).await;
                    }
                    Outgoing::Answer(answer) => {
                        let _ = answers.send(answer.text).await;
                        return Some(id);
                    }
                    Outgoing::Hangup(_) => {}
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
                        let exchange = self.begin(request);
                        self.spawn(exchange, answers.clone());
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
