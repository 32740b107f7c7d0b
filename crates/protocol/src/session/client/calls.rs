use std::collections::VecDeque;

use super::{
    call_id::{CallId, ServerRequestId},
    input::{CallEvent, CallFacts, ConnectionConfig},
    route_request::{InFlightCall, RequestRoute, route_request},
    table::CallTable,
};
use crate::{
    Method, Raw,
    capability::InputCapability,
    failure::{CloseReason, Failure},
    jsonrpc::RpcResult,
    meta::LogLevel,
    progress::Increasing,
};

/// Calls in flight, from oldest to newest, and what waits for their readers.
#[derive(Debug)]
pub(super) struct Calls<C> {
    table: CallTable<Call<C>>,
    /// Notifications of one call that may wait.
    max_events: usize,
    /// Bytes of the notifications of one call that may wait.
    max_bytes: usize,
    /// Bytes that wait, of all calls.
    buffered: usize,
}

/// One call in flight.
#[derive(Debug)]
pub(super) struct Call<C> {
    pub(super) facts: CallFacts<C>,
    pub(super) stage: Stage,
    /// Notifications and requests that the reader has not taken.
    events: VecDeque<CallEvent>,
    /// Bytes of the notifications among them.
    bytes: usize,
    outcome: Option<Result<RpcResult, Failure>>,
    progress: Increasing,
    /// Requests of the server's that wait for this call's caller.
    pub(super) requests: usize,
    /// What the caller would have had to declare for a request that was refused.
    pub(super) undeclared: Option<InputCapability>,
    /// Whether it was refused already because its session was lost.
    pub(super) resent: bool,
}

/// How far the request of a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for the answer to this `logging/setLevel`.
    AwaitsLevel(CallId),
    /// It waits for the session to be renewed.
    AwaitsSession,
    /// It waits until its caller has answered this request for roots, which an earlier call did not live to see answered.
    AwaitsRoots(ServerRequestId),
    /// The next event of its reader is [`CallEvent::Send`].
    Due,
    Sent,
}

/// How a call ended to which requests of the server's were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallEnd {
    /// The server has answered it, or cannot any more.
    Outcome,
    /// Its caller is gone.
    Abandoned,
}

