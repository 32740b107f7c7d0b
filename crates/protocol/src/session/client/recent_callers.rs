use std::{collections::VecDeque, time::Duration};

use super::{call_id::CallId, input::CallFacts};
use crate::Method;

/// The callers of calls that are over, for whom the server may still be at work.
///
/// A message on a shared stream names no call. It may be about one that is not open any more: a server goes on with a
/// cancelled call ("The receiver **MAY** ignore" a cancellation, 2025-11-25, cancellation §Behavior Requirements), and what a
/// tool began may outlast its result. So the only open call is meant only if no other caller can be.
#[derive(Debug)]
pub(super) struct RecentCallers<C> {
    /// The calls that were cancelled and not answered, from oldest to newest.
    cancelled: VecDeque<(CallId, RecentCall<C>)>,
    /// The newest answered call of each caller, from oldest to newest, and until when it counts.
    answered: VecDeque<(Duration, RecentCall<C>)>,
    /// Whether more were cancelled than are remembered: then anybody may be meant.
    has_forgotten: bool,
    /// Until when more callers count than are remembered.
    forgotten_until: Duration,
    first: Option<C>,
    several: bool,
}

#[derive(Debug)]
struct RecentCall<C> {
    caller: C,
    unidentifiable: bool,
    /// Whether it wanted log messages.
    logs: bool,
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
        Self {
            cancelled: VecDeque::new(),
            answered: VecDeque::new(),
            has_forgotten: false,
            forgotten_until: Duration::ZERO,
            first: None,
            several: false,
        }
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
        if self.cancelled.len() >= LIMIT {
            self.cancelled.pop_front();
            self.has_forgotten = true;
        }
        let CallFacts { caller, unidentifiable, .. } = facts;
        self.cancelled.push_back((id, RecentCall { caller, unidentifiable, logs }));
    }

    /// Notes that the answer to a cancelled call came after all.
    pub(super) fn answered_late(&mut self, now: Duration, id: CallId) {
        if let Some(place) = self.cancelled.iter().position(|(cancelled, _)| *cancelled == id)
            && let Some((_, call)) = self.cancelled.remove(place)
        {
            self.keep(now, call);
        }
    }

    /// Notes that a call was answered, or failed.
    pub(super) fn answered(&mut self, now: Duration, facts: &CallFacts<C>, logs: bool) {
        if counts(facts) {
            let (caller, unidentifiable) = (facts.caller.clone(), facts.unidentifiable);
            self.keep(now, RecentCall { caller, unidentifiable, logs });
        }
    }

    fn keep(&mut self, now: Duration, mut call: RecentCall<C>) {
        if let Some(place) = self.answered.iter().position(|(_, other)| other.caller == call.caller)
            && let Some((_, before)) = self.answered.remove(place)
        {
            call.logs |= before.logs;
        }
        while self.answered.front().is_some_and(|(until, _)| *until <= now) {
            self.answered.pop_front();
        }
        if self.answered.len() >= LIMIT
            && let Some((until, _)) = self.answered.pop_front()
        {
            self.forgotten_until = self.forgotten_until.max(until);
        }
        self.answered.push_back((now.saturating_add(AFTERWARDS), call));
    }

    /// Whether the server may mean a call that is over, of another caller than that of `call`.
    ///
    /// Anonymous callers that nothing tells apart are each another one while an answer is missing. Once their calls are
    /// answered they count as one: else none of them could ever be asked on a connection that another has used.
    pub(super) fn may_be_meant(&self, now: Duration, about: About, call: &CallFacts<C>) -> bool {
        let fits = |other: &RecentCall<C>| about == About::Any || other.logs;
        let differs = |other: &RecentCall<C>| other.caller != call.caller;
        self.has_forgotten
            || now < self.forgotten_until
            || self.cancelled.iter().any(|(_, other)| {
                fits(other) && (other.unidentifiable || call.unidentifiable || differs(other))
            })
            || self.answered.iter().any(|(until, other)| now < *until && fits(other) && differs(other))
    }

    /// Forgets everybody: the session for which the server worked is no more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Only calls that may be asked run what goes on without them.
fn counts<C>(facts: &CallFacts<C>) -> bool {
    facts.method.is_some_and(Method::may_ask)
}

/// Cancelled calls, and callers with answered ones, that are remembered.
const LIMIT: usize = 1024;

/// For how long a server may send requests and log messages about a call that it has answered.
const AFTERWARDS: Duration = Duration::from_secs(60);
