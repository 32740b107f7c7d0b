use std::time::Duration;

use super::{
    call_id::CallId,
    calls::{Call, CallEnd, Stage},
    connection::ClientConnection,
    input::{Action, Actions, CallEvent, Channel, Origin, UnsolicitedMessage},
    malformed::{Intent, MalformedMessage},
    message::{Content, ResponseTo},
    own_requests::OwnRequest,
    phase::Phase,
    recent_callers::About,
};
use crate::{
    Id, Method, Raw, Revision,
    failure::Failure,
    jsonrpc::RpcResult,
    meta::LogLevel,
    method::{Kind, Sender},
};

/// Messages of the server, and where each goes.
impl<C: Clone + Eq> ClientConnection<C> {
    pub(super) fn receive(&mut self, now: Duration, origin: Origin, content: Content, out: &mut Actions) {
        if self.is_closed() {
            return;
        }
        match content {
            Content::Response(response_to, outcome) => match self.answered(origin, response_to) {
                Some(id) => self.respond(now, id, Ok(outcome), out),
                None if response_to.is_none() => out.push(Action::Count("an error that names no request")),
                None => {}
            },
            Content::Request(request) => self.ask(now, origin, request, out),
            Content::Cancelled(id) => self.withdraw(id.as_ref(), out),
            Content::Progress { call, progress, params } => {
                self.progress(origin, call, progress, params, out);
            }
            Content::Log { level, params } => self.log(origin, level, params, out),
            Content::Notification { method, subscription, params } => {
                self.notification(origin, method, subscription, params, out);
            }
            Content::UnknownNotification(method, params) => self.unknown(origin, method, params, out),
        }
    }

    /// The request of ours that a response answers.
    ///
    /// On the response stream of a call nothing but the answer to that call is taken: "the server **MUST NOT** send a
    /// JSON-RPC _response_ on the stream" for another (2025-11-25, transports §Listening for Messages from the Server).
    fn answered(&self, origin: Origin, response_to: Option<ResponseTo>) -> Option<CallId> {
        match (origin, response_to) {
            (_, Some(ResponseTo::Foreign)) => None,
            (Origin::Call(call), Some(ResponseTo::Call(id))) => (call == id).then_some(id),
            // What came last on this stream is the request that could not be read.
            (Origin::Call(call), None) => Some(call),
            (Origin::Shared, Some(ResponseTo::Call(id))) => Some(id),
            // An error without an id says that a request of ours could not be read: the one that is in flight.
            (Origin::Shared, None) => self.only_request(),
        }
    }

    /// The only request in flight, requests of the connection itself included.
    fn only_request(&self) -> Option<CallId> {
        let mut open = self.calls.open().map(|(id, _)| id).chain(self.own.ids());
        open.next().filter(|_| open.next().is_none())
    }

    /// A request of ours was answered, or failed. Whoever cancelled it may still get an answer; nobody waits for that.
    pub(super) fn respond(
        &mut self,
        now: Duration,
        id: CallId,
        outcome: Result<RpcResult, Failure>,
        out: &mut Actions,
    ) {
        if self.calls.get(id).is_some() {
            return self.end_call(now, id, outcome, out);
        }
        match self.own.take(id) {
            Some(request @ (OwnRequest::Probe | OwnRequest::Initialize)) => {
                self.negotiate(now, request, outcome, out);
            }
            Some(OwnRequest::Renew) => self.renewed(outcome, out),
            Some(OwnRequest::Restore) => self.restored(id, &outcome, out),
            Some(OwnRequest::SetLevel) => self.level_is_set(id, out),
            None => self.recent.answered_late(id),
        }
    }

    fn end_call(
        &mut self,
        now: Duration,
        id: CallId,
        outcome: Result<RpcResult, Failure>,
        out: &mut Actions,
    ) {
        // At once, and not when its reader takes it: the session may be renewed before.
        if let (Ok(Ok(_)), Some(call)) = (&outcome, self.calls.get(id).filter(|call| !call.has_outcome())) {
            self.subscriptions.granted(call.facts.method, call.facts.subscription.clone());
        }
        if self.calls.end(id, outcome) {
            self.end_requests(now, id, CallEnd::Outcome, out);
            out.push(Action::Wake(id));
        }
    }

    /// Calls that waited for the log level are sent, whatever the server says of it: the call is what is wanted, and its
    /// log messages come if they can.
    fn level_is_set(&mut self, request: CallId, out: &mut Actions) {
        self.log_level.answered(request);
        let renewing = self.sessions.is_renewing();
        for (id, call) in self.calls.open_mut() {
            if call.stage == Stage::AwaitsLevel(request) {
                call.stage = if renewing { Stage::AwaitsSession } else { Stage::Due };
                out.push(Action::Wake(id));
            }
        }
    }

