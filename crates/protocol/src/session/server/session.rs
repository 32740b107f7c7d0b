use std::{collections::BTreeSet, sync::Arc};

use bytestring::ByteString;

use super::{
    CallEnd, CallHandle, CallKind, OutgoingRequest, RequestStep, SentRequests, SessionState, Translation,
    Unsendable, Withdrawn,
    calls::InFlightCalls,
    outbox::{Outbox, Waiting},
    requests::{OpenRequest, OpenRequests},
};
use crate::{
    Error, Id, Method, Raw, Revision,
    jsonrpc::{Notification, Params, Request, Response, RpcResult},
    meta::Meta,
    session::cancelled_id,
};

/// The server's end of a session with one client, or of a connection that carries one session.
///
/// It owns the requests in flight, the server's own requests, what was negotiated with `initialize`, and the messages that
/// belong to no call. It performs no I/O: a driver gives it what it reads, and does what the returned values say. Messages
/// that may be large are translated and written by the driver, outside of the lock that it may hold around this.
///
/// `C` cancels a call in flight, `R` takes the answer to a request of ours. Both are the driver's, and are dropped by the
/// driver: functions that give one up return it.
#[derive(Debug)]
pub struct ServerSession<C, R> {
    state: SessionState,
    has_legacy: bool,
    has_modern: bool,
    calls: InFlightCalls<C>,
    requests: OpenRequests<R>,
    outbox: Outbox<R>,
    mint_elicitation_id: fn() -> Result<String, Error>,
}

/// The configuration of a [`ServerSession`].
#[derive(Clone, Debug)]
pub struct ServerSessionConfig {
    /// The supported revisions.
    pub supported: Arc<[Revision]>,
    /// The most requests of the client in flight.
    pub max_open_requests: usize,
    /// Makes the `elicitationId` of an elicitation by URL: unguessable, and used once.
    pub mint_elicitation_id: fn() -> Result<String, Error>,
}

/// What a driver does with a notification of the client's.
#[derive(Debug, PartialEq, Eq)]
pub enum NotificationStep<C> {
    /// Nothing.
    Ignore,
    /// Cancel this call; its client gets no response.
    Cancel(C),
    /// The client is ready: send what has waited for that. If `announces_changes`, open the listen stream that stands for
    /// the session, because a legacy client is notified of changes without a subscription.
    Ready {
        /// Whether the server announces any kind of change.
        announces_changes: bool,
    },
    /// Give it to those who listen to the client outside of calls.
    Unsolicited,
}

/// A message to the client that belongs to no call.
#[derive(Debug)]
pub enum UnsolicitedStep<R> {
    /// Send this notification; its params are in the client's revision.
    Notify(ByteString, Raw),
    /// Send this request.
    Request(OutgoingRequest),
    /// Give the error to the one who waits for the answer.
    Refuse(Unsendable<R>),
}

/// A response of the client's to a request of ours.
#[derive(Debug)]
pub struct AnsweredRequest<R> {
    responder: R,
    method: Method,
    params: Raw,
    outcome: RpcResult,
    translation: Translation,
}

impl<R> AnsweredRequest<R> {
    /// The one who takes the answer, and the answer in the newest vocabulary.
    pub fn into_answer(self) -> (R, RpcResult) {
        let answer = self.translation.lift_answer(self.method, &self.params, self.outcome);
        (self.responder, answer)
    }
}

/// What a session that is closed gives up, to be dropped by its driver.
#[derive(Debug)]
pub struct Closed<C, R> {
    /// The calls in flight: each is cancelled.
    pub calls: Vec<C>,
    /// Those who wait for an answer of the client's: none will come.
    pub responders: Vec<R>,
}

impl<C, R> ServerSession<C, R> {
    /// A session with a client that has sent nothing yet.
    pub fn new(config: &ServerSessionConfig) -> Self {
        Self {
            state: SessionState::new(&config.supported),
            has_legacy: config.supported.iter().any(|revision| revision.has_sessions()),
            has_modern: config.supported.iter().any(|revision| revision.is_stateless()),
            calls: InFlightCalls::new(config.max_open_requests),
            requests: OpenRequests::default(),
            outbox: Outbox::default(),
            mint_elicitation_id: config.mint_elicitation_id,
        }
    }

    /// What was negotiated with the client.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    /// Whether a request is served by itself, by what its `_meta` says, and not in the session.
    ///
    /// Where no modern revision is supported, a modern probe is refused as a legacy server does, so that the client falls
    /// back to `initialize` (2026-07-28, versioning).
    pub fn is_stateless(&self, meta: &Meta) -> bool {
        !self.has_legacy || (self.has_modern && meta.is_stateless())
    }

