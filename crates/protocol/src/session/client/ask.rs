use std::time::Duration;

use super::{
    call_id::CallId,
    calls::{CallEnd, Stage},
    connection::ClientConnection,
    input::{Action, Actions, Attribution, Origin, Outgoing, UnsolicitedMessage},
    message::IncomingRequest,
    phase::Phase,
    recent_callers::About,
    route_request::RequestRoute,
    server_requests::{OpenRequest, Owner, undeclared},
};
use crate::{
    Error, Id, Method, Raw, Revision,
    jsonrpc::RpcResult,
    method::{Kind, Sender},
};

/// Requests of a legacy server: answered at once, given to the caller of a call, or refused.
impl<C: Clone + Eq> ClientConnection<C> {
    pub(super) fn ask(&mut self, now: Duration, origin: Origin, request: IncomingRequest, out: &mut Actions) {
        if self.negotiated(Revision::asks_by_result) {
            // See `send_response`.
            return out.push(Action::Count("a request, which servers of 2026-07-28 do not send"));
        }
        let method = match request.method {
            // 2025-11-25, ping §Behavior Requirements: "The receiver **MUST** respond promptly with an empty response".
            Some(Method::Ping) => return self.send_response(request.id, Ok(Raw::EMPTY_OBJECT), out),
            Some(method @ (Method::Elicit | Method::CreateMessage | Method::ListRoots)) => method,
            _ => {
                let error = Error::method_not_found(&request.name);
                return self.send_response(request.id, Err(error), out);
            }
        };
        if let Some(error) = self.refusal(&request, method) {
            return self.send_response(request.id, Err(error), out);
        }
        match self.route(origin) {
            (RequestRoute::Call(_), Some(call)) => {
                if origin == Origin::Shared {
                    // Several callers use the connection, so the next request may not be attributable.
                    let several = self.recent.are_several();
                    let attribution = if several { Attribution::Ambiguous } else { Attribution::Single };
                    out.push(Action::Attributed(attribution));
                }
                self.give_new(now, origin, request, method, call, out);
            }
            (route @ (RequestRoute::NoCall | RequestRoute::NotDuring(_)), _) if origin == Origin::Shared => {
                let open = self.requests.open(now, request, method, Owner::Unsolicited(route), origin, None);
                let message = UnsolicitedMessage::Request(open.serial, method, open.params.clone());
                out.push(Action::Unsolicited(message));
            }
            (route, _) => {
                if route == RequestRoute::Several {
                    out.push(Action::Attributed(Attribution::Ambiguous));
                }
                self.refuse(request.id, method, route, out);
            }
        }
    }

    /// The error for a request that no caller can get.
    fn refusal(&self, request: &IncomingRequest, method: Method) -> Option<Error> {
        let session = match &self.phase {
            Phase::Confirming(session) | Phase::Open(session) => session,
            Phase::Opening(_) | Phase::Closed(_) => {
                return Some(Error::invalid_request("wait for initialized"));
            }
        };
        if !method.exists(Kind::Request, Sender::Server, session.revision()) {
            return Some(Error::method_not_found(&request.name));
        }
        self.requests.refuse(&request.id)
    }

    /// To which call a request belongs: on the response stream of a call to that call, else see
    /// [`route_request`](super::route_request()). A call of another caller that is over may be meant as well.
    fn route(&self, origin: Origin) -> (RequestRoute, Option<CallId>) {
        let Origin::Call(id) = origin else {
            let (route, id) = self.calls.route();
            let call = id.and_then(|id| self.calls.get(id));
            return match call.is_some_and(|call| self.recent.may_be_meant(About::Any, &call.facts)) {
                true => (RequestRoute::Several, None),
                false => (route, id),
            };
        };
        match self.calls.get(id).filter(|call| !call.has_outcome()) {
            Some(call) if call.facts.method.is_some_and(Method::may_ask) => (RequestRoute::Call(0), Some(id)),
            Some(call) => (RequestRoute::NotDuring(call.facts.method), None),
            None => (RequestRoute::NoCall, None),
        }
    }

    fn give_new(
        &mut self,
        now: Duration,
        origin: Origin,
        request: IncomingRequest,
        method: Method,
        id: CallId,
        out: &mut Actions,
    ) {
        let Some(call) = self.calls.get_mut(id) else { return };
        if let Some(needs) = request.needs.filter(|needs| !call.facts.profile.has(*needs)) {
            call.undeclared = Some(needs);
            let error = undeclared(&call.facts.profile, method, needs);
            return self.send_response(request.id, Err(error), out);
        }
        let up_to = self.own.last_id().filter(|_| origin == Origin::Shared);
        let open = self.requests.open(now, request, method, Owner::Call(id), origin, up_to);
        self.calls.ask(id, open.serial, method, open.params.clone());
        out.push(Action::Wake(id));
    }

