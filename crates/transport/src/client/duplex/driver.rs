use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context as Task, Poll},
};

use anyport_protocol::{
    failure::{CloseReason, Failure},
    jsonrpc::{Incoming, Malformed, Message, read},
    session::client::{
        CallId, Input, MalformedMessage, Origin, Outgoing, PreparedRequest, element, oversized_response,
        oversized_response_end,
    },
};
use anyport_service::{Context, sync::Lock};
use bytes::Bytes;
use smallvec::SmallVec;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    client::{
        ConnectOptions,
        multiplexer::{Control, Driver, Machine, Multiplexer},
    },
    dialogue::{Frame, one_line},
};

/// A connection whose messages share one channel.
pub(crate) type Duplex = Multiplexer<DuplexDriver>;

/// A connection that waits for its channel.
pub(crate) struct Opening {
    pub(crate) options: Arc<ConnectOptions>,
    pub(super) machine: Machine,
}

/// Sends messages on one channel, and tells whoever holds the channel what becomes of it.
pub(crate) struct DuplexDriver {
    out: mpsc::UnboundedSender<Bytes>,
    waiting: Arc<Waiting>,
    /// What came of the negotiation on this channel, for whoever opens it.
    opened: Lock<Option<oneshot::Sender<Control>>>,
    /// Tells whoever holds the channel to close it.
    closing: watch::Sender<bool>,
    /// Why the channel was given up from our side.
    given_up: OnceLock<CloseReason>,
    /// Whether an oversized message is being passed over that may be a response, and whose id was not in its start.
    unclaimed: AtomicBool,
}

/// What waits to be sent, in bytes.
#[derive(Default)]
struct Waiting {
    all: AtomicUsize,
    /// What of it are answers to the server's own requests, those counted that were sent since nothing waited.
    answers: AtomicUsize,
}

/// What is to be sent. Ends when the connection is closed.
pub(crate) struct Outbox {
    messages: mpsc::UnboundedReceiver<Bytes>,
    waiting: Arc<Waiting>,
    closing: watch::Receiver<bool>,
}

impl Driver for DuplexDriver {
    type CallStream = ();

    fn refuse(&self, connection: &Duplex) -> Option<Failure> {
        let limit = connection.options.send_queue;
        (self.waiting.all.load(Ordering::Relaxed) > limit).then(|| Failure::Overloaded {
            limit: "send_queue",
            why: format!("the server does not read what it is sent: {limit} bytes wait (send_queue)"),
        })
    }

    fn send(&self, connection: &Duplex, messages: SmallVec<[Outgoing; 2]>) {
        for message in messages {
            let text = message.write();
            if matches!(message, Outgoing::Response { .. }) {
                let limit = connection.options.send_queue;
                let answers = self.waiting.answers.fetch_add(text.len(), Ordering::Relaxed);
                // The server asks and does not read: a server that waits for nothing must not fill our memory with answers.
                if answers > limit && self.waiting.all.load(Ordering::Relaxed) > limit {
                    return self.give_up(connection);
                }
            }
            self.write(connection, text);
        }
    }

    fn start(&self, connection: &Duplex, call: CallId, request: &PreparedRequest, _: &Context) {
        self.write(connection, request.write(call));
    }

    fn poll_call(&self, (): &mut (), _: &mut Task<'_>) -> Poll<Input> {
        // What comes, comes on the channel.
        Poll::Pending
    }

    fn control(&self, _: &Duplex, control: Control) {
        match control {
            Control::Negotiated(_) | Control::Refused(_) | Control::Reopen => {
                if let Some(opened) = self.opened.lock().take() {
                    let _ = opened.send(control);
                }
            }
            Control::Close(reason) => {
                tracing::debug!(%reason, "the connection is closed");
                self.closing.send_replace(true);
            }
            Control::OpenSharedStream { generation } => {
                tracing::debug!(
                    generation,
                    "all messages share one channel: a session has no stream of its own"
                );
            }
        }
    }
}

impl DuplexDriver {
    fn write(&self, connection: &Duplex, text: Vec<u8>) {
        let text = one_line(text);
        if let Some(tap) = &connection.options.tap {
            tap.sent(&text);
        }
        self.waiting.all.fetch_add(text.len(), Ordering::Relaxed);
        // If nothing is written any more the channel is over, and its calls end for that reason.
        let _ = self.out.send(text);
    }

    /// The server does not read the answers to what it asks; the channel is closed.
    fn give_up(&self, connection: &Duplex) {
        let limit = connection.options.send_queue;
        let why = format!("it asks and does not read the answers: more than {limit} bytes wait (send_queue)");
        let reason = CloseReason::lost(why);
        if self.given_up.set(reason.clone()).is_ok() {
            connection.handle(Input::Closed(reason));
        }
    }
}

