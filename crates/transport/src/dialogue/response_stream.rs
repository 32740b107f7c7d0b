use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_protocol::{
    Error, Id, Method, Raw, Revision,
    failure::Failure,
    json::Splice,
    meta::key,
    session::{
        cancelled_params,
        server::{SentRequests, Translation},
    },
};
use anyport_service::{Event, Notification, Outcome, Reply, ServerRequest};
use bytes::Bytes;
use tokio::task::coop::consume_budget;

use super::{
    session::{BegunReply, CallOrigin, LegacySession},
    text::{EncodedResponse, cancellation_text, notification_text, refusal, success},
};
use crate::{
    buffered_bytes::{BufferedBytes, RoomWait},
    observed::{self, CallObserver},
};

/// The messages of one call: the service's reply, written in the caller's revision.
pub(crate) struct ResponseStream {
    id: Id,
    reply: Reply,
    encoding: Encoding,
    /// Written messages that precede the next event of the reply.
    ready: VecDeque<ResponseEvent>,
    /// The budget of large answers.
    buffers: BufferedBytes,
    /// A large outcome that waits until clients have read others.
    waiting: Option<(Outcome, RoomWait)>,
    /// Sees what is written.
    observer: Option<Arc<dyn CallObserver>>,
}

enum Encoding {
    /// A stateless revision. A listen stream tags its messages with its id.
    Modern { listen: bool, translation: Translation, method: Option<Method> },
    /// A revision with sessions.
    Legacy(Legacy),
}

struct Legacy {
    session: Arc<LegacySession>,
    translation: Translation,
    /// The method whose result is lowered; `None` if the session made the result itself.
    method: Option<Method>,
    /// The requests that this call has sent to the client.
    sent: SentRequests,
    /// A request that waits for the client to be ready.
    held: Option<(ServerRequest, ClientReady)>,
}

type ClientReady = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One step of a response stream.
#[derive(Debug)]
pub(crate) enum ResponseEvent {
    /// A notification or a request to the client.
    Message(Bytes),
    /// The connection may end here; the client comes back after this time.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    Disconnect(Duration),
    /// The response, which ends the stream.
    Response(EncodedResponse),
}

impl ResponseStream {
    /// The messages of a request of the stateless `revision`; `method` is `None` if the protocol does not have it.
    pub(crate) fn modern(
        id: Id,
        reply: Reply,
        revision: Revision,
        method: Option<Method>,
        listen: bool,
        buffers: &BufferedBytes,
    ) -> Self {
        let encoding = Encoding::Modern { listen, translation: Translation::to(revision), method };
        Self::new(id, reply, encoding, buffers)
    }

    fn new(id: Id, reply: Reply, encoding: Encoding, buffers: &BufferedBytes) -> Self {
        let (buffers, observer) = (buffers.clone(), observed::current());
        Self { id, reply, encoding, ready: VecDeque::new(), buffers, waiting: None, observer }
    }

    /// The messages of a request of `session`. `presence`: that of its client, if the call continues without its client.
    ///
    /// # Errors
    /// The id is in use, or too many requests are in flight.
    pub(crate) fn legacy(
        session: &Arc<LegacySession>,
        request: anyport_protocol::jsonrpc::Request,
        buffers: &BufferedBytes,
        origin: CallOrigin<'_>,
    ) -> Result<Self, Error> {
        let BegunReply { id, reply, translation, method } = session.begin(request, origin)?;
        let session = session.clone();
        let legacy = Legacy { session, translation, method, sent: SentRequests::default(), held: None };
        Ok(Self::new(id, reply, Encoding::Legacy(legacy), buffers))
    }

    /// The id of the request.
    #[cfg(feature = "http")]
    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    /// Whether this is a listen stream.
    pub(crate) fn is_listen(&self) -> bool {
        matches!(self.encoding, Encoding::Modern { listen: true, .. })
    }

    /// The response, if it is there already and nothing precedes it; else the stream itself.
    pub(crate) fn into_ready(self) -> Result<EncodedResponse, Self> {
        let Self { id, reply, encoding, ready, buffers, waiting, observer } = self;
        let reply = match reply.into_ready() {
            Ok(outcome) if buffers.has_room_for(size(&outcome)) => {
                let response = encoding.response(&id, outcome, &buffers);
                if let Some(observer) = &observer {
                    observer.sent(response.text.parts());
                }
                return Ok(response);
            }
            Ok(outcome) => Reply::ready(outcome),
            Err(reply) => reply,
        };
        Err(Self { id, reply, encoding, ready, buffers, waiting, observer })
    }

    /// The next step; cancel-safe.
    pub(crate) async fn next(&mut self) -> ResponseEvent {
        // A call that is always ready, to a client that always reads, leaves room for other tasks and for its own
        // cancellation.
        consume_budget().await;
        poll_fn(|task| self.poll_next(task)).await
    }

