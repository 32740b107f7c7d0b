use anyport_service::{Context, Principal, SessionId};

/// Who makes a call: its session, else its principal.
pub(super) type Caller = (Option<SessionId>, Principal);

/// The caller of a call.
pub(super) fn caller(context: &Context) -> Caller {
    (context.session_id(), context.principal().clone())
}
