use anyport_protocol::{
    Method, Raw,
    json::Splice,
    session::parked::{Attachment, Caller, Retry},
};
use tokio::sync::oneshot;

use anyport_service::{Context, Emitter, Event, Notification, Outcome};

/// A request that is attached to a call: where what is told to it goes. Its client is gone when `end` is closed.
pub(super) struct AttachedRequest {
    pub(super) attachment: Attachment,
    pub(super) emitter: Emitter,
    pub(super) end: oneshot::Sender<Outcome>,
    pub(super) writer: Option<u64>,
    token: Option<Raw>,
}

/// What the task of a call is told.
pub(super) enum Command {
    /// The caller came back.
    Retry { round: u32, answers: Option<Raw>, digest: [u8; 32], caller: Caller, guest: AttachedRequest },
    /// The program stops.
    Drain,
}

impl AttachedRequest {
    /// The request that `context` is of. Its name is given to it by the task.
    pub(super) fn new(context: &Context, emitter: Emitter, end: oneshot::Sender<Outcome>) -> Self {
        Self { attachment: 0, emitter, end, writer: None, token: context.progress_token().cloned() }
    }

    /// Tells the client of something. Progress is of the request that is attached now, by whatever token the call began.
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

/// What an attached request wants, and what its client can do.
pub(super) fn caller(context: &Context) -> Caller {
    Caller {
        profile: context.profile(),
        log_level: context.log_level(),
        progress: context.progress_token().is_some(),
    }
}

/// The retry as the call's machine is told it, and whom it is from.
pub(super) fn arrive(
    mut guest: AttachedRequest,
    attachment: Attachment,
    (round, answers, digest, caller): (u32, Option<Raw>, [u8; 32], Caller),
) -> (AttachedRequest, Retry) {
    guest.attachment = attachment;
    (guest, Retry { attachment, round, answers, digest, caller })
}
