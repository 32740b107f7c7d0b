use anyport_protocol::{
    Error, Method, Raw,
    json::Splice,
    session::parked::{Attachment, Caller, Retry},
};
use tokio::sync::oneshot;

use anyport_service::{Context, Emitter, Event, Notification, Outcome};

/// A request that is attached to a call: the channel of its events. Its client has disconnected if `end` is closed.
pub(super) struct AttachedRequest {
    pub(super) attachment: Attachment,
    pub(super) emitter: Emitter,
    pub(super) end: oneshot::Sender<Outcome>,
    pub(super) writer: Option<u64>,
    token: Option<Raw>,
}

/// A command for the task of a call.
pub(super) enum Command {
    /// The caller came back.
    Retry { round: u32, answers: Option<Raw>, digest: [u8; 32], caller: Caller, request: AttachedRequest },
    /// The program stops.
    Drain,
}

impl AttachedRequest {
    /// The request that `context` is of. Its name is given to it by the task.
    pub(super) fn new(context: &Context, emitter: Emitter, end: oneshot::Sender<Outcome>) -> Self {
        Self { attachment: 0, emitter, end, writer: None, token: context.progress_token().cloned() }
    }

    /// Sends a notification to the client. Progress belongs to the request that is attached now, whatever the call's
    /// first token was.
    pub(super) fn tell(&self, method: Method, params: Raw) {
        let params = match (&self.token, method) {
            (Some(token), Method::Progress) => {
                Splice::retain(&params, |key| key != "progressToken").with("progressToken", token).finish()
            }
            _ => params,
        };
        self.emitter.push(Event::Notification(Notification { method, params }));
    }
}

impl Command {
    /// The round and the digest of a retry.
    pub(super) fn retry(&self) -> (u32, [u8; 32]) {
        match self {
            Self::Retry { round, digest, .. } => (*round, *digest),
            Self::Drain => (0, [0; 32]),
        }
    }
}

/// The wishes of an attached request, and its client's capabilities.
pub(super) fn caller(context: &Context) -> Caller {
    Caller {
        profile: context.profile(),
        log_level: context.log_level(),
        progress: context.progress_token().is_some(),
    }
}

/// The retry for the call's state machine, and its caller.
pub(super) fn arrive(
    mut request: AttachedRequest,
    attachment: Attachment,
    (round, answers, digest, caller): (u32, Option<Raw>, [u8; 32], Caller),
) -> (AttachedRequest, Retry) {
    request.attachment = attachment;
    (request, Retry { attachment, round, answers, digest, caller })
}

/// The outcome that the task of a call sends to an attached request.
pub(super) async fn outcome_of_call(sent: oneshot::Receiver<Outcome>) -> Outcome {
    sent.await.unwrap_or_else(|_| Outcome::Error(Error::internal("the call ended without an answer")))
}
