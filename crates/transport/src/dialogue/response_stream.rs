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
    json::Splice,
    jsonrpc::{Reason, write_error, write_notification, write_result},
    meta::key,
};
use anyport_service::{Event, Notification, Outcome, Reply, ServerRequest};
use bytes::Bytes;
use tokio::task::coop::consume_budget;

use super::{LegacySession, cancelled_params, one_line};

/// One request's way out: the reply of the service as messages in the words of the caller's revision.
pub(crate) struct ResponseStream {
    id: Id,
    reply: Reply,
    encoding: Encoding,
    /// What is to be said before the reply is read on.
    ready: VecDeque<ResponseEvent>,
}

enum Encoding {
    /// 2026-07-28. A listen stream tags what it says with its id.
    Modern { listen: bool },
    /// An older revision, in whose words everything is lowered.
    Legacy(Legacy),
}

struct Legacy {
    session: Arc<LegacySession>,
    /// The method whose result is lowered; `None` when the session made the result itself.
    method: Option<Method>,
    /// Questions of this call that the client has not settled.
    asked: Vec<Id>,
    /// URL elicitations whose end this client wants to hear of (2025-11-25 only).
    elicitations: Vec<Raw>,
    /// A question that waits for the client to be ready.
    held: Option<(ServerRequest, ClientReady)>,
}

type ClientReady = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One step of an exchange.
#[derive(Debug)]
pub(crate) enum ResponseEvent {
    /// A notification or a question.
    Message(Bytes),
    /// The connection may end here for a while.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    Disconnect(Duration),
    /// The response, which ends the exchange.
    Answer(Answer),
}

/// A response, written out.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The whole message.
    pub(crate) text: Bytes,
    /// What went wrong, if anything did.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) fault: Option<Fault>,
}

/// What a transport needs to know of an error to say it in its own way.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "http"), allow(dead_code))]
pub(crate) struct Fault {
    pub(crate) code: i64,
    pub(crate) reason: Option<Reason>,
}

impl ResponseStream {
    /// The way out for a request of the newest revision.
    pub(crate) fn modern(id: Id, reply: Reply, listen: bool) -> Self {
        Self { id, reply, encoding: Encoding::Modern { listen }, ready: VecDeque::new() }
    }

    /// The way out for a request of `session`. `method` names what is to be lowered.
    pub(super) fn legacy(id: Id, reply: Reply, session: Arc<LegacySession>, method: Option<Method>) -> Self {
        let legacy = Legacy { session, method, asked: Vec::new(), elicitations: Vec::new(), held: None };
        Self { id, reply, encoding: Encoding::Legacy(legacy), ready: VecDeque::new() }
    }

    /// The id of the request.
    pub(crate) fn id(&self) -> &Id {
        &self.id
    }

    /// Whether this is a listen stream.
    pub(crate) fn is_listen(&self) -> bool {
        matches!(self.encoding, Encoding::Modern { listen: true })
    }

    /// The response, when it is there already and nothing comes before it; else the exchange itself.
    pub(crate) fn into_ready(self) -> Result<Answer, Self> {
        let Self { id, reply, encoding, ready } = self;
        match reply.into_ready() {
            Ok(outcome) => Ok(encoding.answer(&id, outcome)),
            Err(reply) => Err(Self { id, reply, encoding, ready }),
        }
    }

    /// The next step; cancel-safe.
    pub(crate) async fn next(&mut self) -> ResponseEvent {
        // A call that always has something to say, and that nobody holds up, gives others their turn, and whoever
        // cancels it.
        consume_budget().await;
        poll_fn(|task| self.poll_next(task)).await
    }