impl<C: Clone + Eq> Calls<C> {
    pub(super) fn new(config: &ConnectionConfig) -> Self {
        Self {
            table: CallTable::default(),
            max_events: config.call_queue.max(1),
            max_bytes: config.call_queue_bytes,
            buffered: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.buffered
    }

    pub(super) fn insert(&mut self, id: CallId, facts: CallFacts<C>, stage: Stage) {
        let call = Call {
            facts,
            stage,
            events: VecDeque::new(),
            bytes: 0,
            outcome: None,
            progress: Increasing::default(),
            requests: 0,
            undeclared: None,
            resent: false,
        };
        self.table.insert(id, call);
    }

    pub(super) fn get(&self, id: CallId) -> Option<&Call<C>> {
        self.table.get(id)
    }

    pub(super) fn get_mut(&mut self, id: CallId) -> Option<&mut Call<C>> {
        self.table.get_mut(id)
    }

    /// Removes a call that has lost its reader.
    pub(super) fn remove(&mut self, id: CallId) -> Option<Call<C>> {
        let call = self.table.remove(id)?;
        self.buffered -= call.bytes;
        Some(call)
    }

    /// Calls that have no outcome yet, from oldest to newest.
    pub(super) fn open(&self) -> impl Iterator<Item = (CallId, &Call<C>)> {
        self.table.iter().filter(|(_, call)| call.outcome.is_none())
    }

    /// Calls that have no outcome yet, from oldest to newest.
    pub(super) fn open_mut(&mut self) -> impl Iterator<Item = (CallId, &mut Call<C>)> {
        self.table.iter_mut().filter(|(_, call)| call.outcome.is_none())
    }

    /// The call to which a request on the shared stream belongs.
    pub(super) fn route(&self) -> (RequestRoute, Option<CallId>) {
        let (ids, calls): (Vec<_>, Vec<_>) = self.open().map(|(id, call)| (id, call.as_routed())).unzip();
        let route = route_request(&calls);
        let call = match route {
            RequestRoute::Call(place) => ids.get(place).copied(),
            _ => None,
        };
        (route, call)
    }

    /// The call to which a request may belong, too, that was given to another call of the same caller: of those that were in flight
    /// when it came, the oldest for which no request is open. `or_asked`: else the oldest.
    pub(super) fn other_candidate(
        &self,
        up_to: CallId,
        needs: Option<InputCapability>,
        or_asked: bool,
    ) -> Option<CallId> {
        let is_candidate = |call: &Call<C>| {
            let may_ask = call.facts.method.is_some_and(Method::may_ask) && (or_asked || call.requests == 0);
            call.stage == Stage::Sent && may_ask && needs.is_none_or(|needs| call.facts.profile.has(needs))
        };
        let candidates =
            self.open().take_while(|(id, _)| *id <= up_to).filter(|(_, call)| is_candidate(call));
        candidates.min_by_key(|(_, call)| call.requests > 0).map(|(id, _)| id)
    }

    /// Ends a call; returns whether it had no outcome yet.
    pub(super) fn end(&mut self, id: CallId, outcome: Result<RpcResult, Failure>) -> bool {
        let Some(call) = self.table.get_mut(id).filter(|call| call.outcome.is_none()) else { return false };
        call.outcome = Some(outcome);
        // What its caller was to answer is void.
        call.events.retain(|event| !matches!(event, CallEvent::Request(..)));
        true
    }

    /// Gives a request of the server's to a call. There is always room: their number is limited for the connection.
    pub(super) fn ask(&mut self, id: CallId, request: ServerRequestId, method: Method, params: Raw) {
        if let Some(call) = self.table.get_mut(id) {
            call.events.push_back(CallEvent::Request(request, method, params));
            call.requests += 1;
        }
    }

    /// A request of the server's that was given to this call is not open any more.
    pub(super) fn settled(&mut self, id: CallId, request: ServerRequestId) {
        if let Some(call) = self.table.get_mut(id) {
            call.requests = call.requests.saturating_sub(1);
            call.events.retain(|event| !matches!(event, CallEvent::Request(other, ..) if *other == request));
        }
    }

    /// Keeps a notification for the reader; returns whether it is to be woken.
    ///
    /// Of more than may wait, only the newest progress is kept: a caller that does not read must cost neither memory nor
    /// time of the calls that share the connection.
    pub(super) fn notify(&mut self, id: CallId, event: CallEvent) -> bool {
        let Some(call) = self.table.get_mut(id).filter(|call| call.outcome.is_none()) else { return false };
        let size = size(&event);
        let full = call.events.len() >= self.max_events
            || call.bytes + size > self.max_bytes && call.events.iter().any(|event| !is_request(event));
        if !full {
            call.events.push_back(event);
            call.bytes += size;
            self.buffered += size;
            return true;
        }
        if let Some(last) = call.events.back_mut()
            && is_progress(last)
            && is_progress(&event)
        {
            let before = self::size(last);
            *last = event;
            call.bytes = call.bytes - before + size;
            self.buffered = self.buffered - before + size;
        }
        false
    }

    /// Gives progress to the call that it names.
    ///
    /// 2026-07-28, patterns/progress §Progress Notifications: "The `progress` value **MUST** increase with each
    /// notification". What does not is left out, so that the caller's own side keeps the rule.
    pub(super) fn progress(&mut self, id: CallId, progress: Option<f64>, params: Raw) -> bool {
        let Some(call) = self.table.get_mut(id).filter(|call| call.facts.progress) else { return false };
        match progress {
            Some(value) if call.progress.accepts(value) => {
                self.notify(id, CallEvent::Notification(Method::Progress, params))
            }
            _ => false,
        }
    }

    /// Notes that the request of a call is sent, if that is due.
    pub(super) fn take_send(&mut self, id: CallId) -> bool {
        let due = self.table.get_mut(id).filter(|call| call.stage == Stage::Due && call.outcome.is_none());
        due.map(|call| call.stage = Stage::Sent).is_some()
    }

    /// The next event of a call; takes it away, and the call with its last.
    pub(super) fn next_event(&mut self, id: CallId) -> Option<CallEvent> {
        if self.take_send(id) {
            return Some(CallEvent::Send);
        }
        let call = self.table.get_mut(id)?;
        if let Some(event) = call.events.pop_front() {
            let size = size(&event);
            call.bytes -= size;
            self.buffered -= size;
            return Some(event);
        }
        let outcome = call.outcome.take()?;
        let call = self.table.remove(id)?;
        Some(CallEvent::Finished { outcome, undeclared: call.undeclared })
    }

    /// The failure of a call when its connection is closed.
    pub(super) fn failure(stage: Stage, reason: &CloseReason) -> Failure {
        match stage {
            Stage::Sent => Failure::Disconnected(reason.clone()),
            _ => Failure::NotSent(reason.clone()),
        }
    }
}

impl<C: Clone + Eq> Call<C> {
    fn as_routed(&self) -> InFlightCall<'_, C> {
        InFlightCall {
            caller: &self.facts.caller,
            unidentifiable: self.facts.unidentifiable,
            method: self.facts.method,
            requests: self.requests,
        }
    }

    pub(super) fn has_outcome(&self) -> bool {
        self.outcome.is_some()
    }

    /// Whether the call takes log messages. A subscription takes changes alone, even if its session has a log level.
    pub(super) fn wants_logs(&self) -> bool {
        self.facts.method != Some(Method::Listen) && self.facts.log_level.is_some()
    }

    /// Whether a log message of `level` is severe enough for it. `server_decides`: a legacy server that was never told a
    /// level, and a caller that has not chosen one.
    pub(super) fn takes_log(&self, level: Option<LogLevel>, server_decides: bool) -> bool {
        server_decides && self.facts.log_level_is_default
            || matches!((level, self.facts.log_level), (Some(level), Some(least)) if level >= least)
    }
}

fn size(event: &CallEvent) -> usize {
    match event {
        CallEvent::Notification(_, params) | CallEvent::UnknownNotification(_, params) => {
            params.as_str().len()
        }
        _ => 0,
    }
}

fn is_progress(event: &CallEvent) -> bool {
    matches!(event, CallEvent::Notification(Method::Progress, _))
}

fn is_request(event: &CallEvent) -> bool {
    matches!(event, CallEvent::Request(..))
}
