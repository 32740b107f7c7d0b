use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};

use anyport_protocol::{
    Error, Id, Method, Raw, Revision,
    json::Splice,
    jsonrpc::{
        self, Incoming, Malformed, Message, Reason, Response, read, write_error, write_notification,
        write_request, write_result,
    },
    meta::LogLevel,
    session::client::{
        CallId, Intent, MalformedMessage, NegotiatedSession, element, oversized_response,
        oversized_response_end,
    },
};
use anyport_service::{Context, Event, Notification};
use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::{
    asked::{Asked, Held},
    idle::Subscribed,
    logging::Logging,
};
use crate::{
    client::{
        ConnectOptions, End, Spoken, WAITING, aside::Asides, malformed::MalformedCount, never_sent, spoken,
    },
    dialogue::{Frame, one_line},
};

/// What is open on one channel, and where each message of the server's goes.
pub(crate) struct Hub {
    pub(crate) opening: Arc<ConnectOptions>,
    /// What was agreed; nothing while the channel is being opened.
    agreement: OnceLock<Arc<NegotiatedSession>>,
    out: mpsc::UnboundedSender<Bytes>,
    waiting: Arc<Waiting>,
    state: Mutex<State>,
    last_id: AtomicU64,
    said: broadcast::Sender<Notification>,
    spoken: Spoken,
    pub(crate) asides: Asides,
    ended: watch::Sender<Option<End>>,
    /// Tells whoever holds the channel to close it.
    closing: watch::Sender<bool>,
    /// Lines of the server's that were no messages.
    garbage: MalformedCount,
    /// Whether a message that is too long is being passed over, and may be an answer that nobody has got.
    unclaimed: AtomicBool,
    /// Why the channel was given up from our side.
    given_up: OnceLock<End>,
}

/// What waits to be sent, in bytes.
#[derive(Default)]
struct Waiting {
    all: AtomicUsize,
    /// What of it are answers to the server's own requests, those counted that were sent since nothing waited.
    answers: AtomicUsize,
}

/// What is to be sent. Ends when the hub is closed.
pub(crate) struct Outbox {
    messages: mpsc::UnboundedReceiver<Bytes>,
    waiting: Arc<Waiting>,
    closing: watch::Receiver<bool>,
}

#[derive(Default)]
pub(super) struct State {
    /// In the order in which they were opened: ids only grow.
    pub(super) calls: BTreeMap<u64, Slot>,
    /// Requests of our own: what opens the channel, what sets the log level.
    own: HashMap<u64, oneshot::Sender<jsonrpc::RpcResult>>,
    pub(super) asked: HashMap<Id, Asked>,
    pub(super) held: Vec<Held>,
    pub(super) logging: Logging,
    pub(super) subscribed: Subscribed,
    /// Why no further call may begin.
    over: Option<Error>,
}

/// One open call.
pub(super) struct Slot {
    pub(super) context: Context,
    pub(super) method: Option<Method>,
    /// As the caller wrote them: what an error is lifted by.
    pub(super) params: Raw,
    /// Notifications and questions that its reader has not taken.
    pub(super) events: VecDeque<Event>,
    pub(super) outcome: Option<jsonrpc::RpcResult>,
    pub(super) reader: Option<Waker>,
    /// Questions of the server's that wait for this call's caller.
    pub(super) questions: usize,
    /// What its caller would have had to declare for a question that was refused.
    pub(super) lacked: Option<Raw>,
}

