//! The logins that are under way: between the page of ours and the answer of the server's authorization server.

use std::{collections::HashMap, time::SystemTime};

use anyport_service::{Principal, sync::Lock};
use tokio::sync::oneshot;

/// A login that was begun by a browser.
pub(super) struct Attempt {
    /// The hash of the browser's id.
    pub(super) browser: String,
    pub(super) principal: Principal,
    /// The name of the server.
    pub(super) server: String,
    pub(super) ends: SystemTime,
    /// Takes the URL that the browser was sent to at the end.
    pub(super) answer: oneshot::Sender<String>,
}

/// The logins by their `state`.
#[derive(Default)]
pub(super) struct Attempts(Lock<HashMap<String, Attempt>>);

/// Why the answer of a browser is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// No login has this `state`, or not any more.
    Unknown,
    /// Another browser, or another user, has begun it.
    Foreign,
}

impl Attempts {
    /// How many are under way.
    pub(super) fn count(&self, now: SystemTime) -> usize {
        let mut attempts = self.0.lock();
        attempts.retain(|_, attempt| now < attempt.ends && !attempt.answer.is_closed());
        attempts.len()
    }

    /// How many of `principal` are under way.
    pub(super) fn of(&self, principal: &Principal, now: SystemTime) -> usize {
        self.count(now);
        self.0.lock().values().filter(|attempt| attempt.principal == *principal).count()
    }

    pub(super) fn begin(&self, state: String, attempt: Attempt) {
        self.0.lock().insert(state, attempt);
    }

    /// Takes the login with `state`, once, for the browser and the user that have begun it. Another one does not end it.
    pub(super) fn take(
        &self,
        state: &str,
        now: SystemTime,
        is_own: impl Fn(&Attempt) -> bool,
    ) -> Result<Attempt, NotTaken> {
        let mut attempts = self.0.lock();
        match attempts.get(state).filter(|attempt| now < attempt.ends && !attempt.answer.is_closed()) {
            None => Err(NotTaken::Unknown),
            Some(attempt) if !is_own(attempt) => Err(NotTaken::Foreign),
            Some(_) => attempts.remove(state).ok_or(NotTaken::Unknown),
        }
    }
}