    /// The next step. After the response it stays pending for ever.
    pub(crate) fn poll_next(&mut self, task: &mut Task<'_>) -> Poll<ResponseEvent> {
        let event = std::task::ready!(self.poll_event(task));
        if let Some(observer) = &self.observer {
            match &event {
                ResponseEvent::Message(text) => observer.sent(std::slice::from_ref(text)),
                ResponseEvent::Response(response) => observer.sent(response.text.parts()),
                ResponseEvent::Disconnect(_) => {}
            }
        }
        Poll::Ready(event)
    }

    fn poll_event(&mut self, task: &mut Task<'_>) -> Poll<ResponseEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(event);
            }
            if let Some((_, room)) = &mut self.waiting {
                let room = std::task::ready!(room.as_mut().poll(task));
                if let Some((outcome, _)) = self.waiting.take() {
                    let response = self.end(room.map_or_else(Outcome::from, |()| outcome));
                    self.ready.push_back(response);
                }
                continue;
            }
            if let Encoding::Legacy(legacy) = &mut self.encoding {
                std::task::ready!(legacy.poll_held(task, &mut self.ready));
                legacy.withdraw(task, &mut self.ready);
                if !self.ready.is_empty() {
                    continue;
                }
            }
            let event = self.reply.poll_event(task);
            if let (Poll::Pending, Encoding::Legacy(legacy)) = (&event, &mut self.encoding) {
                // Polling the reply may have withdrawn requests.
                legacy.withdraw(task, &mut self.ready);
                if !self.ready.is_empty() {
                    continue;
                }
            }
            match std::task::ready!(event) {
                Event::Notification(notification) => self.notify(notification),
                Event::Unknown { method, params } => {
                    self.ready.push_back(ResponseEvent::Message(notification_text(&method, &params)));
                }
                Event::ServerRequest(request) => match &mut self.encoding {
                    // A modern caller is asked by result; dropping the request means that no answer comes.
                    Encoding::Modern { .. } => {}
                    Encoding::Legacy(legacy) => legacy.hold(request),
                },
                Event::Disconnect { retry } => {
                    if self.encoding.has_polling() {
                        self.ready.push_back(ResponseEvent::Disconnect(retry));
                    }
                }
                Event::Outcome(outcome) if !self.buffers.has_room_for(size(&outcome)) => {
                    let room = self.buffers.clone().room_for(size(&outcome));
                    self.waiting = Some((outcome, Box::pin(room)));
                }
                Event::Outcome(outcome) => {
                    let response = self.end(outcome);
                    // Nothing precedes it, as a rule, and then there is no queue.
                    if self.ready.is_empty() {
                        return Poll::Ready(response);
                    }
                    self.ready.push_back(response);
                }
            }
        }
    }

    fn notify(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        let params = match &self.encoding {
            Encoding::Modern { listen, translation, .. } => {
                let lowered = translation.lower_notification(method, params);
                if *listen { lowered.map(|params| tagged(&params, &self.id)) } else { lowered }
            }
            Encoding::Legacy(legacy) => legacy.translation.lower_notification(method, params),
        };
        if let Some(params) = params {
            let text = self.buffers.hold(notification_text(method.as_str(), &params));
            self.ready.push_back(ResponseEvent::Message(text));
        }
    }

    /// The response, before which what is in the queue is sent.
    fn end(&mut self, outcome: Outcome) -> ResponseEvent {
        match &mut self.encoding {
            Encoding::Modern { listen: true, .. } => {
                // 2026-07-28, patterns/cancellation: "A server MUST send `notifications/cancelled` referencing a
                // `subscriptions/listen` request ID when it tears down that subscription stream". The result
                // follows, as subscriptions §Graceful Closure wants it.
                let params = tagged(&cancelled_params(&self.id), &self.id);
                self.ready.push_back(ResponseEvent::Message(notification_text(
                    Method::Cancelled.as_str(),
                    &params,
                )));
            }
            Encoding::Modern { listen: false, .. } => {}
            Encoding::Legacy(legacy) => {
                let succeeded = !matches!(outcome, Outcome::Error(_) | Outcome::Failed(_));
                legacy.end(succeeded, &mut self.ready);
            }
        }
        ResponseEvent::Response(self.encoding.response(&self.id, outcome, &self.buffers))
    }

    /// Withdraws the requests to the client, which gets no message before the response and so cannot answer any.
    #[cfg(feature = "http")]
    pub(crate) fn withdraw_requests(&mut self) {
        if let Encoding::Legacy(legacy) = &mut self.encoding {
            legacy.end(false, &mut VecDeque::new());
        }
    }

    /// Cancels the call. Returns the messages that are still sent: the cancellations of its requests to the client.
    pub(crate) fn cancel(self) -> Vec<Bytes> {
        let Self { reply, encoding, observer, .. } = self;
        drop(reply);
        let mut last = VecDeque::new();
        if let Encoding::Legacy(mut legacy) = encoding {
            legacy.end(false, &mut last);
        }
        let messages = last.into_iter().filter_map(|event| match event {
            ResponseEvent::Message(text) => Some(text),
            _ => None,
        });
        messages
            .inspect(|text| observer.iter().for_each(|observer| observer.sent(std::slice::from_ref(text))))
            .collect()
    }
}

