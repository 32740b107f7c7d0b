//! A turn of one server: how long it lasts.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// How many calls a turn has: a number, or as many as there is time for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) calls: usize,
    until: Option<Instant>,
}

impl Turn {
    /// So many calls, however long they take.
    pub(super) fn of(calls: usize) -> Self {
        Self { calls, until: None }
    }

    /// So many calls, but none is begun once `time` has passed from now on. `None` is for ever.
    pub(super) fn within(calls: usize, time: Option<Duration>) -> Self {
        Self { calls, until: time.map(|time| Instant::now() + time) }
    }

    /// The ids of the calls, each as many as are made at once. The first ones are made in any case.
    pub(super) fn ids(self, first: usize, at_once: usize) -> impl Iterator<Item = Range<usize>> {
        let last = first + self.calls;
        (first..last)
            .step_by(at_once)
            .take_while(move |&id| id == first || self.until.is_none_or(|until| Instant::now() < until))
            .map(move |id| id..last.min(id + at_once))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_with_its_calls_or_its_time_but_not_before_it_has_begun() {
        let ids = |turn: Turn| turn.ids(10, 2).collect::<Vec<_>>();
        assert_eq!(ids(Turn::of(5)), [10..12, 12..14, 14..15]);
        assert_eq!(ids(Turn::within(5, None)), ids(Turn::of(5)));
        assert_eq!(ids(Turn::within(5, Some(Duration::ZERO))), [Range { start: 10, end: 12 }]);
        assert_eq!(ids(Turn::within(5, Some(Duration::from_secs(3600)))), ids(Turn::of(5)));
    }
}
