use std::{sync::Arc, time::Duration};

use super::{
    call_id::{CallId, ServerRequestId},
    calls::{CallEnd, Calls, Stage},
    input::{
        Action, Actions, CallEvent, CallFacts, Channel, ConnectionConfig, Input, Outgoing, UnsolicitedMessage,
    },
    log_level::SessionLogLevel,
    negotiated::NegotiatedSession,
    negotiation::NegotiationError,
    own_requests::{OwnRequest, OwnRequests},
    phase::{Opening, Phase},
    recent_callers::RecentCallers,
    route_request::RequestRoute,
    server_requests::{Due, Owner, ServerRequests},
    sessions::Sessions,
    subscriptions::Subscriptions,
};
use crate::{
    Id, Method, Raw, Revision,
    failure::{CloseReason, Failure},
    json::Splice,
    jsonrpc::RpcResult,
};

/// Our end of one connection to a server, as a state machine without I/O, clock or tasks.
///
/// Whoever holds the transport, the driver, reports what happens ([`ClientConnection::handle`]) and carries out the
/// [`Action`]s that it is given. Each call has a reader, which takes the call's events with
/// [`ClientConnection::next_event`] and is woken by [`Action::Wake`]. `now` is the time since the connection was made; it
/// never goes back. `C` is who calls: compared, never read.
///
/// The request itself never enters the machine: its reader holds it and writes it at [`CallEvent::Send`]. What
/// grows with a message happens before and after, so that a lock around the machine is held for a short time only: messages
/// are read into an [`Input`] before, and lifted into the newest vocabulary ([`NegotiatedSession`]) after.
///
/// Bytes that are not written or not read yet belong to the driver; messages that their reader has not taken belong to the
/// machine, and their number and size are limited.
#[derive(Debug)]
pub struct ClientConnection<C> {
    pub(super) config: ConnectionConfig,
    pub(super) channel: Channel,
    pub(super) phase: Phase,
    pub(super) calls: Calls<C>,
    pub(super) recent: RecentCallers<C>,
    pub(super) own: OwnRequests,
    pub(super) requests: ServerRequests,
    pub(super) log_level: SessionLogLevel,
    pub(super) subscriptions: Subscriptions,
    pub(super) sessions: Sessions,
}

