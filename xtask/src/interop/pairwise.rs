//! A choice among combinations: most faults need no more than two things that meet.

use std::collections::BTreeSet;

/// Something that is a combination.
pub(super) trait Parts {
    /// What is combined, in the same order for all.
    fn parts(&self) -> Vec<String>;

    /// Any two of its parts, each with its place.
    fn pairs(&self) -> Vec<[(usize, String); 2]> {
        let parts: Vec<_> = self.parts().into_iter().enumerate().collect();
        let with_later = |one: usize| parts[one + 1..].iter().map(move |other| (one, other));
        let pairs = (0..parts.len()).flat_map(with_later);
        pairs.map(|(one, other)| [parts[one].clone(), other.clone()]).collect()
    }
}

/// Of `all` so many that whatever two parts meet in some of them meet in one that is chosen: a client and a server, a server
/// and a pair of eras, a pair of eras and a pair of transports, and so on.
pub(super) fn pairwise<T: Parts + Copy>(all: &[T]) -> Vec<T> {
    let mut open: BTreeSet<_> = all.iter().flat_map(Parts::pairs).collect();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        let news = |one: &T| one.pairs().iter().filter(|pair| open.contains(*pair)).count();
        // Of those with the most news the first, so that the choice is always the same.
        let Some(best) = all.iter().rev().max_by_key(|one| news(one)) else { break };
        for pair in best.pairs() {
            open.remove(&pair);
        }
        chosen.push(*best);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interop::{asking, dialogue, meeting};

    /// Whether the choice from `all` has all of its pairs, with how many of how many.
    fn choice<T: Parts + Copy>(all: &[T]) -> (bool, usize, usize) {
        let pairs = |some: &[T]| some.iter().flat_map(Parts::pairs).collect::<BTreeSet<_>>();
        let chosen = pairwise(all);
        (pairs(&chosen) == pairs(all), chosen.len(), all.len())
    }

    /// Invariant: Any two clients and servers of other projects work together through a bridge, in every era and over every
    /// transport.
    #[test]
    fn whatever_two_things_meet_meets_in_what_is_chosen() {
        for (has_all, chosen, of) in
            [choice(&meeting::bridged()), choice(&asking::all()), choice(&dialogue::all())]
        {
            assert!(has_all && chosen < of, "{chosen} of {of}");
        }
        let twice = [0; 2].map(|_| pairwise(&asking::all()));
        assert_eq!(twice[0], twice[1], "the choice is always the same");
    }
}