    /// The next step. After the answer it stays pending for ever.
    pub(crate) fn poll_next(&mut self, task: &mut Task<'_>) -> Poll<ResponseEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(event);
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
                // Polling the reply may have withdrawn questions.
                legacy.withdraw(task, &mut self.ready);
                if !self.ready.is_empty() {
                    continue;
                }
            }
            match std::task::ready!(event) {
                Event::Notification(notification) => self.notify(notification),
                Event::Unknown { method, params } => {
                    self.ready.push_back(ResponseEvent::Message(named_text(&method, &params)));
                }
                Event::ServerRequest(question) => match &mut self.encoding {
                    // A modern caller is asked by result; dropping the question says that nobody will answer.
                    Encoding::Modern { .. } => {}
                    Encoding::Legacy(legacy) => legacy.hold(question),
                },
                Event::Disconnect { retry } => {
                    if self.encoding.polls() {
                        self.ready.push_back(ResponseEvent::Disconnect(retry));
                    }
                }
                Event::Outcome(outcome) => self.end(outcome),
            }
        }
    }

    fn notify(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        let params = match &self.encoding {
            Encoding::Modern { listen: true } => Some(tagged(&params, &self.id)),
            Encoding::Modern { listen: false } => Some(params),
            Encoding::Legacy(legacy) => legacy.session.notify(method, params),
        };
        if let Some(params) = params {
            self.ready.push_back(ResponseEvent::Message(notification_text(method, &params)));
        }
    }

    fn end(&mut self, outcome: Outcome) {
        match &mut self.encoding {
            Encoding::Modern { listen: true } => {
                // 2026-07-28, patterns/cancellation: "A server MUST send `notifications/cancelled` referencing a
                // `subscriptions/listen` request ID when it tears down that subscription stream". The result
                // follows, as subscriptions §Graceful Closure wants it.
                let params = tagged(&cancelled_params(&self.id), &self.id);
                self.ready.push_back(ResponseEvent::Message(notification_text(Method::Cancelled, &params)));
            }
            Encoding::Modern { listen: false } => {}
            Encoding::Legacy(legacy) => {
                legacy.withdraw_all(&mut self.ready);
                if !matches!(outcome, Outcome::Error(_) | Outcome::Failed(_)) {
                    legacy.complete(&mut self.ready);
                }
            }
        }
        let answer = self.encoding.answer(&self.id, outcome);
        self.ready.push_back(ResponseEvent::Answer(answer));
    }

    /// The client does not hear what the exchange says before its answer: nobody will answer its questions.
    #[cfg(feature = "http")]
    pub(crate) fn unheard(&mut self) {
        if let Encoding::Legacy(legacy) = &mut self.encoding {
            legacy.withdraw_all(&mut VecDeque::new());
        }
    }

    /// Cancels the call. Returns what must still be said: the withdrawal of its open questions.
    pub(crate) fn cancel(self) -> Vec<Bytes> {
        let Self { reply, encoding, .. } = self;
        drop(reply);
        let mut last = VecDeque::new();
        if let Encoding::Legacy(mut legacy) = encoding {
            legacy.withdraw_all(&mut last);
        }
        let messages = last.into_iter().filter_map(|event| match event {
            ResponseEvent::Message(text) => Some(text),
            _ => None,
        });
        messages.collect()
    }
}

impl Encoding {
    fn answer(&self, id: &Id, outcome: Outcome) -> Answer {
        let outcome = match (self, outcome) {
            (Self::Modern { listen: true }, Outcome::Result(result)) => Ok(tagged(&result, id)),
            (Self::Modern { .. }, Outcome::Result(result) | Outcome::InputRequired(result)) => Ok(result),
            (Self::Modern { .. }, Outcome::Error(error)) => Err(error),
            (Self::Modern { .. }, Outcome::Failed(failure)) => Err(failure.to_error()),
            (Self::Legacy(legacy), outcome) => legacy.lower(outcome),
        };
        let mut text = Vec::new();
        match outcome {
            Ok(result) => {
                write_result(&mut text, id, &result);
                Answer { text: one_line(text), fault: None }
            }
            Err(error) => {
                write_error(&mut text, Some(id), &error, false);
                let fault = Fault { code: error.code, reason: error.reason };
                Answer { text: one_line(text), fault: Some(fault) }
            }
        }
    }