/// The bytes of what makes an outcome large.
pub(crate) fn size(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Result(result) | Outcome::InputRequired(result) => result.as_str().len(),
        Outcome::Error(error) => error.data.as_ref().map_or(0, |data| data.as_str().len()),
        Outcome::Failed(_) => 0,
    }
}

impl Encoding {
    fn response(&self, id: &Id, outcome: Outcome, buffers: &BufferedBytes) -> EncodedResponse {
        let outcome = match (self, outcome) {
            (Self::Modern { listen, translation, method }, outcome) => {
                let outcome = match outcome {
                    Outcome::Result(result) | Outcome::InputRequired(result) => Ok(result),
                    Outcome::Error(error) => Err(error),
                    Outcome::Failed(failure) => Err(failure.to_error()),
                };
                let lowered = translation.lower_outcome(*method, outcome);
                if *listen { lowered.map(|result| tagged(&result, id)) } else { lowered }
            }
            (Self::Legacy(legacy), outcome) => legacy.lower(outcome, buffers),
        };
        match outcome {
            Ok(result) => success(id, result, buffers),
            Err(error) => {
                let refused = refusal(Some(id), &error, false);
                EncodedResponse { text: buffers.hold(refused.text.into_bytes()).into(), ..refused }
            }
        }
    }

    /// Whether the connection may end during the call.
    fn has_polling(&self) -> bool {
        matches!(self, Self::Legacy(legacy) if legacy.session.revision().has_sse_polling())
    }
}

impl Legacy {
    fn lower(&self, outcome: Outcome, buffers: &BufferedBytes) -> Result<Raw, Error> {
        let outcome = match outcome {
            Outcome::Result(result) => Ok(result),
            Outcome::Error(error) => Err(error),
            Outcome::Failed(failure) => Err(failure.to_error()),
            // `LegacyClientAdapter` answers these; a service without it cannot serve this caller.
            Outcome::InputRequired(_) => {
                let why = "the server asked in a way that this client cannot answer";
                Err(Failure::InvalidPeer(why.into()).to_error())
            }
        };
        match self.method {
            Some(method) => buffers.lowered().lower(self.translation, method, outcome),
            None => outcome,
        }
    }

    /// 2025-11-25, lifecycle §Initialization: "The server SHOULD NOT send requests other than pings and logging
    /// before receiving the `initialized` notification", so the request waits for it.
    fn hold(&mut self, request: ServerRequest) {
        self.held = Some((request, Box::pin(self.session.clone().until_ready())));
    }

    fn poll_held(&mut self, task: &mut Task<'_>, ready: &mut VecDeque<ResponseEvent>) -> Poll<()> {
        let Some((_, client)) = &mut self.held else { return Poll::Ready(()) };
        std::task::ready!(client.as_mut().poll(task));
        if let Some((request, _)) = self.held.take()
            && let Some(text) = self.session.send_request(&mut self.sent, request)
        {
            ready.push_back(ResponseEvent::Message(text));
        }
        Poll::Ready(())
    }

    /// Cancels the requests to the client whose answers are no longer awaited.
    fn withdraw(&mut self, task: &mut Task<'_>, ready: &mut VecDeque<ResponseEvent>) {
        while self.sent.has_open() {
            let withdrawn = self
                .session
                .machine()
                .withdraw(&mut self.sent, |responder| responder.poll_withdrawn(task).is_ready());
            let Some((id, _)) = withdrawn else { return };
            ready.push_back(ResponseEvent::Message(cancellation_text(&id)));
        }
    }

    /// Cancels the requests that are open, and notifies of the elicitations by URL that are complete.
    fn end(&mut self, succeeded: bool, ready: &mut VecDeque<ResponseEvent>) {
        if self.sent.is_empty() {
            return;
        }
        let ended = self.session.machine().end_call(&mut self.sent, succeeded);
        for (id, _) in &ended.withdrawn {
            ready.push_back(ResponseEvent::Message(cancellation_text(id)));
        }
        for elicitation in ended.completed {
            let params = Splice::new().with("elicitationId", &elicitation).finish();
            let text = notification_text(Method::ElicitationComplete.as_str(), &params);
            ready.push_back(ResponseEvent::Message(text));
        }
    }
}

/// 2026-07-28, basic §_meta: on notifications delivered via a listen stream, "the server MUST include
/// `io.modelcontextprotocol/subscriptionId` in `_meta`".
fn tagged(object: &Raw, id: &Id) -> Raw {
    let meta = object.member("_meta").unwrap_or(Raw::EMPTY_OBJECT);
    let meta =
        Splice::retain(&meta, |key| key != key::SUBSCRIPTION_ID).with(key::SUBSCRIPTION_ID, id.as_raw());
    Splice::retain(object, |key| key != "_meta").with("_meta", &meta.finish()).finish()
}