impl Hub {
    pub(crate) fn new(opening: Arc<ConnectOptions>) -> (Arc<Self>, Outbox) {
        let (out, messages) = mpsc::unbounded_channel();
        let (said, spoken) = Spoken::channel(opening.spoken_queue);
        let (ended, _) = watch::channel(None);
        let (closing, closed) = watch::channel(false);
        let waiting = Arc::<Waiting>::default();
        let hub = Self {
            opening,
            agreement: OnceLock::new(),
            out,
            waiting: waiting.clone(),
            state: Mutex::default(),
            last_id: AtomicU64::new(0),
            said,
            spoken,
            asides: Asides::default(),
            ended,
            closing,
            garbage: MalformedCount::default(),
            unclaimed: AtomicBool::default(),
            given_up: OnceLock::new(),
        };
        (Arc::new(hub), Outbox { messages, waiting, closing: closed })
    }

    pub(crate) fn agree(&self, agreement: Arc<NegotiatedSession>) {
        let _ = self.agreement.set(agreement);
    }

    pub(crate) fn agreement(&self) -> Option<&Arc<NegotiatedSession>> {
        self.agreement.get()
    }

    fn is_modern(&self) -> bool {
        self.agreement().is_some_and(|agreed| agreed.revision().is_modern())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn spoken(&self) -> Spoken {
        self.spoken.another()
    }

    pub(crate) fn ended(&self) -> watch::Receiver<Option<End>> {
        self.ended.subscribe()
    }

    /// Completes when the channel is to be closed from our side.
    pub(crate) async fn closing(&self) {
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Nothing more is sent but what waits; open calls go on until the channel ends and says why.
    #[cfg(feature = "client-child")]
    pub(crate) fn close_input(&self) {
        self.closing.send_replace(true);
    }

    /// Whether it was closed from our side, or is over.
    pub(crate) fn was_closed(&self) -> bool {
        self.lock().over.is_some()
    }

    /// Begins to close the channel: what waits is still sent, and every open call ends.
    pub(crate) fn close(&self) {
        self.finish(Error::internal("the connection was closed").with_reason(Reason::UpstreamLost));
        self.closing.send_replace(true);
    }

    /// The channel is over, and nothing of it is left. Every open call ends and says why.
    pub(crate) fn end(&self, end: End) {
        let end = self.given_up.get().cloned().unwrap_or(end);
        self.finish(lost(&end));
        self.closing.send_replace(true);
        self.ended.send_if_modified(|slot| {
            let first = slot.is_none();
            slot.get_or_insert(end);
            first
        });
    }

    fn finish(&self, error: Error) {
        let mut state = self.lock();
        if state.over.is_some() {
            return;
        }
        state.over = Some(error.clone());
        for slot in state.calls.values_mut() {
            slot.end(Err(error.clone()));
        }
        // Whoever waits for one of our own requests sees its sender dropped.
        let own = mem::take(&mut state.own);
        let asked = mem::take(&mut state.asked);
        let held = mem::take(&mut state.held);
        drop(state);
        drop((own, asked, held));
    }

    /// Lets no further call begin, for the reason of `end`, if nothing is open on the channel, waits to be sent or is
    /// waited for; returns whether that is so. In one step: a call that begins now is on a channel that stays, or was
    /// never sent.
    #[cfg_attr(not(feature = "client-websocket"), allow(dead_code))]
    pub(super) fn finish_unused(&self, end: &End) -> bool {
        let mut state = self.lock();
        let open = state.calls.len() + state.own.len() + state.asked.len() + state.held.len();
        let waits = self.waiting.all.load(Ordering::Relaxed) > 0;
        if open > 0 || waits || state.subscribed.are_told(self.agreement().map(AsRef::as_ref)) {
            return false;
        }
        state.over.get_or_insert_with(|| lost(end));
        true
    }

    /// An id that was never used on this channel.
    pub(super) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Opens a call, if one more may be open; returns whether questions wait for the next call.
    pub(super) fn begin(&self, id: u64, slot: Slot) -> Result<bool, Error> {
        let mut state = self.lock();
        if let Some(over) = &state.over {
            return Err(never_sent(over.clone()));
        }
        let limit = self.opening.max_open_requests;
        if state.calls.len() >= limit {
            return Err(crate::dialogue::too_many_open(limit));
        }
        if self.waiting.all.load(Ordering::Relaxed) > self.opening.send_queue {
            let why = format!(
                "the server does not read what it is sent: {} bytes wait (send_queue)",
                self.opening.send_queue
            );
            return Err(Error::internal(why).with_reason(Reason::Overloaded));
        }
        state.calls.insert(id, slot);
        Ok(!state.held.is_empty())
    }

    /// Sends a request of our own.
    pub(crate) fn request(&self, method: Method, params: &Raw) -> oneshot::Receiver<jsonrpc::RpcResult> {
        let id = self.next_id();
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.over.is_none() {
                state.own.insert(id, sender);
            }
        }
        self.send_request(id, method.as_str(), params);
        receiver
    }

    pub(super) fn send_request(&self, id: u64, method: &str, params: &Raw) {
        let mut text = Vec::with_capacity(64 + method.len() + params.as_str().len());
        write_request(&mut text, &Id::from(id), method, Some(params));
        self.send(text);
    }

    pub(crate) fn notify(&self, method: Method, params: Option<&Raw>) {
        self.tell(method.as_str(), params);
    }

    pub(super) fn tell(&self, method: &str, params: Option<&Raw>) {
        let mut text = Vec::with_capacity(128);
        write_notification(&mut text, method, params);
        self.send(text);
    }

    pub(super) fn respond(&self, id: &Id, outcome: &jsonrpc::RpcResult) {
        // 2026-07-28, stdio §Sending Messages: "The client MUST NOT write JSON-RPC responses." Its servers write no requests.
        if self.is_modern() {
            return self
                .garbage
                .note("a request, which servers of 2026-07-28 do not send; it is not answered", &[]);
        }
        let mut text = Vec::new();
        match outcome {
            Ok(result) => write_result(&mut text, id, result),
            Err(error) => write_error(&mut text, Some(id), error, false),
        }
        let limit = self.opening.send_queue;
        let answers = self.waiting.answers.fetch_add(text.len(), Ordering::Relaxed);
        // The server asks and does not read: who waits for nothing must not fill our memory with what it is told.
        if answers > limit && self.waiting.all.load(Ordering::Relaxed) > limit {
            return self.give_up();
        }
        self.send(text);
    }

    /// The server does not read the answers to what it asks; the channel is closed.
    fn give_up(&self) {
        let limit = self.opening.send_queue;
        let why = format!("it asks and does not read the answers: more than {limit} bytes wait (send_queue)");
        if self.given_up.set(End::lost(why.as_str())).is_ok() {
            self.finish(lost(&End::lost(why.as_str())));
            self.closing.send_replace(true);
        }
    }

    fn send(&self, text: Vec<u8>) {
        let text = one_line(text);
        if let Some(tap) = &self.opening.tap {
            tap.sent(&text);
        }
        self.waiting.all.fetch_add(text.len(), Ordering::Relaxed);
        // When nobody writes any more the channel is over, and its calls end for that reason.
        let _ = self.out.send(text);
    }

    /// Takes what came from the server.
    pub(crate) fn receive(self: &Arc<Self>, frame: Frame) {
        if self.given_up.get().is_some() {
            return;
        }
        let text = match frame {
            Frame::Message(text) => text,
            Frame::TooLong(start) => return self.too_long(&start),
            Frame::TooLongEnd(end) => return self.too_long_ended(&end),
            Frame::Read(read) => return self.incoming(*read, None),
        };
        if let Some(tap) = &self.opening.tap {
            tap.received(&text);
        }
        let incoming = read(text.clone(), &self.opening.limits);
        self.incoming(incoming, Some(text));
    }

    fn incoming(self: &Arc<Self>, incoming: Result<Incoming, Malformed>, text: Option<Bytes>) {
        match incoming {
            Ok(Incoming::One(message)) => self.message(message),
            Ok(Incoming::Batch(messages)) => self.batch(messages, text.as_ref()),
            Err(malformed) => self.malformed(malformed, text.as_deref()),
        }
    }

    /// 2025-03-26, basic §Batching: implementations "**MUST** support receiving JSON-RPC batches". No revision before or
    /// after has arrays (2025-06-18, changelog: "Remove support for JSON-RPC batching"). One of another server is counted as
    /// what is no message, but what it holds is taken: who waits for an answer in it would wait for ever.
    fn batch(self: &Arc<Self>, messages: Vec<Result<Message, Malformed>>, text: Option<&Bytes>) {
        if !self.agreement().is_some_and(|agreed| agreed.revision().has_batches()) {
            let why = "an array of messages, which only 2025-03-26 has; what it holds is taken";
            self.garbage.note(why, text.map_or(&[], |text| text));
        }
        for (index, message) in messages.into_iter().enumerate() {
            match message {
                Ok(message) => self.message(message),
                Err(malformed) => {
                    let text = text.and_then(|text| element(text, index, &self.opening.limits));
                    self.malformed(malformed, text.as_deref());
                }
            }
        }
    }

    /// What is no message is passed over: servers print to standard output what belongs to standard error. But where it
    /// is an answer to an open call, that call would wait for ever; and where it is a request, its server would.
    fn malformed(&self, malformed: Malformed, text: Option<&[u8]>) {
        let why = malformed.error.message.clone();
        let nonsense = MalformedMessage::of(malformed, text);
        match nonsense.intent.clone() {
            Intent::Response(id) => {
                let error = nonsense.into_error();
                if number(&id).is_some_and(|id| self.settle(id, Err(error))) {
                    return;
                }
            }
            // A modern one is not answered, and counted as what it is below.
            Intent::Request(_) if self.is_modern() => {}
            Intent::Request(id) => self.respond(&id, &Err(nonsense.error)),
            Intent::Notification | Intent::Unknown => {}
        }
        self.garbage.note(&why, text.unwrap_or_default());
    }

    fn too_long(&self, start: &[u8]) {
        let limit = self.opening.limits.bytes;
        self.garbage.note(&format!("a message of more than {limit} bytes"), start);
        let response_to = oversized_response(start);
        let alone = || {
            let state = self.lock();
            let id = state.calls.keys().next().copied();
            id.filter(|_| state.calls.len() == 1)
        };
        let settled = match response_to {
            Some(id) => id.map(CallId::get).or_else(alone).is_some_and(|id| self.settle_too_long(id)),
            None => true,
        };
        self.unclaimed.store(!settled, Ordering::Relaxed);
    }

    /// Some write the id last.
    fn too_long_ended(&self, end: &[u8]) {
        if self.unclaimed.swap(false, Ordering::Relaxed)
            && let Some(id) = oversized_response_end(end)
        {
            self.settle_too_long(id.get());
        }
    }

    fn settle_too_long(&self, id: u64) -> bool {
        let why =
            format!("the server's answer has more than {} bytes (limits.bytes)", self.opening.limits.bytes);
        self.settle(id, Err(Error::internal(why).with_reason(Reason::InvalidUpstream)))
    }

    /// How much came that was no message.
    #[cfg(test)]
    pub(crate) fn garbage(&self) -> u64 {
        self.garbage.count()
    }

    fn message(self: &Arc<Self>, message: Message) {
        match message {
            Message::Response(Response { id: Some(id), outcome }) => {
                // Who cancelled may still get an answer; nobody waits for it.
                if let Some(id) = number(&id) {
                    self.settle(id, outcome);
                }
            }
            Message::Response(Response { id: None, outcome }) => self.unnamed(outcome),
            Message::Request(request) => self.ask(request),
            Message::Notification(notification) => {
                self.hear(&notification.method, notification.params.unwrap_or(Raw::EMPTY_OBJECT));
            }
        }
    }

    /// Ends the request with this id; returns whether it was open.
    fn settle(&self, id: u64, outcome: jsonrpc::RpcResult) -> bool {
        let mut state = self.lock();
        if let Some(slot) = state.calls.get_mut(&id) {
            slot.end(outcome);
            return true;
        }
        let own = state.own.remove(&id);
        drop(state);
        own.map(|own| own.send(outcome)).is_some()
    }

    /// An error without an id says that a request of ours could not be read. Where one is open, it is that one.
    fn unnamed(&self, outcome: jsonrpc::RpcResult) {
        let state = self.lock();
        let mut open = state.calls.keys().chain(state.own.keys()).copied();
        let only = open.next().filter(|_| open.next().is_none());
        drop(open);
        drop(state);
        match only {
            Some(id) => {
                self.settle(id, outcome);
            }
            None => self.garbage.note("an error that names no request", &[]),
        }
    }

    /// A notification of the server's.
    fn hear(&self, name: &str, params: Raw) {
        let Some((agreement, method)) = self.agreement().zip(Method::named(name)) else {
            return self.unknown(name, params);
        };
        if method == Method::Cancelled {
            let id = params.member("requestId").and_then(Id::of);
            // From a modern server it announces the end of a listen stream (2026-07-28, cancellation); its result follows,
            // and whoever carries that on announces it in turn.
            if let Some(id) = id.filter(|_| !agreement.revision().is_modern()) {
                self.withdraw(&id);
            }
            return;
        }
        let Some(params) = agreement.notification(method, params) else {
            tracing::debug!(method = %name, "a notification that does not exist in this revision");
            return;
        };
        match method {
            Method::Progress => {
                // Tokens of ours are the ids of their requests.
                let id = params.member("progressToken").and_then(Id::of).as_ref().and_then(number);
                self.for_call(id, Method::Progress, params);
            }
            Method::LogMessage => self.log(params),
            _ => match subscription(agreement.revision(), &params) {
                Some(id) => self.for_call(Some(id), method, params),
                None => self.say(method, params),
            },
        }
    }

    /// A notification that nobody here knows: it is the one open call's. Among several it is not guessed whose it is.
    fn unknown(&self, name: &str, params: Raw) {
        let mut state = self.lock();
        let mut open = state.calls.values_mut().filter(|slot| slot.method != Some(Method::Listen));
        match (open.next(), open.next()) {
            (Some(slot), None) if slot.has_room(self.opening.call_queue, params.as_str().len()) => {
                slot.events.push_back(Event::Unknown { method: name.into(), params });
                slot.wake();
            }
            _ => tracing::debug!(method = %name, "a notification that nobody here knows"),
        }
    }

    fn say(&self, method: Method, params: Raw) {
        spoken::say(&self.said, Notification { method, params });
    }

    /// Gives a notification to the call that it names, in the words of that call's own hop.
    fn for_call(&self, id: Option<u64>, method: Method, params: Raw) {
        let mut state = self.lock();
        let Some(slot) = id.and_then(|id| state.calls.get_mut(&id)) else { return };
        let params = match method {
            Method::Progress => match slot.context.progress_token() {
                Some(token) => Splice::retain(&params, |key| key != "progressToken")
                    .with("progressToken", token)
                    .finish(),
                None => return,
            },
            _ => params,
        };
        slot.notify(Notification { method, params }, self.opening.call_queue);
    }

    /// 2026-07-28, logging §Per-request log level: on standard streams a log message names no request. It is a call's only
    /// where no other could be meant. A listener is never meant: "the server **MUST NOT** deliver it on a
    /// `subscriptions/listen` stream".
    fn log(&self, params: Raw) {
        let level = params.member("level").and_then(|level| level.as_string());
        let level = level.and_then(|level| level.parse::<LogLevel>().ok());
        let mut state = self.lock();
        let untold = state.logging.is_untold()
            && self.agreement().is_some_and(|agreed| !agreed.revision().is_modern());
        let mut wanting = state.calls.values_mut().filter(|slot| slot.wants_logs());
        if let (Some(slot), None) = (wanting.next(), wanting.next()) {
            let all = untold && slot.context.log_level_is_default();
            let wanted = slot.context.log_level();
            if all || level.is_none_or(|level| wanted.is_some_and(|wanted| level >= wanted)) {
                slot.notify(Notification { method: Method::LogMessage, params }, self.opening.call_queue);
            }
            return;
        }
        drop(state);
        self.say(Method::LogMessage, params);
    }
}

impl Slot {
    /// Whether log messages may be meant for it. A subscription hears of changes alone, though its session has a level.
    pub(super) fn wants_logs(&self) -> bool {
        self.method != Some(Method::Listen) && self.context.log_level().is_some()
    }

