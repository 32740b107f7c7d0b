use std::collections::VecDeque;

use super::{call_id::CallId, input::CallFacts};
use crate::Method;

/// The callers of calls that are over, for whom the server may still be at work.
///
/// A message on a shared stream names no call. It may be about one that is not open any more: a server goes on with a
/// cancelled call ("The receiver **MAY** ignore" a cancellation, 2025-11-25, cancellation §Behavior Requirements). So the only
/// open call is meant only if no other caller can be. A call that was answered is over: what its tool may have begun in the
/// background is not presumed, else the second of two callers could not be asked. But it is a reason for connections of
/// their own, once anything was asked where several call.
#[derive(Debug)]
pub(super) struct RecentCallers<C> {
    /// The calls that were cancelled and not answered, from oldest to newest.
    cancelled: VecDeque<(CallId, RecentCall<C>)>,
    /// Whose were those that are not remembered any more.
    forgotten: Forgotten<C>,
    first: Option<C>,
    several: bool,
}

#[derive(Debug)]
struct RecentCall<C> {
    caller: C,
    /// Whether it wanted log messages.
    logs: bool,
}

/// Whose the cancelled calls were that are not remembered any more.
#[derive(Debug)]
enum Forgotten<C> {
    Nobody,
    Caller(C),
    Several,
}

/// What a message is about, in question of whose it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// A call that may be asked.
    Any,
    /// One that wants log messages: no other is sent any.
    Logs,
}

impl<C> Default for RecentCallers<C> {
    fn default() -> Self {
        Self { cancelled: VecDeque::new(), forgotten: Forgotten::Nobody, first: None, several: false }
    }
}

impl<C: Clone + Eq> RecentCallers<C> {
    /// Notes that a call begins.
    pub(super) fn begins(&mut self, facts: &CallFacts<C>) {
        if !counts(facts) || self.several {
            return;
        }
        match &self.first {
            None => self.first = Some(facts.caller.clone()),
            Some(first) => self.several = *first != facts.caller,
        }
    }

    /// Whether calls of more than one caller have begun.
    pub(super) fn are_several(&self) -> bool {
        self.several
    }

    /// Notes that a call was cancelled, and that no answer to it has come.
    pub(super) fn cancelled(&mut self, id: CallId, facts: CallFacts<C>, logs: bool) {
        if !counts(&facts) {
            return;
        }
        if self.cancelled.len() >= MAX_CANCELLED {
            self.forget_oldest();
        }
        self.cancelled.push_back((id, RecentCall { caller: facts.caller, logs }));
    }

    fn forget_oldest(&mut self) {
        let Some((_, RecentCall { caller, .. })) = self.cancelled.pop_front() else { return };
        self.forgotten = match std::mem::replace(&mut self.forgotten, Forgotten::Several) {
            Forgotten::Nobody => Forgotten::Caller(caller),
            Forgotten::Caller(known) if known == caller => Forgotten::Caller(known),
            _ => Forgotten::Several,
        };
    }

    /// Notes that the answer to a cancelled call came after all.
    pub(super) fn answered_late(&mut self, id: CallId) {
        self.cancelled.retain(|(cancelled, _)| *cancelled != id);
    }

    /// Whether the server may mean a call that is over, of another caller than that of `call`.
    ///
    /// Anonymous callers that nothing tells apart count as one: else a caller who has cancelled a call once could not be asked
    /// any more, or would be served by another process, without what the server remembers.
    pub(super) fn may_be_meant(&self, about: About, call: &CallFacts<C>) -> bool {
        let fits = |other: &RecentCall<C>| about == About::Any || other.logs;
        let is_forgotten = match &self.forgotten {
            Forgotten::Nobody => false,
            Forgotten::Caller(caller) => *caller != call.caller,
            Forgotten::Several => true,
        };
        is_forgotten || self.cancelled.iter().any(|(_, other)| fits(other) && other.caller != call.caller)
    }

    /// Forgets everybody: the session for which the server worked is no more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Whether a server may still send requests about such a call once it is over: a list or a read has none.
fn counts<C>(facts: &CallFacts<C>) -> bool {
    facts.method.is_some_and(Method::may_ask)
}

/// The number of cancelled calls that are remembered one by one.
const MAX_CANCELLED: usize = 1024;
