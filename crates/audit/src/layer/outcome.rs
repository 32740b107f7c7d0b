use anyport_protocol::{Error, failure::Failure, jsonrpc::Reason};
use anyport_service::Outcome as ReplyOutcome;

use crate::{Outcome, OutcomeKind};

/// What a record says of an outcome, and the bytes of it.
pub(super) fn said(outcome: &ReplyOutcome, refused_by: Option<&str>) -> (Outcome, usize) {
    match outcome {
        ReplyOutcome::Result(result) => {
            // A guard refuses a call of a tool by a result that its model can read.
            let kind = match (outcome.is_error(), refused_by) {
                (true, Some(_)) => OutcomeKind::Refused,
                (true, None) => OutcomeKind::ToolError,
                (false, _) => OutcomeKind::Ok,
            };
            let refused_by = refused_by.filter(|_| kind == OutcomeKind::Refused).map(str::to_owned);
            (Outcome { refused_by, ..Outcome::of(kind) }, result.as_str().len())
        }
        ReplyOutcome::InputRequired(result) => {
            (Outcome::of(OutcomeKind::InputRequired), result.as_str().len())
        }
        ReplyOutcome::Error(error) => (of_error(error, refused_by.map(str::to_owned)), bytes_of(error)),
        ReplyOutcome::Failed(failure) => {
            let error = failure.to_error();
            (
                of_error(&error, refusing(failure).map(str::to_owned).or(refused_by.map(str::to_owned))),
                bytes_of(&error),
            )
        }
    }
}

fn bytes_of(error: &Error) -> usize {
    error.message.len() + error.data.as_ref().map_or(0, |data| data.as_str().len())
}

fn of_error(error: &Error, refused_by: Option<String>) -> Outcome {
    let refused_by = refused_by.or_else(|| {
        // What this program refuses by itself; the reasons of servers are no `Reason`s.
        let what = match error.reason? {
            Reason::Forbidden => error.data.as_ref()?.member("rule")?.as_string()?.to_string(),
            Reason::InsufficientScope => "scope".to_owned(),
            Reason::Quarantined => "pin".to_owned(),
            Reason::Overloaded => "overloaded".to_owned(),
            Reason::RateLimited => "rate_limited".to_owned(),
            _ => return None,
        };
        Some(what)
    });
    let is_forbidden = error.reason == Some(Reason::Forbidden);
    let kind = if refused_by.is_some() || is_forbidden { OutcomeKind::Refused } else { OutcomeKind::Error };
    let reason = error.reason.map(|reason| reason.as_str().to_owned());
    Outcome { kind, code: Some(error.code), reason, refused_by }
}

/// The limit that refuses a call with `failure`, if it is one.
fn refusing(failure: &Failure) -> Option<&str> {
    match failure.root() {
        Failure::Overloaded { limit, .. } | Failure::RateLimited { limit, .. } => Some(limit),
        Failure::AuditUnavailable { is_done: false } => Some("audit"),
        _ => None,
    }
}
