use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context as Task, Poll, Waker},
};

use anyport_protocol::{
    Error, Method, Raw,
    failure::Failure,
    json::{Members, RareWord},
};
use bytestring::ByteString;
use futures_core::Stream;
use tokio::sync::oneshot;

/// What few results of tools have.
static IS_ERROR: RareWord = RareWord::new("isError");

/// The reply to a call: any number of notifications and server requests, then exactly one [`Outcome`].
///
/// A call that is answered at once is just its outcome: it costs no task, no channel and no lock. Dropping a
/// reply cancels the call.
#[must_use = "dropping a reply cancels the call"]
pub struct Reply(State);

enum State {
    Ready(Outcome),
    Stream(Pin<Box<dyn Stream<Item = Event> + Send>>),
    Over,
}

/// One step of a reply.
#[derive(Debug)]
pub enum Event {
    /// Something about the call for its caller.
    Notification(Notification),
    /// An unknown notification, such as one of an extension. It passes unchanged.
    Unknown {
        /// Its name.
        method: ByteString,
        /// Its params.
        params: Raw,
    },
    /// A server request that the caller must answer before the call continues; only for inline callers.
    ServerRequest(ServerRequest),
    /// The connection may be closed until `retry` has passed; the call continues and its messages are stored. Only
    /// transports with resumable streams do so (2025-11-25, transports §Sending Messages to the Server), others ignore
    /// it.
    Disconnect {
        /// How long the client should wait before it reconnects.
        retry: std::time::Duration,
    },
    /// The end.
    Outcome(Outcome),
}

/// A notification in the newest vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Which.
    pub method: Method,
    /// Its params.
    pub params: Raw,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A final result: the `result` object, `resultType` included.
    Result(Raw),
    /// An `InputRequiredResult`: the caller has to answer and call again.
    InputRequired(Raw),
    /// An error that somebody answered with.
    Error(Error),
    /// A failure that is known locally: there is no response.
    Failed(Box<Failure>),
}

impl Outcome {
    /// Sorts a result object by its `resultType`; an absent one means complete.
    pub fn of_result(result: Raw) -> Self {
        match Members::find(result.as_str(), "resultType") {
            Some("\"input_required\"") => Self::InputRequired(result),
            _ => Self::Result(result),
        }
    }

    /// Whether the call failed: an error, a failure that is known locally, or the result of a tool with `isError`.
    pub fn is_error(&self) -> bool {
        match self {
            Self::Error(_) | Self::Failed(_) => true,
            Self::InputRequired(_) => false,
            Self::Result(result) => {
                let text = result.as_str();
                Members::may_have(text, &IS_ERROR) && Members::find(text, IS_ERROR.as_str()) == Some("true")
            }
        }
    }
}

impl From<Result<Raw, Error>> for Outcome {
    fn from(result: Result<Raw, Error>) -> Self {
        result.map_or_else(Self::Error, Self::Result)
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A layer's part in one call: it stands between a reply and its reader.
///
/// A small value on the stack: what only a call that has to be waited for needs (a timer, a channel) is made in
/// [`Relay::poll`]. So a reply that is ready passes through any number of layers without an allocation.
pub trait Relay: Send + Unpin + 'static {
    /// The outcome as it is passed on. For a reply that is ready this is the only call. A relay that is only kept until the end of
    /// the call (a permit, a guard) leaves it as it is.
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        outcome
    }

    /// The next event as it is passed on; the last one is an outcome that went through [`Relay::outcome`]. May replace
    /// `reply`, to go on with another one.
    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        Poll::Ready(match std::task::ready!(reply.poll_event(task)) {
            Event::Outcome(outcome) => Event::Outcome(self.outcome(outcome)),
            event => event,
        })
    }
}

impl Reply {
    /// Passes everything through `relay`.
    pub fn relay(self, mut relay: impl Relay) -> Self {
        match self.into_ready() {
            Ok(outcome) => Self::ready(relay.outcome(outcome)),
            Err(reply) => Self::pending(Relayed { reply, relay }),
        }
    }

    /// Passes the outcome through `change`.
    pub fn map(self, change: impl FnOnce(Outcome) -> Outcome + Send + Unpin + 'static) -> Self {
        self.relay(Map(Some(change)))
    }

    /// The end, at once.
    pub fn ready(outcome: impl Into<Outcome>) -> Self {
        Self(State::Ready(outcome.into()))
    }

    /// An error, at once.
    pub fn error(error: Error) -> Self {
        Self(State::Ready(Outcome::Error(error)))
    }

    /// A failure that is known on our side, at once.
    pub fn failed(failure: Failure) -> Self {
        Self(State::Ready(failure.into()))
    }