impl Duplex {
    /// A connection on a channel that is being opened: what is to be sent on it, and what comes of its negotiation.
    pub(crate) fn on_channel(opening: Opening) -> (Arc<Self>, Outbox, oneshot::Receiver<Control>) {
        let (out, messages) = mpsc::unbounded_channel();
        let (closing, closed) = watch::channel(false);
        let (opened, negotiated) = oneshot::channel();
        let waiting = Arc::<Waiting>::default();
        let driver = DuplexDriver {
            out,
            waiting: waiting.clone(),
            opened: Lock::new(Some(opened)),
            closing,
            given_up: OnceLock::new(),
            unclaimed: AtomicBool::default(),
        };
        let connection = Multiplexer::new(driver, opening.options, opening.machine);
        (connection, Outbox { messages, waiting, closing: closed }, negotiated)
    }

    /// Completes when the channel is to be closed from our side.
    pub(crate) async fn closing(&self) {
        let _ = self.driver.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Sends nothing more but what waits; open calls go on until the channel ends and says why.
    #[cfg(feature = "client-child")]
    pub(crate) fn close_input(&self) {
        self.driver.closing.send_replace(true);
    }

    /// Whether it was closed from our side, or is over.
    pub(crate) fn was_closed(&self) -> bool {
        self.act(&[], |connection, _, _| connection.is_closed())
    }

    /// The channel is over, and nothing of it is left. Every open call ends and says why.
    pub(crate) fn end(&self, reason: CloseReason) {
        let reason = self.driver.given_up.get().cloned().unwrap_or(reason);
        self.handle(Input::Closed(reason.clone()));
        self.driver.closing.send_replace(true);
        self.events.close(reason);
    }

    /// Lets no further call begin, for `reason`, if nothing is in flight on the channel, waits to be sent or is waited for;
    /// returns whether that is so. In one step: a call that begins now is on a channel that stays, or was never sent.
    #[cfg_attr(not(feature = "client-websocket"), allow(dead_code))]
    pub(super) fn end_unused(&self, reason: CloseReason) -> bool {
        self.act(&[], |connection, now, out| {
            let unused = connection.is_unused() && self.driver.waiting.all.load(Ordering::Relaxed) == 0;
            if unused {
                connection.handle(now, Input::Closed(reason), out);
            }
            unused
        })
    }

    /// Takes what came from the server. It never waits, so that one slow caller holds up no other call's messages.
    pub(crate) fn receive(&self, frame: Frame) {
        if self.driver.given_up.get().is_some() {
            return;
        }
        let text = match frame {
            Frame::Message(text) => text,
            Frame::TooLong(start) => return self.oversized(&start),
            Frame::TooLongEnd(end) => return self.oversized_end(&end),
            Frame::Read(posted) => return self.incoming(posted.read, None),
        };
        if let Some(tap) = &self.options.tap {
            tap.received(&text);
        }
        let incoming = read(text.clone(), &self.options.limits);
        self.incoming(incoming, Some(text));
    }

    fn incoming(&self, incoming: Result<Incoming, Malformed>, text: Option<Bytes>) {
        match incoming {
            Ok(Incoming::One(message)) => self.message(message),
            Ok(Incoming::Batch(messages)) => self.batch(messages, text.as_ref()),
            Err(malformed) => self.malformed_text(malformed, text.as_deref()),
        }
    }

    fn message(&self, message: Message) {
        self.handle(Input::received(Origin::Shared, message));
    }

    fn malformed_text(&self, malformed: Malformed, text: Option<&[u8]>) {
        let message = MalformedMessage::of(malformed, text);
        let input = Input::Malformed { origin: Origin::Shared, message };
        self.handle_text(input, text.unwrap_or_default());
    }

    /// 2025-03-26, basic §Batching: implementations "**MUST** support receiving JSON-RPC batches". No revision before or
    /// after has arrays (2025-06-18, changelog: "Remove support for JSON-RPC batching"). One of another server is counted as
    /// malformed, but what it holds is taken: a call that waits for an answer in it would wait for ever.
    fn batch(&self, messages: Vec<Result<Message, Malformed>>, text: Option<&Bytes>) {
        if !self.session().is_some_and(|session| session.revision().has_batches()) {
            let why = "an array of messages, which only 2025-03-26 has; what it holds is taken";
            self.count(why, text.map_or(&[], |text| text));
        }
        for (index, message) in messages.into_iter().enumerate() {
            match message {
                Ok(message) => self.message(message),
                Err(malformed) => {
                    let text = text.and_then(|text| element(text, index, &self.options.limits));
                    self.malformed_text(malformed, text.as_deref());
                }
            }
        }
    }

    /// The start of a message that is larger than may be: if it is a response, its call would wait for ever.
    fn oversized(&self, start: &[u8]) {
        let limit = self.options.limits.bytes;
        self.count(&format!("a message of more than {limit} bytes"), start);
        let response_to = oversized_response(start);
        self.driver.unclaimed.store(response_to == Some(None), Ordering::Relaxed);
        if let Some(response_to) = response_to {
            self.handle(Input::Oversized { origin: Origin::Shared, response_to });
        }
    }

    /// The end of such a message: some servers write the id last.
    fn oversized_end(&self, end: &[u8]) {
        if self.driver.unclaimed.swap(false, Ordering::Relaxed)
            && let response_to @ Some(_) = oversized_response_end(end)
        {
            self.handle(Input::Oversized { origin: Origin::Shared, response_to });
        }
    }
}

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