impl<C: Clone + Eq> ClientConnection<C> {
    /// A connection with a channel that is not open yet; see [`Input::Opened`].
    pub fn new(config: ConnectionConfig) -> Self {
        Self {
            channel: config.channel,
            phase: Phase::Opening(Opening::new(&config)),
            calls: Calls::new(&config),
            recent: RecentCallers::default(),
            own: OwnRequests::default(),
            requests: ServerRequests::new(config.max_open_questions, config.roots_hold),
            log_level: SessionLogLevel::new(config.log_hold),
            subscriptions: Subscriptions::default(),
            sessions: Sessions::default(),
            config,
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Duration, input: Input, out: &mut Actions) {
        match input {
            Input::Received { origin, message } => self.receive(now, origin, message.0, out),
            Input::Malformed { origin, message } => self.malformed(now, origin, message, out),
            Input::Oversized { origin, response_to } => self.oversized(now, origin, response_to, out),
            Input::CallFailed { call, failure } => self.respond(now, call, Err(failure), out),
            Input::SessionLost { call, generation, why } => {
                self.session_lost(now, call, generation, &why, out)
            }
            Input::SharedStreamLost { generation } => self.shared_stream_lost(now, generation, out),
            Input::SessionReady { generation, result } => self.session_ready(generation, result, out),
            Input::SharesOneStream => self.channel = Channel::Shared,
            Input::Opened => self.opened(now, out),
            Input::Closed(reason) => self.channel_closed(reason, out),
            Input::Timeout => self.timeout(now, out),
        }
    }

    /// When [`Input::Timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let opening = match &self.phase {
            Phase::Opening(opening) => opening.timeout(),
            Phase::Confirming(_) => self.give_up(),
            Phase::Open(_) => self.sessions.timeout(),
            Phase::Closed(_) => return None,
        };
        [opening, self.requests.timeout(), self.log_level.timeout()].into_iter().flatten().min()
    }

    fn timeout(&mut self, now: Duration, out: &mut Actions) {
        match &self.phase {
            Phase::Opening(_) => self.opening_timeout(now, out),
            Phase::Confirming(_) if self.give_up().is_some_and(|due| due <= now) => {
                self.refuse_server(NegotiationError::TimedOut, out);
            }
            Phase::Confirming(_) | Phase::Closed(_) => {}
            Phase::Open(_) => self.renewal_timeout(now, out),
        }
        while let Some(due) = self.requests.due(now) {
            match due {
                Due::Progress(params) => {
                    out.push(Action::Send(Outgoing::notification(Method::Progress, Some(params))));
                }
                Due::Refuse(open) => {
                    if let Owner::Call(_) = open.owner {
                        self.settled(&open, out);
                        out.push(Action::Withdrawn(open.serial));
                    }
                    self.refuse(open.id, open.method, RequestRoute::NoCall, out);
                }
            }
        }
        let wanted =
            self.log_level.timeout().is_some() && self.calls.open().any(|(_, call)| call.wants_logs());
        if let Some(level) = self.log_level.lower(now, wanted) {
            self.set_level(level, OwnRequest::SetLevel, out);
        }
    }

    /// What was negotiated, once that is done.
    pub fn session(&self) -> Option<&Arc<NegotiatedSession>> {
        match &self.phase {
            Phase::Confirming(session) | Phase::Open(session) => Some(session),
            Phase::Opening(_) | Phase::Closed(_) => None,
        }
    }

    /// Whether a revision is negotiated, and has this property.
    pub(super) fn negotiated(&self, property: fn(Revision) -> bool) -> bool {
        self.session().is_some_and(|session| property(session.revision()))
    }

    /// Begins a call. Its request is written when its reader gets [`CallEvent::Send`]; nearly always that is its first
    /// event, and is there at once.
    ///
    /// # Errors
    /// [`Failure::NotSent`] if the connection is not open, [`Failure::Overloaded`] if too many calls are in flight.
    pub fn call(&mut self, now: Duration, facts: CallFacts<C>, out: &mut Actions) -> Result<CallId, Failure> {
        let session = match &self.phase {
            Phase::Open(session) => session,
            Phase::Closed(reason) => return Err(Failure::NotSent(reason.clone())),
            Phase::Opening(_) | Phase::Confirming(_) => {
                return Err(Failure::NotSent(CloseReason::Lost("the connection is not open yet".into())));
            }
        };
        let limit = self.config.max_open_requests;
        if self.calls.len() >= limit {
            let why = format!("{limit} requests are open (max_open_requests)");
            return Err(Failure::Overloaded { limit: "max_open_requests", why });
        }
        let id = self.own.next_id();
        let wanted = facts.log_level.filter(|_| {
            !session.revision().has_log_level_per_request()
                && !facts.log_level_is_default
                && session.offers("logging")
        });
        let stage = match wanted {
            _ if self.sessions.is_renewing() => Stage::AwaitsSession,
            Some(level) => {
                if self.log_level.raise(now, level) {
                    let request = self.set_level(level, OwnRequest::SetLevel, out);
                    self.log_level.raising(request);
                }
                self.log_level.awaited().map_or(Stage::Due, Stage::AwaitsLevel)
            }
            None => Stage::Due,
        };
        let may_ask = facts.method.is_some_and(Method::may_ask);
        self.recent.begins(&facts);
        self.calls.insert(id, facts, stage);
        // While another caller's call runs, the server would work on that one with the roots of this caller.
        if may_ask && self.requests.has_held() && matches!(self.calls.route(), (RequestRoute::Call(_), _)) {
            self.give_held(now, id, out);
        }
        Ok(id)
    }

    /// Takes the next event of a call, and makes room for others. After [`CallEvent::Finished`] the call is gone.
    pub fn next_event(&mut self, call: CallId) -> Option<CallEvent> {
        self.calls.next_event(call)
    }

    /// Takes [`CallEvent::Send`], if that is next; returns whether it was.
    pub fn take_send(&mut self, call: CallId) -> bool {
        self.calls.take_send(call)
    }

    /// Ends a call without a reader: the server gets the cancellation of the call, then refusals of its requests about the
    /// call.
    pub fn abandon(&mut self, now: Duration, call: CallId, out: &mut Actions) {
        let Some(abandoned) = self.calls.remove(call) else { return };
        let is_open = !abandoned.has_outcome() && abandoned.stage == Stage::Sent;
        if is_open && !matches!(self.phase, Phase::Closed(_)) {
            // 2026-07-28, patterns/cancellation §Transport-Specific Cancellation: over Streamable HTTP the client closes
            // the response stream, on stdio it sends `notifications/cancelled`. In a legacy session a disconnect says
            // nothing (2025-11-25, transports §Sending Messages to the Server: it "SHOULD NOT be interpreted as the
            // client cancelling its request").
            if self.channel == Channel::Shared || !self.negotiated(Revision::cancels_by_closing) {
                let id = Id::from(call);
                let params = Splice::new().with("requestId", id.as_raw()).finish();
                out.push(Action::Send(Outgoing::notification(Method::Cancelled, Some(params))));
            }
            if self.channel == Channel::PerCall {
                out.push(Action::CloseStream(call));
            }
            let logs = abandoned.wants_logs();
            self.recent.cancelled(call, abandoned.facts, logs);
        }
        self.end_requests(now, call, CallEnd::Abandoned, out);
    }

    /// Answers a request of the server's, in the words of its revision. A late or second answer goes nowhere.
    pub fn answer(&mut self, request: ServerRequestId, answer: RpcResult, out: &mut Actions) {
        let Some(open) = self.requests.take(request) else { return };
        self.settled(&open, out);
        self.send_response(open.id, answer, out);
    }

    /// Whether an answer to a request of the server's is still wanted.
    pub fn is_awaited(&self, request: ServerRequestId) -> bool {
        self.requests.is_open(request)
    }

    /// Says that nobody takes an unsolicited request: a request for roots goes to the call that may be asked, now or as soon
    /// as there is one; any other is refused.
    pub fn decline(&mut self, now: Duration, request: ServerRequestId, out: &mut Actions) {
        let Some(open) = self.requests.take(request) else { return };
        match open.owner {
            // Servers ask for roots as soon as a session begins; what is called then may well be a list.
            Owner::Unsolicited(_) if open.method == Method::ListRoots => {
                self.requests.hold(now, open);
                // The call may have begun while the request was offered.
                if let (RequestRoute::Call(_), Some(call)) = self.calls.route() {
                    self.give_held(now, call, out);
                    out.push(Action::Wake(call));
                }
            }
            Owner::Unsolicited(route) => self.refuse(open.id, open.method, route, out),
            Owner::Held | Owner::Call(_) => {
                self.settled(&open, out);
                self.refuse(open.id, open.method, RequestRoute::NoCall, out);
            }
        }
    }

    /// Offers the requests that are held again: whoever takes what belongs to no call may have come after them.
    pub fn offer_held(&mut self, now: Duration, out: &mut Actions) {
        while let Some(open) = self.requests.offer(now) {
            let (serial, method, params) = (open.serial, open.method, open.params.clone());
            out.push(Action::Unsolicited(UnsolicitedMessage::Request(serial, method, params)));
        }
    }

    /// Sends a notification that belongs to no call, if the server's revision has such notifications.
    pub fn notify(&mut self, method: &str, params: Raw, out: &mut Actions) {
        if matches!(&self.phase, Phase::Open(session) if session.revision().has_client_notifications()) {
            out.push(Action::Send(Outgoing::Notification { method: method.into(), params: Some(params) }));
        }
    }

    /// Ends the connection from our side: every call fails, and nothing more is sent.
    pub fn close(&mut self, out: &mut Actions) {
        self.finish(CloseReason::Closed, out);
    }

    /// Whether no call may begin any more.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed(_))
    }

    /// Whether the connection can be closed without a loss: nothing is in flight, and the server announces
    /// nothing for which its client waits in silence.
    pub fn is_unused(&self) -> bool {
        let awaited = self.session().is_some_and(|session| self.subscriptions.are_awaited(session));
        self.calls.is_empty() && self.own.is_empty() && self.requests.is_empty() && !awaited
    }

    /// How many calls are in flight.
    pub fn calls_in_flight(&self) -> usize {
        self.calls.len()
    }

    /// How many requests of the server's are open.
    pub fn open_server_requests(&self) -> usize {
        self.requests.len()
    }

    /// Bytes that wait for the readers of calls.
    pub fn buffered_bytes(&self) -> usize {
        self.calls.buffered_bytes()
    }

    /// Sends a request of the connection itself.
    pub(super) fn request(
        &mut self,
        purpose: OwnRequest,
        method: Method,
        params: Raw,
        out: &mut Actions,
    ) -> CallId {
        let id = self.own.open(purpose);
        let revision = match (&self.phase, method) {
            (_, Method::Initialize) => None,
            (Phase::Opening(opening), _) => Some(opening.negotiation.probe()),
            _ => self.session().map(|session| session.revision()),
        };
        out.push(Action::Send(Outgoing::Request { id, method, params, revision }));
        id
    }

    pub(super) fn set_level(
        &mut self,
        level: crate::meta::LogLevel,
        purpose: OwnRequest,
        out: &mut Actions,
    ) -> CallId {
        let params = Splice::new().with("level", &Raw::string(level.as_str())).finish();
        self.request(purpose, Method::SetLevel, params, out)
    }

    /// The channel is over.
    fn channel_closed(&mut self, reason: CloseReason, out: &mut Actions) {
        match &self.phase {
            Phase::Opening(_) => self.channel_closed_while_opening(reason, out),
            Phase::Confirming(_) => {
                self.own.clear();
                self.phase = Phase::Closed(reason);
                out.push(Action::Refused(NegotiationError::Ended));
            }
            Phase::Open(_) | Phase::Closed(_) => self.finish(reason, out),
        }
    }

    /// Ends everything, once.
    pub(super) fn finish(&mut self, reason: CloseReason, out: &mut Actions) {
        if self.is_closed() {
            return;
        }
        self.phase = Phase::Closed(reason.clone());
        while let Some(request) = self.requests.take_any() {
            out.push(Action::Withdrawn(request.serial));
        }
        let open: Vec<_> = self.calls.open().map(|(id, call)| (id, call.stage)).collect();
        for (id, stage) in open {
            if self.calls.end(id, Err(Calls::<C>::failure(stage, &reason))) {
                out.push(Action::Wake(id));
            }
        }
        self.own.clear();
        out.push(Action::Close(reason));
    }
}

#[cfg(test)]
mod tests;