    /// A stream that ends with an outcome. What it yields after that is not read.
    ///
    /// The stream is polled once right here, so that a call which needs no waiting is [`Reply::ready`] for every
    /// layer around it.
    pub fn stream(stream: impl Stream<Item = Event> + Send + 'static) -> Self {
        let mut stream: Pin<Box<dyn Stream<Item = Event> + Send>> = Box::pin(stream);
        match stream.as_mut().poll_next(&mut Task::from_waker(Waker::noop())) {
            Poll::Ready(Some(Event::Outcome(outcome))) => Self(State::Ready(outcome)),
            Poll::Ready(Some(event)) => {
                Self(State::Stream(Box::pin(First { event: Some(event), rest: stream })))
            }
            Poll::Ready(None) => Self::error(unanswered()),
            Poll::Pending => Self(State::Stream(stream)),
        }
    }

    /// A stream that is known to have nothing yet.
    pub fn pending(stream: impl Stream<Item = Event> + Send + 'static) -> Self {
        Self(State::Stream(Box::pin(stream)))
    }

    /// A future of the outcome.
    pub fn future(future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        let mut future = Box::pin(future);
        match future.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Self(State::Ready(outcome)),
            Poll::Pending => Self(State::Stream(Box::pin(Only(future)))),
        }
    }

    /// The outcome, when it is there already; else the reply itself.
    ///
    /// # Errors
    /// The reply, unchanged.
    pub fn into_ready(self) -> Result<Outcome, Self> {
        match self.0 {
            State::Ready(outcome) => Ok(outcome),
            state => Err(Self(state)),
        }
    }

    /// The next event. After the outcome the reply is over and stays pending for ever.
    pub fn poll_event(&mut self, task: &mut Task<'_>) -> Poll<Event> {
        match &mut self.0 {
            State::Over => Poll::Pending,
            State::Ready(_) => match std::mem::replace(&mut self.0, State::Over) {
                State::Ready(outcome) => Poll::Ready(Event::Outcome(outcome)),
                _ => Poll::Pending,
            },
            State::Stream(stream) => {
                let event = std::task::ready!(stream.as_mut().poll_next(task));
                let event = event.unwrap_or_else(|| Event::Outcome(Outcome::Error(unanswered())));
                if matches!(event, Event::Outcome(_)) {
                    self.0 = State::Over;
                }
                Poll::Ready(event)
            }
        }
    }

    /// The next event; cancel-safe.
    pub async fn next(&mut self) -> Event {
        poll_fn(|task| self.poll_event(task)).await
    }

    /// The outcome alone, for a caller that wants no notifications and answers no questions.
    pub async fn outcome(mut self) -> Outcome {
        loop {
            if let Event::Outcome(outcome) = self.next().await {
                return outcome;
            }
        }
    }
}

/// A service broke the contract of [`Reply`].
fn unanswered() -> Error {
    Error::internal("the call ended without an answer")
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Ready(outcome) => f.debug_tuple("Reply").field(outcome).finish(),
            State::Stream(_) => f.write_str("Reply(..)"),
            State::Over => f.write_str("Reply(over)"),
        }
    }
}

struct Relayed<R> {
    reply: Reply,
    relay: R,
}

impl<R: Relay> Stream for Relayed<R> {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        let this = &mut *self;
        this.relay.poll(&mut this.reply, task).map(Some)
    }
}

/// A relay that changes the outcome.
struct Map<F>(Option<F>);

impl<F: FnOnce(Outcome) -> Outcome + Send + Unpin + 'static> Relay for Map<F> {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        match self.0.take() {
            Some(change) => change(outcome),
            None => outcome,
        }
    }
}

/// An event that was polled early, then the rest.
struct First {
    event: Option<Event>,
    rest: Pin<Box<dyn Stream<Item = Event> + Send>>,
}

impl Stream for First {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        match self.event.take() {
            Some(event) => Poll::Ready(Some(event)),
            None => self.rest.as_mut().poll_next(task),
        }
    }
}

struct Only<F>(Pin<Box<F>>);

impl<F: Future<Output = Outcome>> Stream for Only<F> {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        self.0.as_mut().poll(task).map(|outcome| Some(Event::Outcome(outcome)))
    }
}

/// The answer to a server request: its result object, or its error.
pub type Answer = Result<Raw, Error>;

/// A server request: something that a server asks of its client, while a call is open or outside any call.
#[derive(Debug)]
pub struct ServerRequest {
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: Method,
    /// Its params.
    pub params: Raw,
    /// Takes the answer. Dropping it means that no answer will come.
    pub responder: Responder,
}

impl ServerRequest {
    /// A server request, and where its answer arrives. Dropping the receiver withdraws the request.
    pub fn new(method: Method, params: Raw) -> (Self, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        (Self { method, params, responder: Responder::new(sender) }, receiver)
    }
}