    /// Checks whether a request with this id may begin: the id is free, and there is room.
    ///
    /// # Errors
    /// -32600 for an id in use, `overloaded` beyond the limit.
    pub fn admit(&self, id: &Id) -> Result<(), Error> {
        self.calls.admit(id)
    }

    /// Decides what to do with a request of the session. A request that is not answered at once is in flight from
    /// [`begin`](Self::begin) on.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub fn receive_request(&mut self, request: &Request) -> Result<RequestStep, Error> {
        self.admit(&request.id)?;
        Ok(self.state.request(&request.method, request.params.as_ref().map(Params::raw)))
    }

    /// Puts a request in flight. In a closed session `cancel` is dropped at once, which cancels the call.
    ///
    /// # Errors
    /// As [`admit`](Self::admit): another request may have taken the id meanwhile.
    pub fn begin(&mut self, id: Id, kind: CallKind, cancel: C) -> Result<CallHandle, Error> {
        self.calls.begin(id, kind, cancel)
    }

    /// Ends a request in flight: its response was made. Does nothing if it was cancelled.
    pub fn finish(&mut self, call: &CallHandle) -> Option<C> {
        self.calls.finish(call)
    }

    /// The number of requests of the client in flight.
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// The number of requests of ours that the client has not answered.
    pub fn open_requests(&self) -> usize {
        self.requests.len()
    }

    /// Cancels the subscriptions, which would not end by themselves, when the client has ended its side.
    pub fn end_subscriptions(&mut self) -> Vec<C> {
        self.calls.end_subscriptions()
    }

    /// Makes the answer to `initialize` from a `DiscoverResult`.
    ///
    /// # Errors
    /// The service's error; the session is then as before `initialize`.
    pub fn open(&mut self, discovered: RpcResult) -> RpcResult {
        self.state.open(discovered)
    }

    /// Sets the resources that the session is subscribed to, once the service has acknowledged them.
    pub fn subscribe(&mut self, subscriptions: BTreeSet<ByteString>) {
        self.state.subscribe(subscriptions);
    }

    /// Decides what to do with a notification.
    pub fn receive_notification(&mut self, notification: &Notification) -> NotificationStep<C> {
        match Method::named(&notification.method) {
            Some(Method::Cancelled) => {
                let call = cancelled_id(notification).and_then(|id| self.calls.cancel(&id));
                call.map_or(NotificationStep::Ignore, NotificationStep::Cancel)
            }
            Some(Method::Initialized) if self.state.initialized() => {
                let filter = self.state.filter(&BTreeSet::new());
                NotificationStep::Ready { announces_changes: !filter.is_empty() }
            }
            // A method that is unknown here may be one that client and server have agreed on between them.
            None | Some(Method::RootsChanged) if self.state.is_open() => NotificationStep::Unsolicited,
            _ => NotificationStep::Ignore,
        }
    }

    /// Takes a response. `None` if it answers nothing: it may have crossed the cancellation of its request.
    pub fn receive_response(&mut self, response: Response) -> Option<AnsweredRequest<R>> {
        let OpenRequest { method, params, responder } = self.requests.answered(&response.id?)?;
        let translation = self.state.translation();
        Some(AnsweredRequest { responder, method, params, outcome: response.outcome, translation })
    }

    /// Sends a request to the client; `from` keeps what its call has open.
    ///
    /// 2025-11-25, lifecycle §Initialization: "The server SHOULD NOT send requests other than pings and logging before
    /// receiving the `initialized` notification", so the driver waits until the client is
    /// [ready](SessionState::is_ready).
    ///
    /// # Errors
    /// The client's revision cannot express the request.
    pub fn send_request(
        &mut self,
        from: &mut SentRequests,
        method: Method,
        params: Raw,
        responder: R,
    ) -> Result<OutgoingRequest, Unsendable<R>> {
        let lowered = self.state.lower_request(method, params.clone());
        let lowered = lowered
            .and_then(|(id, lowered)| Ok((id, from.with_elicitation_id(lowered, self.mint_elicitation_id)?)));
        match lowered {
            Ok((id, lowered)) => {
                self.requests.insert(from, id.clone(), OpenRequest { method, params, responder });
                Ok(OutgoingRequest { id, method, params: lowered })
            }
            Err(error) => Err(Unsendable { responder, error }),
        }
    }

    /// Withdraws the first request of `from` for which `is_withdrawn` returns true: the client gets a cancellation with
    /// the returned id.
    pub fn withdraw(
        &mut self,
        from: &mut SentRequests,
        is_withdrawn: impl FnMut(&mut R) -> bool,
    ) -> Option<(Id, R)> {
        self.requests.withdraw(from, is_withdrawn)
    }

    /// Withdraws all requests of a call whose client no longer reads its messages.
    pub fn withdraw_all(&mut self, from: &mut SentRequests) -> Withdrawn<R> {
        self.requests.withdraw_all(from)
    }

    /// Ends what a call has sent. `succeeded`: the call has a result, so its elicitations by URL are complete.
    pub fn end_call(&mut self, from: &mut SentRequests, succeeded: bool) -> CallEnd<R> {
        let withdrawn = self.requests.withdraw_all(from);
        let elicitations = from.take_elicitations();
        // 2025-11-25, elicitation §Completion Notifications.
        CallEnd { withdrawn, completed: if succeeded { elicitations } else { Vec::new() } }
    }

    /// Queues a request that belongs to no call. It is sent once the client listens.
    ///
    /// # Errors
    /// The responder, if the client has not declared the capability, too many messages wait, or the session is over.
    pub fn queue_request(&mut self, method: Method, params: Raw, responder: R) -> Result<(), R> {
        if self.state.profile().lacks(method, &params).is_some() || !self.outbox.has_room() {
            return Err(responder);
        }
        self.outbox.push(Waiting::Request { method, params, responder });
        Ok(())
    }

    /// Queues a notification that belongs to no call. It is sent once the client listens.
    ///
    /// # Errors
    /// The notification, if too many messages wait, or the session is over.
    pub fn queue_notification(&mut self, method: ByteString, params: Raw) -> Result<(), (ByteString, Raw)> {
        if !self.outbox.has_room() {
            return Err((method, params));
        }
        self.outbox.push(Waiting::Notification(method, params));
        Ok(())
    }

    /// The next message that belongs to no call, if the client is ready for one. A notification that the client's
    /// revision does not have is left out.
    pub fn next_unsolicited(&mut self) -> Option<UnsolicitedStep<R>> {
        if !self.state.is_ready() {
            return None;
        }
        loop {
            match self.outbox.pop()? {
                Waiting::Notification(name, params) => {
                    let lowered = match Method::named(&name) {
                        Some(method) => self.state.translation().lower_notification(method, params),
                        None => Some(params),
                    };
                    if let Some(params) = lowered {
                        return Some(UnsolicitedStep::Notify(name, params));
                    }
                }
                Waiting::Request { method, params, responder } => {
                    let mut sent = std::mem::take(&mut self.outbox.sent);
                    let request = self.send_request(&mut sent, method, params, responder);
                    self.outbox.sent = sent;
                    return Some(match request {
                        Ok(request) => UnsolicitedStep::Request(request),
                        Err(unsendable) => UnsolicitedStep::Refuse(unsendable),
                    });
                }
            }
        }
    }

    /// [Withdraws](Self::withdraw) a request that belongs to no call.
    pub fn withdraw_unsolicited(&mut self, is_withdrawn: impl FnMut(&mut R) -> bool) -> Option<(Id, R)> {
        self.requests.withdraw(&mut self.outbox.sent, is_withdrawn)
    }

    /// Whether messages outside of calls are over.
    pub fn is_outbox_closed(&self) -> bool {
        self.outbox.is_closed()
    }

    /// Sends no more messages outside of calls. Returns those who wait for an answer to a request that was never sent.
    pub fn close_outbox(&mut self) -> Vec<R> {
        self.outbox.close()
    }

    /// Ends the session: the client is gone for good.
    pub fn close(&mut self) -> Closed<C, R> {
        let mut responders = self.outbox.close();
        responders.append(&mut self.requests.close());
        Closed { calls: self.calls.close(), responders }
    }

    /// See [`Revision::has_null_ids`].
    pub fn has_null_ids(&self) -> bool {
        self.state.revision().has_null_ids()
    }

    /// Checks whether the client may send batches.
    ///
    /// 2025-03-26, basic §Batching: implementations "MUST support receiving JSON-RPC batches"; no other revision has them.
    ///
    /// # Errors
    /// -32600.
    pub fn admit_batch(&self) -> Result<(), Error> {
        if self.state.is_open() && self.state.revision().has_batches() {
            return Ok(());
        }
        Err(Error::invalid_request("batches exist in 2025-03-26 only; send one message at a time"))
    }
}
