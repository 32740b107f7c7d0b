use std::{sync::Arc, time::Duration};

use super::{
    call_id::CallId,
    calls::Stage,
    connection::ClientConnection,
    envelope::initialize_params,
    input::{Action, Actions, Outgoing},
    negotiated::NegotiatedSession,
    own_requests::OwnRequest,
    phase::Phase,
    sessions::{Renewal, RenewalStage},
};
use crate::{
    Method, Raw, Revision,
    failure::{CloseReason, Failure},
    json::Splice,
    jsonrpc::RpcResult,
};

impl<C: Clone + Eq> ClientConnection<C> {
    /// The server has refused a call because it does not know its session any more.
    ///
    /// 2025-11-25, transports §Session Management: "When a client receives HTTP 404 in response to a request containing an
    /// `MCP-Session-Id`, it **MUST** start a new session by sending a new `InitializeRequest` without a session ID
    /// attached." The call is sent once more: it was refused before anything came of it.
    pub(super) fn session_lost(
        &mut self,
        now: Duration,
        id: CallId,
        generation: u32,
        why: &Arc<str>,
        out: &mut Actions,
    ) {
        let renewing = self.sessions.is_renewing();
        let is_current = generation == self.sessions.generation;
        let Some(call) = self.calls.get_mut(id).filter(|call| !call.has_outcome()) else { return };
        if call.resent {
            // Not as what is safe to repeat: each repetition would open another session.
            let why = format!("the server does not know the session that it has just opened: {why}");
            let failure = Failure::InvalidPeer(why);
            return self.respond(now, id, Err(failure), out);
        }
        call.resent = true;
        if !renewing && !is_current {
            call.stage = Stage::Due;
            return out.push(Action::Wake(id));
        }
        call.stage = Stage::AwaitsSession;
        if !renewing {
            self.renew(now, out);
        }
    }

    fn renew(&mut self, now: Duration, out: &mut Actions) {
        let Some(revision) = self.sessions.revision else { return };
        let give_up = now.checked_add(self.config.open_timeout);
        self.sessions.renewal = Some(Renewal { stage: RenewalStage::Initializing, give_up });
        let params = initialize_params(revision, &self.config.capabilities, &self.config.client_info);
        self.request(OwnRequest::Renew, Method::Initialize, params, out);
    }

    /// The `initialize` of a renewal was answered, or failed.
    pub(super) fn renewed(&mut self, outcome: Result<RpcResult, Failure>, out: &mut Actions) {
        let Some(Renewal { stage: stage @ RenewalStage::Initializing, .. }) = &mut self.sessions.renewal
        else {
            return;
        };
        let agreed = match outcome {
            Ok(Ok(result)) => NegotiatedSession::legacy(&result).map_err(Err),
            Ok(Err(error)) => Err(Ok(Err(error))),
            Err(failure) => Err(Err(failure)),
        };
        let agreed = agreed.and_then(|session| same_revision(self.sessions.revision, session.revision()));
        match agreed {
            Ok(()) => {
                *stage = RenewalStage::Confirming;
                self.sessions.generation += 1;
                // The session in which the server worked for them is no more.
                self.recent.clear();
                out.push(Action::Send(Outgoing::notification(Method::Initialized, None)));
                out.push(Action::OpenSharedStream { generation: self.sessions.generation });
            }
            Err(outcome) => self.renewal_failed(&outcome, out),
        }
    }

    /// A session is usable, or is not.
    pub(super) fn session_ready(&mut self, generation: u32, result: Result<(), Failure>, out: &mut Actions) {
        if matches!(self.phase, Phase::Confirming(_)) {
            return self.confirmed(result, out);
        }
        let Some(Renewal { stage: RenewalStage::Confirming, .. }) = &self.sessions.renewal else { return };
        if generation != self.sessions.generation {
            return;
        }
        match result {
            Ok(()) => self.restore(out),
            Err(failure) => self.renewal_failed(&Err(failure), out),
        }
    }

    /// Gives the new session what the lost one had: its log level and its subscriptions.
    fn restore(&mut self, out: &mut Actions) {
        let mut pending = 0;
        if let Some(level) = self.log_level.restored() {
            self.set_level(level, OwnRequest::Restore, out);
            pending += 1;
        }
        let subscribed: Vec<_> = self
            .subscriptions
            .uris()
            .map(|uri| Splice::new().with("uri", &Raw::string(uri)).finish())
            .collect();
        for params in subscribed {
            self.request(OwnRequest::Restore, Method::Subscribe, params, out);
            pending += 1;
        }
        if let Some(renewal) = &mut self.sessions.renewal {
            renewal.stage = RenewalStage::Restoring(pending);
        }
        if pending == 0 {
            self.resume_calls(out);
        }
    }

    /// One thing was restored, or was refused: the calls are what is wanted.
    pub(super) fn restored(&mut self, out: &mut Actions) {
        let Some(Renewal { stage: RenewalStage::Restoring(pending), .. }) = &mut self.sessions.renewal else {
            return;
        };
        *pending -= 1;
        if *pending == 0 {
            self.resume_calls(out);
        }
    }

    fn resume_calls(&mut self, out: &mut Actions) {
        self.sessions.renewal = None;
        for (id, call) in self.calls.open_mut() {
            if call.stage == Stage::AwaitsSession {
                call.stage = Stage::Due;
                out.push(Action::Wake(id));
            }
        }
    }

    fn renewal_failed(&mut self, outcome: &Result<RpcResult, Failure>, out: &mut Actions) {
        self.sessions.renewal = None;
        self.own.forget(OwnRequest::Renew);
        self.own.forget(OwnRequest::Restore);
        let waiting: Vec<_> = self
            .calls
            .open()
            .filter(|(_, call)| call.stage == Stage::AwaitsSession)
            .map(|(id, _)| id)
            .collect();
        for id in waiting {
            if self.calls.end(id, outcome.clone()) {
                out.push(Action::Wake(id));
            }
        }
    }

    pub(super) fn renewal_timeout(&mut self, now: Duration, out: &mut Actions) {
        if self.sessions.timeout().is_some_and(|due| due <= now) {
            let why = "no new session was opened in time (open_timeout)";
            self.renewal_failed(&Err(Failure::NotSent(CloseReason::Lost(why.into()))), out);
        }
    }
}

/// A renewed session must speak the revision of the first: everything written for it does.
fn same_revision(first: Option<Revision>, now: Revision) -> Result<(), Result<RpcResult, Failure>> {
    match first {
        Some(first) if first != now => {
            let why = format!("the server spoke {first} and now chooses {now}; connect anew");
            Err(Err(Failure::InvalidPeer(why)))
        }
        _ => Ok(()),
    }
}