/// Receives the answer to one server request, wherever the request came from.
pub trait AnswerSink: Send + 'static {
    /// Takes the answer; `None` if the responder was dropped without one. An answer to a request that was withdrawn
    /// meanwhile is ignored.
    fn answer(self: Box<Self>, answer: Option<Answer>);

    /// Returns whether the request was withdrawn.
    fn is_withdrawn(&self) -> bool;

    /// Returns whether the request was withdrawn; else `task` is woken when it is.
    fn poll_withdrawn(&mut self, task: &mut Task<'_>) -> Poll<()>;
}

/// Dropping the receiver withdraws the request.
impl AnswerSink for oneshot::Sender<Answer> {
    fn answer(self: Box<Self>, answer: Option<Answer>) {
        if let Some(answer) = answer {
            let _ = (*self).send(answer);
        }
    }

    fn is_withdrawn(&self) -> bool {
        self.is_closed()
    }

    fn poll_withdrawn(&mut self, task: &mut Task<'_>) -> Poll<()> {
        self.poll_closed(task)
    }
}

/// Answers one server request. Dropping it means that no answer will come.
pub struct Responder {
    /// `None` once it has answered.
    sink: Option<Box<dyn AnswerSink>>,
    held: Vec<Box<dyn Send>>,
}

impl Responder {
    /// A responder that answers to `sink`.
    pub fn new(sink: impl AnswerSink) -> Self {
        Self { sink: Some(Box::new(sink)), held: Vec::new() }
    }

    /// Answers the request. If it was withdrawn meanwhile, the answer is ignored.
    pub fn answer(mut self, answer: Answer) {
        if let Some(sink) = self.sink.take() {
            sink.answer(Some(answer));
        }
    }

    /// Completes when the request is withdrawn: its answer is not awaited any more.
    pub async fn withdrawn(&mut self) {
        poll_fn(|task| self.poll_withdrawn(task)).await;
    }

    /// Returns whether the request was withdrawn; else `task` is woken when it is.
    pub fn poll_withdrawn(&mut self, task: &mut Task<'_>) -> Poll<()> {
        self.sink.as_mut().map_or(Poll::Ready(()), |sink| sink.poll_withdrawn(task))
    }

    /// Whether the request was withdrawn.
    pub fn is_withdrawn(&self) -> bool {
        self.sink.as_ref().is_none_or(|sink| sink.is_withdrawn())
    }

    /// Keeps `guard` until the request is settled: answered, withdrawn or given up.
    pub fn hold(&mut self, guard: impl Send + 'static) {
        self.held.push(Box::new(guard));
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take() {
            sink.answer(None);
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what passes, and replaces a reply that fails by another one.
    #[derive(Default)]
    struct Counting {
        events: u64,
        again: bool,
    }

    impl Relay for Counting {
        fn outcome(&mut self, outcome: Outcome) -> Outcome {
            match outcome {
                Outcome::Result(_) => Outcome::Result(Raw::trusted(self.events.to_string().into_bytes())),
                outcome => outcome,
            }
        }

        fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
            match std::task::ready!(reply.poll_event(task)) {
                Event::Outcome(Outcome::Failed(_)) if !std::mem::replace(&mut self.again, true) => {
                    *reply = Reply::ready(Ok(Raw::NULL));
                    self.poll(reply, task)
                }
                Event::Outcome(outcome) => Poll::Ready(Event::Outcome(self.outcome(outcome))),
                event => {
                    self.events += 1;
                    Poll::Ready(event)
                }
            }
        }
    }

    fn told() -> Event {
        Event::Unknown { method: "notifications/x".into(), params: Raw::EMPTY_OBJECT }
    }

    #[test]
    fn a_ready_reply_stays_ready_through_a_relay() {
        let reply = Reply::ready(Ok(Raw::NULL)).relay(Counting::default()).map(|outcome| outcome);
        assert_eq!(reply.into_ready().unwrap(), Outcome::Result(Raw::trusted(b"0".to_vec())));
    }

    #[tokio::test]
    async fn a_relay_sees_every_event_and_may_go_on_with_another_reply() {
        let reply = crate::emit::reply(|emitter| async move {
            emitter.emit(told()).await;
            Failure::ShuttingDown.into()
        });
        let mut reply = reply.relay(Counting::default());
        assert!(matches!(reply.next().await, Event::Unknown { .. }));
        assert_eq!(reply.outcome().await, Outcome::Result(Raw::trusted(b"1".to_vec())));
    }

    #[test]
    fn an_outcome_is_no_larger_than_the_error_in_it() {
        // Every event and every reply that is ready holds one. A failure is boxed, so that it costs the others nothing.
        assert_eq!(size_of::<Outcome>(), 72);
        assert_eq!(size_of::<Outcome>(), size_of::<Error>());
    }
}
