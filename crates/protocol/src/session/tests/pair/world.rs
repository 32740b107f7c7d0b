use std::{collections::BTreeMap, time::Duration};

use super::{
    client::{Caller, Reader},
    network::Stream,
    random::Random,
    server::Server,
};
use crate::{
    Id, Revision,
    failure::{CloseReason, Failure},
    session::client::{
        Action, Actions, CallId, Channel, ClientConnection, ConnectionConfig, Input, NegotiatedSession,
        Origin, Outgoing, ServerRequestId, UnsolicitedMessage,
    },
};

/// What may go wrong besides delays and cancellations.
#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    /// The channel, or a response stream, is cut.
    pub(super) cuts: bool,
    /// The server forgets its session.
    pub(super) lost_sessions: bool,
}

/// Both ends, what is under way between them, and the time.
pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: Duration,
    pub(super) events: BTreeMap<(Duration, u64), Event>,
    pub(super) last_event: u64,
    pub(super) client: ClientConnection<Caller>,
    pub(super) session: Option<std::sync::Arc<NegotiatedSession>>,
    pub(super) server: Server,
    pub(super) channel: Channel,
    pub(super) revision: Revision,
    pub(super) faults: Faults,
    pub(super) config: ConnectionConfig,
    /// When the last message of each stream arrives: those of one stream do not overtake each other.
    pub(super) streams: BTreeMap<Stream, Duration>,
    pub(super) readers: BTreeMap<CallId, Reader>,
    /// Ids of requests, and the sessions that they were sent in.
    pub(super) ids: Vec<(u64, u32)>,
    /// How many sessions the server has opened, and how many of them the client knows.
    pub(super) opened: u32,
    pub(super) known: u32,
    /// The sessions that the client has opened.
    pub(super) sessions: Vec<u32>,
    pub(super) timer: Option<Duration>,
    pub(super) calls_left: u64,
    pub(super) nonces: u64,
    /// The calls during which the server asked for roots on a shared stream: later calls may be asked in their place.
    pub(super) shared_roots: Vec<u64>,
    /// For which call the server waits for the answer to each of its requests that came on a shared stream.
    pub(super) asked_for: BTreeMap<String, u64>,
    /// Whether a call is being abandoned.
    pub(super) abandons: bool,
}

/// What happens at some time.
#[derive(Debug)]
pub(super) enum Event {
    /// A message arrives at the server: the request of a call, or anything else; and the session that it was sent in.
    ToServer(Option<CallId>, u32, Vec<u8>),
    /// A message arrives at the client, on the stream of a session or of the connection.
    ToClient(Origin, Vec<u8>),
    StreamClosed(CallId),
    ServerActs(u64),
    Reads(CallId),
    Answers(ServerRequestId, bool),
    Declines(ServerRequestId),
    Calls,
    Abandons(CallId),
    Times(Duration),
    Fails(CallId),
    Lost(CallId, u32),
    Ready(u32),
    Cut,
    Forgets,
}

