//! Operations for which the login of a caller lacks scopes.

use std::sync::Arc;

use anyport_service::sync::Lock;

use crate::SignInLimits;

/// The operations of one caller at one server for which it was asked to sign in again, the oldest first.
#[derive(Default)]
pub(super) struct StepUps(Lock<Vec<(String, StepUp)>>);

struct StepUp {
    logins: u32,
    /// The login that was used when the caller was asked last.
    asked_at: Option<Arc<str>>,
}

impl StepUps {
    /// Notes that `operation` lacks scopes with the login of this id. Returns whether the caller may be asked for another login, of which
    /// there are `max_step_ups` for one operation. An operation is forgotten once it is allowed, and the oldest one beyond
    /// `max_step_up_operations`.
    ///
    /// 2026-07-28, authorization §Step-Up Authorization Flow: "Retry the original request with the new authorization no more than a few
    /// times and treat this as a permanent authorization failure".
    pub(super) fn note(&self, operation: &str, login: Option<Arc<str>>, limits: &SignInLimits) -> bool {
        let mut all = self.0.lock();
        if let Some((_, known)) = all.iter_mut().find(|(known, _)| known == operation) {
            // Who is asked again about the same login has not signed in meanwhile.
            if known.asked_at != login {
                (known.logins, known.asked_at) = (known.logins.saturating_add(1), login);
            }
            return known.logins <= limits.max_step_ups;
        }
        if all.len() >= limits.max_step_up_operations {
            all.remove(0);
        }
        all.push((operation.to_owned(), StepUp { logins: 1, asked_at: login }));
        limits.max_step_ups > 0
    }

    /// Notes that `operation` is allowed.
    pub(super) fn forget(&self, operation: impl FnOnce() -> String) {
        let mut all = self.0.lock();
        if !all.is_empty() {
            let allowed = operation();
            all.retain(|(known, _)| *known != allowed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_leads_to_a_few_logins_until_it_is_allowed() {
        let (step_ups, id) = (StepUps::default(), |id: &str| Some(Arc::from(id)));
        let limits = SignInLimits::default().max_step_ups(2);
        for (login, may_ask) in
            [("1", true), ("1", true), ("2", true), ("3", false), ("3", false), ("4", false)]
        {
            assert_eq!(step_ups.note("tools/call write", id(login), &limits), may_ask, "{login}");
        }
        assert!(step_ups.note("tools/call other", id("4"), &limits));
        step_ups.forget(|| "tools/call write".to_owned());
        assert!(step_ups.note("tools/call write", id("4"), &limits));
        assert!(!step_ups.note("tools/call none", id("4"), &limits.max_step_ups(0)));
    }

    #[test]
    fn beyond_max_step_up_operations_the_oldest_is_forgotten() {
        let step_ups = StepUps::default();
        let limits = SignInLimits::default().max_step_ups(1).max_step_up_operations(3);
        let note = |operation: &str, login: &str| step_ups.note(operation, Some(Arc::from(login)), &limits);
        for operation in ["a", "b", "c"] {
            assert!(note(operation, "1"));
            assert!(!note(operation, "2"), "{operation}");
        }
        assert!(note("d", "2"));
        assert!(!note("c", "3"), "what is known stays");
        assert!(note("a", "3"), "it was forgotten");
        assert_eq!(step_ups.0.lock().len(), 3);
    }
}
