//! Whether a member can be reached, as its last outcomes say.

use std::time::Duration;

use anyport_protocol::failure::Failure;
use anyport_service::{Outcome, sync::Lock};
use jiff::Timestamp;

/// Whether a member can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberState {
    /// No request has ended yet.
    Unknown,
    /// The last request reached it.
    Up,
    /// The last request did not reach it, or lost it.
    Down,
}

/// What is known of the reachability of a member.
pub(super) struct Health(Lock<Known>);

#[derive(Clone)]
pub(super) struct Known {
    pub(super) state: MemberState,
    pub(super) since: Timestamp,
    pub(super) last_error: Option<String>,
}

impl Health {
    /// Notes the outcome of a request.
    pub(super) fn note(&self, outcome: &Outcome) {
        let failure = match outcome {
            // An answer, even an error, is one.
            Outcome::Result(_) | Outcome::InputRequired(_) | Outcome::Error(_) => None,
            Outcome::Failed(failure) => match failure.root() {
                Failure::Unavailable { .. }
                | Failure::NotSent(_)
                | Failure::Disconnected(_)
                | Failure::OutcomeUnknown(_) => Some(failure),
                // Limits and timeouts do not say that it is away.
                _ => return,
            },
        };
        match failure {
            Some(failure) => self.set(MemberState::Down, Some(failure.to_error().message.into_owned())),
            None => self.set(MemberState::Up, None),
        }
    }

    /// Notes that a list was not read within `max`.
    pub(super) fn hangs(&self, max: Duration) {
        let seconds = max.as_secs();
        self.set(MemberState::Down, Some(format!("it does not answer within {seconds} s (catalog_timeout)")));
    }

    /// Notes why a list cannot be read, of a member that answers otherwise.
    pub(super) fn unreadable(&self, list: &str, why: &str) {
        self.0.lock().last_error = Some(format!("its list of {list} cannot be read: {why}"));
    }

    fn set(&self, state: MemberState, error: Option<String>) {
        let mut known = self.0.lock();
        if known.state != state {
            (known.state, known.since) = (state, Timestamp::now());
        }
        if error.is_some() {
            known.last_error = error;
        }
    }

    pub(super) fn known(&self) -> Known {
        self.0.lock().clone()
    }
}

impl Default for Health {
    fn default() -> Self {
        Self(Lock::new(Known { state: MemberState::Unknown, since: Timestamp::now(), last_error: None }))
    }
}