    /// Gives the requests that are held to a call that may be asked.
    pub(super) fn give_held(&mut self, now: Duration, id: CallId, out: &mut Actions) {
        while let Some(held) = self.requests.take_held() {
            let Some(call) = self.calls.get_mut(id) else { return };
            if let Some(needs) = held.needs.filter(|needs| !call.facts.profile.has(*needs)) {
                call.undeclared = Some(needs);
                let error = undeclared(&call.facts.profile, held.method, needs);
                self.send_response(held.id, Err(error), out);
            } else {
                if held.outlived && call.stage == Stage::Due {
                    // Else a call of a quick server would end before its caller can answer, as the one before.
                    call.stage = Stage::AwaitsRoots(held.serial);
                }
                self.calls.ask(id, held.serial, held.method, held.params.clone());
                self.requests.give(now, held, id);
            }
        }
    }

    /// The server's requests about a call are void: the call is over. Unless another call may be meant, see `pass_on`. And a
    /// request for roots on a shared stream was the call's only because it had to go somewhere: servers ask for roots as soon as
    /// a session begins, and never again. It goes to the next call that may be asked.
    pub(super) fn end_requests(&mut self, now: Duration, call: CallId, end: CallEnd, out: &mut Actions) {
        let mut is_held = false;
        while let Some(request) = self.requests.take_of(call) {
            out.push(Action::Withdrawn(request.serial));
            let outlived = match self.pass_on(request, end, out) {
                Ok(()) => continue,
                Err(request) => self.requests.outlive(now, request),
            };
            match outlived {
                Ok(()) => is_held = true,
                Err(request) => {
                    let error = Error::internal("the call that this belonged to is over");
                    self.send_response(request.id, Err(error), out);
                }
            }
        }
        if is_held && let (RequestRoute::Call(_), Some(next)) = self.calls.route() {
            self.give_held(now, next, out);
            out.push(Action::Wake(next));
        }
    }

    /// Gives a request whose call is over to another call to which it may belong: on a shared stream it names none. All such calls are
    /// of one caller, since [`route_request`](super::route_request()) refuses it otherwise.
    ///
    /// A server that has answered the first call waits for the sake of another. One whose call was cancelled may have asked for that
    /// one; a call that waits for an answer already is then less likely to be meant, and its caller is not asked in vain.
    ///
    /// # Errors
    /// The request, if it belongs to no other call.
    fn pass_on(&mut self, request: OpenRequest, end: CallEnd, out: &mut Actions) -> Result<(), OpenRequest> {
        let or_asked = end == CallEnd::Outcome;
        let other =
            request.up_to.and_then(|up_to| self.calls.other_candidate(up_to, request.needs, or_asked));
        let Some(other) = other else { return Err(request) };
        let open = self.requests.pass_on(request, other);
        self.calls.ask(other, open.serial, open.method, open.params.clone());
        out.push(Action::Wake(other));
        Ok(())
    }

    /// A request is not open any more: a call that waited for its answer is sent.
    pub(super) fn settled(&mut self, request: &OpenRequest, out: &mut Actions) {
        let Owner::Call(id) = request.owner else { return };
        self.calls.settled(id, request.serial);
        let renewing = self.sessions.is_renewing();
        if let Some(call) = self.calls.get_mut(id)
            && call.stage == Stage::AwaitsRoots(request.serial)
        {
            call.stage = if renewing { Stage::AwaitsSession } else { Stage::Due };
            out.push(Action::Wake(id));
        }
    }

    pub(super) fn refuse(&self, id: Id, method: Method, route: RequestRoute, out: &mut Actions) {
        let error = route.refusal(method).unwrap_or_else(|| Error::internal("no call is open"));
        self.send_response(id, Err(error), out);
    }

    pub(super) fn send_response(&self, id: Id, outcome: RpcResult, out: &mut Actions) {
        // 2026-07-28, stdio §Sending Messages: "The client **MUST NOT** write JSON-RPC responses", and Streamable HTTP
        // §Sending Messages to the Server: "The client **MUST NOT** send JSON-RPC _responses_". Its servers write no
        // requests.
        if !self.negotiated(Revision::asks_by_result) && !self.is_closed() {
            out.push(Action::Send(Outgoing::Response { id, outcome }));
        }
    }
}