    fn end(&mut self, outcome: jsonrpc::RpcResult) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
            self.wake();
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Bytes of the notifications that wait.
    fn waiting(&self) -> usize {
        let bytes = self.events.iter().map(|event| match event {
            Event::Notification(Notification { params, .. }) | Event::Unknown { params, .. } => {
                params.as_str().len()
            }
            _ => 0,
        });
        bytes.sum()
    }

    /// Whether something of this size may wait for the reader beside what waits already.
    fn has_room(&self, most: usize, size: usize) -> bool {
        let fits = size <= SMALL || self.waiting() + size <= WAITING || self.events.is_empty();
        self.outcome.is_none() && self.events.len() < most && fits
    }

    /// Keeps a notification for the reader. Of more than `room`, only the newest progress is kept: a caller that does not
    /// read must cost neither memory nor anybody else's time.
    fn notify(&mut self, notification: Notification, room: usize) {
        if self.outcome.is_some() {
            return;
        }
        if !self.has_room(room, notification.params.as_str().len()) {
            let last = self.events.back_mut();
            if notification.method == Method::Progress
                && let Some(Event::Notification(last)) = last
                && last.method == Method::Progress
            {
                *last = notification;
            } else {
                tracing::debug!(method = notification.method.as_str(), "call_queue is full: left out");
            }
            return;
        }
        self.events.push_back(Event::Notification(notification));
        self.wake();
    }
}

/// What needs no counting: as many of these as may wait by default are no more than that.
const SMALL: usize = 1 << 10;

impl Outbox {
    /// The next message; `None` when nothing will be sent any more.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        let message = tokio::select! {
            biased;
            message = self.messages.recv() => message,
            _ = self.closing.wait_for(|closing| *closing) => self.messages.try_recv().ok(),
        };
        self.took(message)
    }

    /// One that waits already.
    pub(crate) fn waiting(&mut self) -> Option<Bytes> {
        let message = self.messages.try_recv().ok();
        self.took(message)
    }

    fn took(&self, message: Option<Bytes>) -> Option<Bytes> {
        if let Some(message) = &message {
            let before = self.waiting.all.fetch_sub(message.len(), Ordering::Relaxed);
            if before == message.len() {
                self.waiting.answers.store(0, Ordering::Relaxed);
            }
        }
        message
    }
}

fn lost(end: &End) -> Error {
    Error::internal(format!("the connection to the server is lost: {end}")).with_reason(Reason::UpstreamLost)
}

/// An id of ours: an integer.
pub(super) fn number(id: &Id) -> Option<u64> {
    id.as_raw().as_str().parse().ok()
}

/// Which listen request of ours a modern server's notification belongs to.
fn subscription(revision: Revision, params: &Raw) -> Option<u64> {
    let key = anyport_protocol::meta::key::SUBSCRIPTION_ID;
    let id = params.member("_meta").filter(|_| revision.is_modern())?.member(key)?;
    // The server may write the id as the string that it is in a header, or as it came.
    id.as_str().trim_matches('"').parse().ok()
}