    /// Whether the client may be sent away in mid-call (2025-11-25, SSE polling).
    fn polls(&self) -> bool {
        matches!(self, Self::Legacy(legacy) if legacy.session.revision() >= Revision::V2025_11_25)
    }
}

impl Legacy {
    fn lower(&self, outcome: Outcome) -> Result<Raw, Error> {
        let outcome = match outcome {
            Outcome::Result(result) => Ok(result),
            Outcome::Error(error) => Err(error),
            Outcome::Failed(failure) => Err(failure.to_error()),
            // The shim stands between; a service without it cannot serve this caller.
            Outcome::InputRequired(_) => {
                Err(Error::internal("the server asked in a way that this client cannot answer")
                    .with_reason(Reason::InvalidUpstream))
            }
        };
        match self.method {
            Some(method) => self.session.lower(Some(method), outcome),
            None => outcome,
        }
    }

    /// 2025-11-25, lifecycle §Initialization: "The server SHOULD NOT send requests other than pings and logging
    /// before receiving the `initialized` notification", so the question waits for it.
    fn hold(&mut self, question: ServerRequest) {
        self.held = Some((question, Box::pin(self.session.clone().until_ready())));
    }

    fn poll_held(&mut self, task: &mut Task<'_>, ready: &mut VecDeque<ResponseEvent>) -> Poll<()> {
        let Some((_, client)) = &mut self.held else { return Poll::Ready(()) };
        std::task::ready!(client.as_mut().poll(task));
        if let Some((question, _)) = self.held.take()
            && let Some(asked) = self.session.ask(question)
        {
            self.asked.push(asked.id);
            self.elicitations.extend(asked.elicitation);
            ready.push_back(ResponseEvent::Message(asked.text));
        }
        Poll::Ready(())
    }

    /// Tells the client which of its questions nobody waits for any more.
    fn withdraw(&mut self, task: &mut Task<'_>, ready: &mut VecDeque<ResponseEvent>) {
        let session = &self.session;
        self.asked.retain(|id| match session.question_state(id, task) {
            QuestionState::Open => true,
            QuestionState::Settled => false,
            QuestionState::Withdrawn => {
                let text = notification_text(Method::Cancelled, &cancelled_params(id));
                ready.push_back(ResponseEvent::Message(text));
                false
            }
        });
    }

    fn withdraw_all(&mut self, ready: &mut VecDeque<ResponseEvent>) {
        for id in self.asked.drain(..) {
            if self.session.forget(&id) {
                let text = notification_text(Method::Cancelled, &cancelled_params(&id));
                ready.push_back(ResponseEvent::Message(text));
            }
        }
    }

    /// 2025-11-25, elicitation §Completion Notifications.
    fn complete(&mut self, ready: &mut VecDeque<ResponseEvent>) {
        for elicitation in self.elicitations.drain(..) {
            let params = Splice::new().with("elicitationId", &elicitation).finish();
            ready.push_back(ResponseEvent::Message(notification_text(Method::ElicitationComplete, &params)));
        }
    }
}

/// Where a question of ours stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuestionState {
    Open,
    Settled,
    Withdrawn,
}

pub(super) fn notification_text(method: Method, params: &Raw) -> Bytes {
    named_text(method.as_str(), params)
}

/// A notification by its name.
pub(super) fn named_text(method: &str, params: &Raw) -> Bytes {
    let mut text = Vec::with_capacity(params.as_str().len() + 80);
    write_notification(&mut text, method, Some(params));
    one_line(text)
}

/// 2026-07-28, basic §_meta: on notifications delivered via a listen stream, "the server MUST include
/// `io.modelcontextprotocol/subscriptionId` in `_meta`".
fn tagged(object: &Raw, id: &Id) -> Raw {
    let meta = object.member("_meta").unwrap_or(Raw::EMPTY_OBJECT);
    let meta =
        Splice::retain(&meta, |key| key != key::SUBSCRIPTION_ID).with(key::SUBSCRIPTION_ID, id.as_raw());
    Splice::retain(object, |key| key != "_meta").with("_meta", &meta.finish()).finish()
}
