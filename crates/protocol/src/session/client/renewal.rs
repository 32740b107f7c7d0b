use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    call_id::CallId,
    calls::Stage,
    connection::ClientConnection,
    envelope::initialize_params,
    input::{Action, Actions, Outgoing, UnsolicitedMessage},
    negotiated::NegotiatedSession,
    own_requests::OwnRequest,
    phase::Phase,
    sessions::{Renewal, RenewalStage},
};
use crate::{
    Method, Raw,
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

    /// The server refuses the stream on which it would send what belongs to no call. A session of which somebody waits for
    /// such messages is renewed at once: there may be no call for a long time that would find it lost.
    pub(super) fn shared_stream_lost(&mut self, now: Duration, generation: u32, out: &mut Actions) {
        let is_current = generation == self.sessions.generation && !self.sessions.is_renewing();
        if let Phase::Open(session) = &self.phase
            && is_current
            && self.subscriptions.are_awaited(session)
        {
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
        let first = self.session().cloned();
        let Some(Renewal { stage: stage @ RenewalStage::Initializing, .. }) = &mut self.sessions.renewal
        else {
            return;
        };
        let agreed = match outcome {
            Ok(Ok(result)) => NegotiatedSession::legacy(&result).map_err(|failure| failure.to_string()),
            Ok(Err(error)) => Err(error.message.to_string()),
            Err(failure) => return self.renewal_failed(CloseReason::Lost, &failure.to_string(), out),
        };
        match agreed.and_then(|renewed| same_server(first.as_deref(), &renewed)) {
            Ok(()) => {
                *stage = RenewalStage::Confirming;
                self.sessions.generation += 1;
                // The session in which the server worked for them is no more.
                self.recent.clear();
                out.push(Action::Send(Outgoing::notification(Method::Initialized, None)));
                out.push(Action::OpenSharedStream { generation: self.sessions.generation });
            }
            Err(why) => self.renewal_failed(CloseReason::Replaced, &why, out),
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
            Err(failure) => self.renewal_failed(CloseReason::Lost, &failure.to_string(), out),
        }
    }

    /// Gives the new session what the lost one had: its log level and its subscriptions.
    fn restore(&mut self, out: &mut Actions) {
        let mut pending = BTreeMap::new();
        if let Some(level) = self.log_level.restored() {
            pending.insert(self.set_level(level, OwnRequest::Restore, out), None);
        }
        let subscribed: Vec<_> = self.subscriptions.uris().cloned().collect();
        for uri in subscribed {
            let params = Splice::new().with("uri", &Raw::string(&uri)).finish();
            pending.insert(self.request(OwnRequest::Restore, Method::Subscribe, params, out), Some(uri));
        }
        let is_restored = pending.is_empty();
        if let Some(renewal) = &mut self.sessions.renewal {
            renewal.stage = RenewalStage::Restoring { pending, refused: Vec::new() };
        }
        if is_restored {
            self.resume_calls(out);
        }
    }

    /// The request `id` has restored something, or was refused. The calls are what is wanted, so they do not fail for that;
    /// who waits for changes of a resource learns that there will be none.
    pub(super) fn restored(&mut self, id: CallId, outcome: &Result<RpcResult, Failure>, out: &mut Actions) {
        let Some(Renewal { stage: RenewalStage::Restoring { pending, refused }, .. }) =
            &mut self.sessions.renewal
        else {
            return;
        };
        let Some(uri) = pending.remove(&id) else { return };
        if let Some(uri) = uri.filter(|_| !matches!(outcome, Ok(Ok(_)))) {
            self.subscriptions.removed(&uri);
            refused.push(uri);
        }
        if pending.is_empty() {
            if !refused.is_empty() {
                let refused = std::mem::take(refused).into();
                out.push(Action::Unsolicited(UnsolicitedMessage::Unsubscribed(refused)));
            }
            self.resume_calls(out);
        }
    }

    fn resume_calls(&mut self, out: &mut Actions) {
        self.sessions.renewal = None;
        out.push(Action::Unsolicited(UnsolicitedMessage::Missed));
        for (id, call) in self.calls.open_mut() {
            if call.stage == Stage::AwaitsSession {
                call.stage = Stage::Due;
                out.push(Action::Wake(id));
            }
        }
    }

    /// The server is not what the connection was negotiated with, or is not there: the connection is over, and its calls
    /// that wait were not sent. Whoever connects anew finds out what the server speaks now.
    ///
    /// 2026-07-28, versioning §Backward Compatibility with Initialization-Based Versions: "re-probing if the cached
    /// assumption later fails".
    fn renewal_failed(&mut self, reason: fn(Arc<str>) -> CloseReason, why: &str, out: &mut Actions) {
        self.sessions.renewal = None;
        let why = format!("the session was lost, and no new one was opened: {why}");
        self.finish(reason(why.into()), out);
    }

    pub(super) fn renewal_timeout(&mut self, now: Duration, out: &mut Actions) {
        if self.sessions.timeout().is_some_and(|due| due <= now) {
            let why = "the server did not answer in time (open_timeout)";
            self.renewal_failed(CloseReason::Lost, why, out);
        }
    }
}

/// A renewed session must be one with the same server: everything that is known of it was read from the first.
///
/// # Errors
/// What differs.
fn same_server(first: Option<&NegotiatedSession>, renewed: &NegotiatedSession) -> Result<(), String> {
    match first {
        Some(first) if first.revision() != renewed.revision() => {
            Err(format!("the server spoke {} and now chooses {}", first.revision(), renewed.revision()))
        }
        Some(first) if first != renewed => Err("the server says something else of itself now".into()),
        _ => Ok(()),
    }
}
