use std::{sync::Arc, time::Duration};

use super::{
    connection::ClientConnection,
    envelope::{discover_params, initialize_params},
    input::{Action, Actions, Channel, ConnectionConfig, Outgoing},
    negotiated::NegotiatedSession,
    negotiation::{NegotiationError, NegotiationStep},
    own_requests::OwnRequest,
    phase::Phase,
};
use crate::{
    Method,
    failure::{CloseReason, Failure},
    jsonrpc::RpcResult,
};

impl<C: Clone + Eq> ClientConnection<C> {
    pub(super) fn opened(&mut self, now: Duration, out: &mut Actions) {
        let Phase::Opening(opening) = &mut self.phase else { return };
        let step = opening.first.take().unwrap_or_else(|| opening.negotiation.reopened());
        self.step(now, step, out);
    }

    /// When the opening, or a session that is being confirmed, is given up.
    pub(super) fn give_up(&self) -> Option<Duration> {
        match &self.phase {
            Phase::Opening(opening) => opening.give_up,
            _ => Some(self.config.open_timeout),
        }
    }

    /// A probe or an `initialize` was answered, or failed.
    pub(super) fn negotiate(
        &mut self,
        now: Duration,
        request: OwnRequest,
        outcome: Result<RpcResult, Failure>,
        out: &mut Actions,
    ) {
        let Phase::Opening(opening) = &mut self.phase else { return };
        let step = match (request, outcome) {
            (OwnRequest::Probe, Ok(outcome)) => opening.negotiation.discover(outcome),
            (OwnRequest::Initialize, Ok(outcome)) => opening.negotiation.initialized(outcome),
            (_, Err(failure)) => {
                let method = if request == OwnRequest::Probe { Method::Discover } else { Method::Initialize };
                NegotiationStep::Failed(NegotiationError::Failed(method.as_str(), failure))
            }
            _ => NegotiationStep::Wait,
        };
        self.step(now, step, out);
    }

    pub(super) fn opening_timeout(&mut self, now: Duration, out: &mut Actions) {
        let Phase::Opening(opening) = &mut self.phase else { return };
        if opening.give_up.is_some_and(|due| due <= now) {
            return self.refuse_server(NegotiationError::TimedOut, out);
        }
        if opening.probe_ends.is_some_and(|due| due <= now) {
            opening.probe_ends = None;
            let step = opening.negotiation.silence();
            self.step(now, step, out);
        }
    }

    pub(super) fn channel_closed_while_opening(&mut self, reason: CloseReason, out: &mut Actions) {
        let Phase::Opening(opening) = &mut self.phase else { return };
        // Nothing was sent on it: there is nothing that it ended at.
        let step = match opening.first {
            Some(_) => NegotiationStep::Failed(NegotiationError::Ended),
            None => opening.negotiation.ended(),
        };
        match step {
            NegotiationStep::Reopen => {
                opening.probe_ends = None;
                self.own.clear();
                out.push(Action::Reopen);
            }
            NegotiationStep::Failed(error) => {
                self.own.clear();
                self.phase = Phase::Closed(reason);
                out.push(Action::Refused(error));
            }
            _ => {}
        }
    }

    fn step(&mut self, now: Duration, step: NegotiationStep, out: &mut Actions) {
        let Phase::Opening(opening) = &mut self.phase else { return };
        match step {
            NegotiationStep::Discover(revision) => {
                opening.probe_ends = now.checked_add(self.config.probe_timeout);
                let ConnectionConfig { capabilities, client_info, .. } = &self.config;
                let params = discover_params(revision, capabilities, client_info);
                self.request(OwnRequest::Probe, Method::Discover, params, out);
            }
            NegotiationStep::Initialize(revision) => {
                let is_timed = opening.negotiation.is_timed();
                opening.probe_ends = now.checked_add(self.config.probe_timeout).filter(|_| is_timed);
                let params = initialize_params(revision, &self.config.capabilities, &self.config.client_info);
                self.request(OwnRequest::Initialize, Method::Initialize, params, out);
            }
            NegotiationStep::Reopen => out.push(Action::Reopen),
            NegotiationStep::Agreed(session) => self.agreed(Arc::new(session), out),
            NegotiationStep::Failed(error) => self.refuse_server(error, out),
            NegotiationStep::Wait => {}
        }
    }

    fn agreed(&mut self, session: Arc<NegotiatedSession>, out: &mut Actions) {
        // A late answer to the probe, or to `initialize`, does not matter any more.
        self.own.clear();
        if !session.revision().has_sessions() {
            out.push(Action::Negotiated(session.clone()));
            self.phase = Phase::Open(session);
            return;
        }
        // 2025-11-25, lifecycle §Initialization: "After successful initialization, the client **MUST** send an
        // `initialized` notification to indicate it is ready to begin normal operations".
        out.push(Action::Send(Outgoing::notification(Method::Initialized, None)));
        match self.channel {
            Channel::Shared => {
                out.push(Action::Negotiated(session.clone()));
                self.phase = Phase::Open(session);
            }
            Channel::PerCall => {
                out.push(Action::OpenSharedStream { generation: self.sessions.generation() });
                self.sessions.keep_initialize(session.revision());
                self.phase = Phase::Confirming(session);
            }
        }
    }

    /// The first session of the connection is usable, or is not.
    pub(super) fn confirmed(&mut self, result: Result<(), Failure>, out: &mut Actions) {
        let Phase::Confirming(session) = &self.phase else { return };
        match result {
            Ok(()) => {
                let session = session.clone();
                out.push(Action::Negotiated(session.clone()));
                self.phase = Phase::Open(session);
            }
            Err(failure) => {
                let method = Method::Initialized.as_str();
                self.refuse_server(NegotiationError::Failed(method, failure), out);
            }
        }
    }

    /// Nothing can be agreed with this server.
    pub(super) fn refuse_server(&mut self, error: NegotiationError, out: &mut Actions) {
        self.own.clear();
        self.phase = Phase::Closed(CloseReason::Closed);
        out.push(Action::Refused(error));
        out.push(Action::Close(CloseReason::Closed));
    }
}
