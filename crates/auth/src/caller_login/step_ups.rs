//! Operations for which the login of a caller lacks scopes.

use std::{collections::HashMap, sync::Arc};

use anyport_service::sync::Lock;

/// The operations of one caller at one server for which it was asked to sign in again.
#[derive(Default)]
pub(super) struct StepUps(Lock<HashMap<String, StepUp>>);

struct StepUp {
    logins: u32,
    /// The login that was used when the caller was asked last.
    asked_at: Option<Arc<str>>,
}

/// The most operations that are remembered. An operation is forgotten once it is allowed.
const OPERATIONS: usize = 64;

impl StepUps {
    /// Notes that `operation` lacks scopes with the login of this id. Returns whether the caller may be asked for another login, of which
    /// there are `most` for one operation.
    ///
    /// 2026-07-28, authorization §Step-Up Authorization Flow: "Retry the original request with the new authorization no more than a few
    /// times and treat this as a permanent authorization failure".
    pub(super) fn note(&self, operation: &str, login: Option<Arc<str>>, most: u32) -> bool {
        let mut all = self.0.lock();
        if let Some(known) = all.get_mut(operation) {
            // Who is asked again about the same login has not signed in meanwhile.
            if known.asked_at != login {
                (known.logins, known.asked_at) = (known.logins.saturating_add(1), login);
            }
            return known.logins <= most;
        }
        if all.len() >= OPERATIONS {
            all.clear();
        }
        all.insert(operation.to_owned(), StepUp { logins: 1, asked_at: login });
        most > 0
    }

    /// Notes that `operation` is allowed.
    pub(super) fn forget(&self, operation: impl FnOnce() -> String) {
        let mut all = self.0.lock();
        if !all.is_empty() {
            all.remove(&operation());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_leads_to_a_few_logins_until_it_is_allowed() {
        let (step_ups, id) = (StepUps::default(), |id: &str| Some(Arc::from(id)));
        for (login, may_ask) in
            [("1", true), ("1", true), ("2", true), ("3", false), ("3", false), ("4", false)]
        {
            assert_eq!(step_ups.note("tools/call write", id(login), 2), may_ask, "{login}");
        }
        assert!(step_ups.note("tools/call other", id("4"), 2));
        step_ups.forget(|| "tools/call write".to_owned());
        assert!(step_ups.note("tools/call write", id("4"), 2));
        assert!(!step_ups.note("tools/call none", id("4"), 0));
        for number in 0..1000 {
            step_ups.note(&number.to_string(), None, 2);
        }
        assert!(step_ups.0.lock().len() <= OPERATIONS);
    }
}