    /// Text that is not a message is passed over: servers print to standard output what belongs to standard error. But if
    /// it was meant to be the response to a call, that call would wait for ever; and if it was meant to be a request, its
    /// server would.
    pub(super) fn malformed(
        &mut self,
        now: Duration,
        origin: Origin,
        message: MalformedMessage,
        out: &mut Actions,
    ) {
        if self.is_closed() {
            return;
        }
        let failure = message.failure();
        match (message.intent, origin) {
            (Intent::Response(id), origin) => {
                let id = CallId::parse(id.as_raw().as_str());
                let id = id.filter(|id| origin == Origin::Shared || origin == Origin::Call(*id));
                match id.filter(|id| self.is_open(*id)) {
                    Some(id) => self.respond(now, id, Err(failure), out),
                    None => out.push(Action::Count("text that is no JSON-RPC message")),
                }
            }
            // On the call's own stream it may be what the call waits for, and then nothing else will come.
            (Intent::Unknown, Origin::Call(call)) => self.respond(now, call, Err(failure), out),
            (Intent::Request(id), _) => {
                out.push(Action::Count("text that is no JSON-RPC message"));
                self.send_response(id, Err(message.error), out);
            }
            (Intent::Notification | Intent::Unknown, _) => {
                out.push(Action::Count("text that is no JSON-RPC message"))
            }
        }
    }

    /// A response is larger than a message may be.
    pub(super) fn oversized(
        &mut self,
        now: Duration,
        origin: Origin,
        response_to: Option<CallId>,
        out: &mut Actions,
    ) {
        if self.is_closed() {
            return;
        }
        let alone = || match origin {
            Origin::Call(call) => Some(call),
            Origin::Shared => {
                let mut open = self.calls.open().map(|(id, _)| id);
                open.next().filter(|_| open.next().is_none())
            }
        };
        if let Some(id) = response_to.or_else(alone) {
            let limit = self.config.max_message_bytes;
            let why = format!("the server's answer has more than {limit} bytes (limits.bytes)");
            self.respond(now, id, Err(Failure::InvalidPeer(why)), out);
        }
    }

    fn is_open(&self, id: CallId) -> bool {
        self.calls.get(id).is_some_and(|call| !call.has_outcome()) || self.own.ids().any(|own| own == id)
    }

    fn progress(
        &mut self,
        origin: Origin,
        call: Option<CallId>,
        progress: Option<f64>,
        params: Raw,
        out: &mut Actions,
    ) {
        // On its own stream a call is known without the token. That of another call, of another caller perhaps, counts no
        // more there than the answer to it: see `answered`.
        let call = match origin {
            Origin::Call(own) => call.is_none_or(|named| named == own).then_some(own),
            Origin::Shared => call,
        };
        if let Some(call) = call.filter(|_| self.exists(Method::Progress))
            && self.calls.progress(call, progress, params)
        {
            out.push(Action::Wake(call));
        }
    }

    /// A log message on the stream of a call is that call's. On a shared stream it names no request, and is a call's only
    /// if no other could be meant: "The server **MUST NOT** emit `notifications/message` for a request that does not
    /// include this field" (2026-07-28, logging §Per-request log level), so that calls which want no log messages are never
    /// meant by a server of that revision. A legacy one logs for all calls alike. A subscription is not meant either: "the
    /// server **MUST NOT** deliver it on a `subscriptions/listen` stream".
    fn log(&mut self, origin: Origin, level: Option<LogLevel>, params: Raw, out: &mut Actions) {
        if !self.exists(Method::LogMessage) {
            return;
        }
        let server_decides =
            self.log_level.is_server_default() && !self.negotiated(Revision::has_log_level_per_request);
        let call = match origin {
            Origin::Call(call) => {
                self.calls.get(call).filter(|call| call.wants_logs()).map(|found| (call, found))
            }
            Origin::Shared => {
                let mut wanting = self.calls.open().filter(|(_, call)| call.wants_logs());
                let sole = wanting.next().filter(|_| wanting.next().is_none());
                if sole.is_some_and(|(_, call)| self.logs_of_another(call)) {
                    return out.push(Action::Count("a log message that may be about another caller's call"));
                }
                sole
            }
        };
        match call.map(|(id, call)| (id, call.takes_log(level, server_decides))) {
            Some((id, true)) => {
                self.notify_call(id, CallEvent::Notification(Method::LogMessage, params), out)
            }
            Some((_, false)) => {}
            None if origin == Origin::Shared => self.unsolicited(Method::LogMessage, params, out),
            None => {}
        }
    }