impl World {
    pub(super) fn new(seed: u64, channel: Channel, revisions: &[Revision], faults: Faults) -> Self {
        let mut random = Random::new(seed);
        let revision = random.one_of(revisions);
        let config = ConnectionConfig {
            channel,
            revision: random.chance(50).then_some(revision),
            capabilities: super::server::raw(r#"{"elicitation":{},"sampling":{},"roots":{}}"#.into()),
            client_info: super::server::raw(r#"{"name":"c","version":"1"}"#.into()),
            max_open_requests: 3,
            call_queue: 2,
            max_open_questions: 2,
            ..ConnectionConfig::default()
        };
        Self {
            now: Duration::ZERO,
            events: BTreeMap::new(),
            last_event: 0,
            client: ClientConnection::new(config.clone()),
            session: None,
            server: Server::new(revision, config.max_open_requests),
            channel,
            revision,
            faults,
            config,
            streams: BTreeMap::new(),
            readers: BTreeMap::new(),
            ids: Vec::new(),
            opened: 0,
            known: 0,
            sessions: Vec::new(),
            timer: None,
            calls_left: 2 + random.below(4),
            nonces: 0,
            shared_roots: Vec::new(),
            asked_for: BTreeMap::new(),
            abandons: false,
            random,
        }
    }

    /// Runs until nothing is under way any more, and looks whether anything is left.
    pub(super) fn run(mut self) {
        self.act(|client, now, out| client.handle(now, Input::Opened, out));
        if self.faults.cuts && self.channel == Channel::Shared {
            let at = self.random.millis(400);
            self.after(at, Event::Cut);
        }
        if self.faults.lost_sessions && self.random.chance(60) {
            let at = self.random.millis(400);
            self.after(at, Event::Forgets);
        }
        self.drain(PATIENCE);
        let open: Vec<_> = self.readers.keys().copied().collect();
        // What is left waits for a server that says nothing any more.
        for call in open {
            self.abandon(call);
        }
        self.drain(Duration::MAX);
        assert!(self.readers.is_empty(), "a call has no end");
        assert_eq!(self.client.calls_in_flight(), 0);
        assert_eq!(self.client.open_server_requests(), 0, "a request of the server's is left");
        assert_eq!(self.client.buffered_bytes(), 0);
        assert!(self.client.is_unused(), "{:?}", self.client);
        if !self.faults.cuts && !self.faults.lost_sessions {
            assert_eq!((self.server.session.in_flight(), self.server.session.open_requests()), (0, 0));
        }
        self.act(|client, _, out| client.close(out));
        assert!(self.client.poll_timeout().is_none());
    }

    /// Lets everything happen that does until then.
    fn drain(&mut self, until: Duration) {
        let mut steps = 0;
        while let Some(next) = self.events.first_entry().filter(|next| next.key().0 <= until) {
            let ((now, _), event) = next.remove_entry();
            steps += 1;
            assert!(steps < 100_000, "it never ends");
            self.now = now;
            self.happens(event);
            self.check_limits();
        }
    }

    fn check_limits(&self) {
        let (client, server) = (&self.client, &self.server.session);
        assert!(client.calls_in_flight() <= self.config.max_open_requests);
        assert!(client.open_server_requests() <= self.config.max_open_questions);
        assert!(client.buffered_bytes() <= self.config.max_open_requests * self.config.call_queue_bytes);
        assert!(server.in_flight() <= self.config.max_open_requests);
    }

    pub(super) fn after(&mut self, delay: Duration, event: Event) {
        self.last_event += 1;
        self.events.insert((self.now + delay, self.last_event), event);
    }

    /// Does one step of the client, and what it wants done.
    pub(super) fn act<T>(
        &mut self,
        step: impl FnOnce(&mut ClientConnection<Caller>, Duration, &mut Actions) -> T,
    ) -> T {
        let mut actions = Actions::new();
        let result = step(&mut self.client, self.now, &mut actions);
        // A client that goes away says so before it refuses what it was asked.
        let cancels = actions.iter().position(is_cancellation);
        let refuses =
            actions.iter().position(|action| matches!(action, Action::Send(Outgoing::Response { .. })));
        assert!(cancels.is_none() || refuses.is_none_or(|refuses| Some(refuses) > cancels), "{actions:?}");
        for action in actions {
            self.perform(action);
        }
        let due = self.client.poll_timeout();
        if due != self.timer {
            self.timer = due;
            if let Some(due) = due {
                assert!(due >= self.now || matches!(self.timer, Some(timer) if timer == due));
                self.after(due.saturating_sub(self.now), Event::Times(due));
            }
        }
        result
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Send(message) => self.post(&message),
            Action::Wake(call) => {
                let delay = self.random.millis(20);
                self.after(delay, Event::Reads(call));
            }
            Action::CloseStream(call) => self.send(Stream::ToServer(Some(call)), Event::StreamClosed(call)),
            Action::OpenSharedStream { generation } => {
                // Not before `notifications/initialized` was taken.
                self.send(Stream::ToServer(None), Event::Ready(generation));
            }
            Action::Negotiated(session) => {
                assert_eq!(session.revision(), self.revision);
                self.session = Some(session);
                self.after(Duration::ZERO, Event::Calls);
            }
            Action::Unsolicited(UnsolicitedMessage::Request(request, ..)) => {
                let delay = self.random.millis(50);
                let event = match self.random.chance(50) {
                    true => Event::Declines(request),
                    false => Event::Answers(request, true),
                };
                self.after(delay, event);
            }
            Action::Count(
                "a log message that may be about another caller's call"
                | "an unknown notification that may be about another caller's call",
            ) => {}
            Action::Count(why) => panic!("the server did not do so: {why}"),
            Action::Refused(_) | Action::Reopen | Action::Close(_) => {}
            Action::Withdrawn(_) | Action::Attributed(_) | Action::Unsolicited(_) => {}
        }
        if self.session.is_none() && self.client.is_closed() {
            self.calls_left = 0;
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::ToServer(call, session, text) => self.arrives(call, session, &text),
            Event::ToClient(origin, text) => self.comes_back(origin, text),
            Event::StreamClosed(call) => {
                let said = self.server.stream_closed(&Id::from(call));
                self.said(said);
            }
            Event::ServerActs(key) => {
                let said = self.server.act(key);
                self.said(said);
            }
            Event::Reads(call) => self.reads(call),
            Event::Answers(request, well) => self.answers(request, well),
            Event::Declines(request) => self.act(|client, now, out| client.decline(now, request, out)),
            Event::Calls => self.calls(),
            Event::Abandons(call) => self.abandon(call),
            Event::Times(due) => {
                if self.client.poll_timeout().is_some_and(|due| due <= self.now) {
                    self.act(|client, now, out| client.handle(now, Input::Timeout, out));
                    assert!(self.client.poll_timeout().is_none_or(|next| next > due), "it turns in a circle");
                }
            }
            Event::Fails(call) => {
                self.readers.get_mut(&call).into_iter().for_each(|reader| reader.is_over = true);
                let failure = Failure::Disconnected(CloseReason::lost("cut"));
                self.act(|client, now, out| client.handle(now, Input::CallFailed { call, failure }, out));
                self.closes(call);
            }
            Event::Lost(call, generation) => {
                let input = Input::SessionLost { call, generation, why: "HTTP status 404".into() };
                self.act(|client, now, out| client.handle(now, input, out));
            }
            Event::Ready(generation) => {
                let input = Input::SessionReady { generation, result: Ok(()) };
                self.act(|client, now, out| client.handle(now, input, out));
            }
            Event::Cut => {
                self.server = Server::new(self.revision, self.config.max_open_requests);
                self.server.session.close();
                let reason = CloseReason::lost("cut");
                self.act(|client, now, out| client.handle(now, Input::Closed(reason), out));
            }
            Event::Forgets => self.forgets(),
        }
    }

    fn calls(&mut self) {
        if self.calls_left == 0 || self.session.is_none() {
            return;
        }
        self.calls_left -= 1;
        if let Some(call) = self.call() {
            let delay = self.random.millis(20);
            self.after(delay, Event::Reads(call));
            if self.random.chance(25) {
                let delay = self.random.millis(250);
                self.after(delay, Event::Abandons(call));
            }
        }
        let delay = self.random.millis(120);
        self.after(delay, Event::Calls);
    }

    /// Lets the server forget its session, and with it what it does.
    fn forgets(&mut self) {
        if self.channel != Channel::PerCall
            || self.revision.is_stateless()
            || self.opened == 0
            || self.known < self.opened
        {
            return;
        }
        self.server = Server::new(self.revision, self.config.max_open_requests);
        self.opened += 1;
        let open: Vec<_> =
            self.readers.iter().filter(|(_, reader)| reader.is_sent).map(|(call, _)| *call).collect();
        for call in open {
            let delay = self.random.millis(20);
            self.after(delay, Event::Fails(call));
        }
    }

    pub(super) fn reads_later(&mut self, call: CallId) {
        let delay = self.random.millis(20);
        self.after(delay, Event::Reads(call));
    }

    pub(super) fn answers_later(&mut self, request: ServerRequestId) {
        let (delay, well) = (self.random.millis(100), self.random.chance(80));
        if self.random.chance(90) {
            self.after(delay, Event::Answers(request, well));
        }
    }
}

fn is_cancellation(action: &Action) -> bool {
    matches!(action, Action::Send(Outgoing::Notification { method, .. }) if method == "notifications/cancelled")
}

/// For how long calls may go on that do not end by themselves.
const PATIENCE: Duration = Duration::from_secs(120);
