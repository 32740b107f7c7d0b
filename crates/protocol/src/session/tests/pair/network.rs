use super::{
    server::{Said, Server, nonce},
    world::{Event, World},
};
use crate::{
    Error, Limits, Message, Method,
    jsonrpc::{Incoming, read},
    session::client::{CallId, Channel, Input, Origin, Outgoing},
};

/// A stream of messages in one direction: the response to one call, or the one of the connection or session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stream {
    ToServer(Option<CallId>),
    ToClient(Option<CallId>),
}

/// What is under way between both ends.
impl World {
    /// Sends on a stream: behind what was sent on it before.
    pub(super) fn send(&mut self, stream: Stream, event: Event) {
        let delay = self.random.millis(30);
        let last = self.streams.entry(stream).or_default();
        *last = (*last).max(self.now + delay);
        let at = *last;
        self.after(at - self.now, event);
    }

    pub(super) fn post(&mut self, message: &Outgoing) {
        let text = message.write();
        match message {
            Outgoing::Request { id, .. } => {
                self.note_id(*id);
                let call = (self.channel == Channel::PerCall).then_some(*id);
                self.send(Stream::ToServer(call), Event::ToServer(Some(*id), self.known, text));
            }
            Outgoing::Notification { params, .. } => {
                // A cancellation does not overtake the request that it is about.
                let cancelled = params.as_ref().and_then(|params| params.member("requestId"));
                let cancelled = cancelled.and_then(|id| CallId::parse(id.as_str()));
                let posted = self.streams.get(&Stream::ToServer(cancelled)).copied().unwrap_or_default();
                let last = self.streams.entry(Stream::ToServer(None)).or_default();
                *last = posted.max(*last);
                self.send(Stream::ToServer(None), Event::ToServer(None, self.known, text));
            }
            Outgoing::Response { id, outcome } => {
                self.is_refused_rightly(&id.to_string(), outcome.as_ref().err());
                self.send(Stream::ToServer(None), Event::ToServer(None, self.known, text));
            }
        }
    }

    /// A question is not refused as one of a call that has ended while the call goes on for which the server waits. For which one it
    /// waits is less certain where a call was cancelled.
    fn is_refused_rightly(&mut self, request: &str, error: Option<&Error>) {
        if !error.is_some_and(|error| error.message.ends_with("is over")) {
            return;
        }
        let Some(asked_for) = self.asked_for.remove(request) else { return };
        if self.abandons || self.faults.lost_sessions {
            return;
        }
        let waits = self.readers.values().find(|reader| reader.nonce == asked_for && !reader.is_over);
        assert!(waits.is_none(), "request {request} is refused, and call {asked_for} waits for its answer");
    }

    /// The request of a call.
    pub(super) fn post_call(&mut self, call: CallId, text: Vec<u8>) {
        self.note_id(call);
        let stream = (self.channel == Channel::PerCall).then_some(call);
        self.send(Stream::ToServer(stream), Event::ToServer(Some(call), self.known, text));
        if self.faults.cuts && self.channel == Channel::PerCall && self.random.chance(20) {
            let at = self.random.millis(200);
            self.after(at, Event::Fails(call));
        }
    }

    fn note_id(&mut self, id: CallId) {
        // Only a session that is renewed sees a call a second time.
        let used = (id.get(), self.known);
        assert!(!self.ids.contains(&used), "id {id} is used twice");
        self.ids.push(used);
    }

    /// Tells the server, later, that the response stream of a call is closed.
    pub(super) fn closes(&mut self, call: CallId) {
        if self.channel == Channel::PerCall {
            self.send(Stream::ToServer(Some(call)), Event::StreamClosed(call));
        }
    }

    pub(super) fn arrives(&mut self, call: Option<CallId>, session: u32, text: &[u8]) {
        let is_legacy = !self.revision.is_stateless();
        let opens = text.windows(12).any(|part| part == b"\"initialize\"");
        if self.channel == Channel::PerCall && is_legacy && session != self.opened && !opens {
            // HTTP 404: it is not processed.
            if let Some(call) = call {
                let delay = self.random.millis(20);
                let own = !self.readers.contains_key(&call);
                let generation = self.sessions.iter().position(|known| *known == session);
                let generation = generation.map_or(0, |place| u32::try_from(place).unwrap());
                self.after(delay, if own { Event::Fails(call) } else { Event::Lost(call, generation) });
            }
            return;
        }
        if opens && self.opened > 0 && self.channel == Channel::PerCall {
            self.server = Server::new(self.revision, self.config.max_open_requests);
        }
        if opens {
            self.opened += 1;
        }
        let said = self.server.receive(text, &mut self.random);
        self.said(said);
    }

    /// Carries out what a step of the server has led to.
    pub(super) fn said(&mut self, said: Vec<Said>) {
        for said in said {
            match said {
                Said::Message(call, text) => {
                    let call = call.and_then(|id| CallId::parse(id.as_raw().as_str()));
                    let is_answer = !text.windows(8).any(|part| part == b"\"method\"");
                    let own = call.filter(|_| self.channel == Channel::PerCall);
                    // A session has a stream beside those of its calls.
                    let stray = !self.revision.is_stateless() && !is_answer && self.random.chance(15);
                    let own = own.filter(|_| !stray);
                    let origin = own.map_or(Origin::Shared, Origin::Call);
                    self.send(Stream::ToClient(own), Event::ToClient(origin, text));
                }
                Said::Continue(key) => {
                    let delay = self.random.millis(40);
                    self.after(delay, Event::ServerActs(key));
                }
            }
        }
    }

    pub(super) fn comes_back(&mut self, origin: Origin, text: Vec<u8>) {
        let Ok(Incoming::One(message)) = read(text.into(), &Limits::default()) else {
            panic!("the server sends what is no message");
        };
        if let Message::Response(response) = &message {
            let error = response.outcome.as_ref().err();
            let overloaded = error.is_some_and(|error| error.message.contains("max_open_requests"));
            assert!(!overloaded || self.channel == Channel::PerCall, "the client keeps the server's limit");
            if response.outcome.as_ref().is_ok_and(|result| result.member("protocolVersion").is_some()) {
                self.known = self.opened;
                self.sessions.push(self.opened);
            }
        }
        if let Message::Response(response) = &message
            && let Some(call) = response.id.as_ref().and_then(|id| CallId::parse(id.as_raw().as_str()))
        {
            self.readers.get_mut(&call).into_iter().for_each(|reader| reader.is_over = true);
        }
        let asked = match &message {
            Message::Request(request) => request.params.as_ref().and_then(|params| nonce(params.raw())),
            _ => None,
        };
        if let (Some(asked), Origin::Shared) = (asked, origin) {
            self.readers.values_mut().for_each(|reader| reader.asked.push(asked));
            if let Message::Request(request) = &message {
                self.asked_for.insert(request.id.to_string(), asked);
                if request.method == Method::ListRoots.as_str() {
                    self.shared_roots.push(asked);
                }
            }
        }
        self.act(|client, now, out| client.handle(now, Input::received(origin, message), out));
    }
}