    /// Whether a log message on a shared stream may be about a call of another caller than the only one who wants some.
    fn logs_of_another(&self, sole: &Call<C>) -> bool {
        if self.negotiated(Revision::has_log_level_per_request) {
            return self.recent.may_be_meant(About::Logs, &sole.facts);
        }
        let mut open = self.calls.open().filter(|(_, call)| call.facts.method.is_some_and(Method::may_ask));
        let is_another = |call: &Call<C>| {
            let is_unknown = call.facts.unidentifiable || sole.facts.unidentifiable;
            !std::ptr::eq(call, sole) && (is_unknown || call.facts.caller != sole.facts.caller)
        };
        open.any(|(_, call)| is_another(call)) || self.recent.may_be_meant(About::Any, &sole.facts)
    }

    fn notification(
        &mut self,
        origin: Origin,
        method: Method,
        subscription: Option<CallId>,
        params: Raw,
        out: &mut Actions,
    ) {
        if !self.exists(method) {
            return;
        }
        let is_change = matches!(
            method,
            Method::ToolsChanged
                | Method::PromptsChanged
                | Method::ResourcesChanged
                | Method::ResourceUpdated
        );
        let call = match (origin, self.negotiated(Revision::has_listen)) {
            // A legacy server announces changes to its session, whatever stream it says so on.
            (Origin::Call(_), false) if is_change => None,
            // 2026-07-28, subscriptions §Notification Delivery: these come on the stream of a subscription, to a client that
            // has asked for them.
            (Origin::Call(call), true) if is_change && !self.listens(call) => {
                return out.push(Action::Count("a change on the stream of a call that does not listen"));
            }
            (Origin::Call(call), _) => Some(call),
            // 2026-07-28, subscriptions §Notification Delivery: on a shared channel the subscription's id stands in `_meta`.
            (Origin::Shared, true) => {
                if is_change && subscription.is_some_and(|call| !self.listens(call)) {
                    return out.push(Action::Count("a change for a call that does not listen"));
                }
                subscription
            }
            (Origin::Shared, false) => None,
        };
        match call {
            Some(call) => self.notify_call(call, CallEvent::Notification(method, params), out),
            None => self.unsolicited(method, params, out),
        }
    }

    /// Whether a call is one that listens to changes.
    fn listens(&self, call: CallId) -> bool {
        self.calls.get(call).is_some_and(|call| call.facts.method == Some(Method::Listen))
    }

    /// A notification that the protocol does not have. On a channel that is the only one, it is the only call's, unless it
    /// may be about a cancelled call of another caller; among several calls it is not guessed which one is meant. The shared
    /// stream of a session is for what is no call's: "These messages **SHOULD** be unrelated to any concurrently-running
    /// JSON-RPC _request_ from the client" (2025-11-25, transports §Listening for Messages from the Server).
    fn unknown(&mut self, origin: Origin, method: bytestring::ByteString, params: Raw, out: &mut Actions) {
        let call = match (origin, self.channel) {
            (Origin::Call(call), _) => Some(call),
            (Origin::Shared, Channel::PerCall) => None,
            (Origin::Shared, Channel::Shared) => {
                let mut open =
                    self.calls.open().filter(|(_, call)| call.facts.method != Some(Method::Listen));
                let sole = open.next().filter(|_| open.next().is_none());
                if sole.is_some_and(|(_, call)| self.recent.may_be_meant(About::Any, &call.facts)) {
                    return out.push(Action::Count(
                        "an unknown notification that may be about another caller's call",
                    ));
                }
                sole.map(|(id, _)| id)
            }
        };
        match call {
            Some(call) => self.notify_call(call, CallEvent::UnknownNotification(method, params), out),
            None => {
                let message = UnsolicitedMessage::UnknownNotification(method, params);
                out.push(Action::Unsolicited(message));
            }
        }
    }

    fn unsolicited(&self, method: Method, params: Raw, out: &mut Actions) {
        if matches!(self.phase, Phase::Open(_)) {
            out.push(Action::Unsolicited(UnsolicitedMessage::Notification(method, params)));
        }
    }

    fn notify_call(&mut self, call: CallId, event: CallEvent, out: &mut Actions) {
        if self.calls.notify(call, event) {
            out.push(Action::Wake(call));
        }
    }

    /// Whether a server of this revision has such a notification.
    fn exists(&self, method: Method) -> bool {
        self.session()
            .is_some_and(|session| method.exists(Kind::Notification, Sender::Server, session.revision()))
    }

    /// The server takes a request of its own back, and wants no answer (2025-11-25, cancellation §Behavior Requirements:
    /// receivers "**SHOULD** … Not send a response for the cancelled request"). From a modern server it announces the end
    /// of a listen stream, whose result follows.
    fn withdraw(&mut self, id: Option<&Id>, out: &mut Actions) {
        if self.negotiated(Revision::asks_by_result) {
            return;
        }
        let Some(withdrawn) = id.and_then(|id| self.requests.take_named(id)) else { return };
        self.settled(&withdrawn, out);
        out.push(Action::Withdrawn(withdrawn.serial));
    }
}
