use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use anyport_service::sync::Lock;

/// What came of the calls.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The number of calls so far.
    calls: AtomicU64,
    /// The bytes that were searched.
    bytes: AtomicU64,
    counts: Lock<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// How many calls there were of each kind, by the way of the client.
    kinds: BTreeMap<(&'static str, String), u64>,
    /// The principal for which each answer was made that is cached.
    answers: HashMap<String, usize>,
    /// How many answers came from the cache.
    cached: u64,
    violations: Vec<String>,
}

/// How many violations are listed.
const LISTED: usize = 20;

impl Tally {
    pub(super) fn call(&self, kind: &'static str, line: impl Into<String>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        *self.counts.lock().kinds.entry((kind, line.into())).or_default() += 1;
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How many calls of a kind there were.
    pub(super) fn of(&self, kind: &str) -> u64 {
        let counts = self.counts.lock();
        counts.kinds.iter().filter(|((name, _), _)| *name == kind).map(|(_, count)| count).sum()
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes the answer of a call that `principal` made, and returns whose it is if that is another.
    pub(super) fn answered(&self, answer: &str, principal: usize) -> Option<usize> {
        let mut counts = self.counts.lock();
        match counts.answers.get(answer).copied() {
            Some(owner) if owner != principal => Some(owner),
            Some(_) => {
                counts.cached += 1;
                None
            }
            None => {
                counts.answers.insert(answer.to_owned(), principal);
                None
            }
        }
    }

    /// How many answers came from the cache.
    pub(super) fn cached(&self) -> u64 {
        self.counts.lock().cached
    }

    pub(super) fn violation(&self, what: String) {
        self.counts.lock().violations.push(what);
    }

    /// How many violations there are.
    pub(super) fn failures(&self) -> usize {
        self.counts.lock().violations.len()
    }

    /// What must not have happened; beyond some, their number.
    pub(super) fn violations(&self) -> Vec<String> {
        let counts = self.counts.lock();
        let mut listed: Vec<_> = counts.violations.iter().take(LISTED).cloned().collect();
        if counts.violations.len() > LISTED {
            listed.push(format!("and {} more", counts.violations.len() - LISTED));
        }
        listed
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts.lock();
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        let mut lines: BTreeMap<&str, u64> = BTreeMap::new();
        for ((kind, line), count) in &counts.kinds {
            *kinds.entry(kind).or_default() += count;
            *lines.entry(line).or_default() += count;
        }
        for (name, count) in lines.iter().chain(&kinds) {
            writeln!(f, "{name:<28} {count:>9}")?;
        }
        writeln!(f, "{:<28} {:>9}", "answers from the cache", counts.cached)?;
        writeln!(f, "{:<28} {:>9}", "KiB searched", self.bytes() >> 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_principal_is_known() {
        let tally = Tally::default();
        assert_eq!(tally.answered("a", 1), None);
        assert_eq!((tally.answered("a", 1), tally.cached()), (None, 1));
        assert_eq!(tally.answered("a", 2), Some(1));
    }
}
