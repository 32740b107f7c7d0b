//! How well each of some documents fits a query, by one measure for all of them.
//!
//! The passes of a search find documents by different terms, so their scores do not compare. Here a few candidates of all
//! passes are scored by all words of the query, so that a document that has all but a word that says little can come before
//! one that has all of them somewhere.

use tantivy::{
    DocAddress, DocSet, Score, SegmentOrdinal, TantivyError,
    query::{EnableScoring, Query, Scorer, Weight},
};

use super::{
    query_term::{Lookup, QueryTerm, any_of},
    similar::FEW,
};

/// The score falls with this power of the share of the query that a document has: one of six words may be missing if the
/// others stand in better places, but hardly one of two.
const ABSENCE: i32 = 2;
/// The evidence of a word that a document has only in its text, relative to a word in its title or another better place.
const IN_TEXT: f32 = 0.6;
/// The best document is a weak one if it has less evidence than this share of the query's.
const WEAK: f32 = 0.5;

/// A document, and what it has of a query.
pub(super) struct Ranking {
    pub(super) address: DocAddress,
    pub(super) score: Score,
    /// The words that it has, a bit each: a query has at most 32.
    found: u32,
    /// Those of them that it has in a better place than its text.
    boosted: u32,
}

impl Ranking {
    /// The words that the document does not have, a bit each.
    pub(super) fn missing(&self) -> u32 {
        !self.found
    }

    /// Whether the document has so little of the query that something else may have been meant.
    pub(super) fn is_weak(&self, lookup: &Lookup<'_>, query_terms: &[QueryTerm]) -> bool {
        let (in_text, all) = share(lookup, query_terms, self.found);
        let (boosted, _) = share(lookup, query_terms, self.boosted);
        IN_TEXT * in_text + (1.0 - IN_TEXT) * boosted < WEAK * all
    }
}

/// Ranks `candidates`, the best first.
pub(super) fn rank(
    lookup: &Lookup<'_>,
    query_terms: &[QueryTerm],
    mut candidates: Vec<DocAddress>,
) -> Result<Vec<Ranking>, TantivyError> {
    candidates.sort_unstable();
    let mut rankings: Vec<_> =
        candidates.into_iter().map(|address| Ranking { address, score: 0.0, found: 0, boosted: 0 }).collect();
    let scoring = EnableScoring::enabled_from_statistics_provider(lookup, lookup.searcher);
    for (number, query_term) in query_terms.iter().enumerate().filter(|(_, term)| !term.is_unknown()) {
        let bit = 1u32.checked_shl(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(0);
        let boosts = any_of(query_term.boosts().collect(), true);
        for (query, boosted) in [(query_term.query(true), 0), (boosts, bit)] {
            add(lookup, &*query.weight(scoring)?, &mut rankings, |ranking, score| {
                ranking.score += score;
                ranking.found |= bit;
                ranking.boosted |= boosted;
            })?;
        }
    }
    for ranking in &mut rankings {
        let (found, all) = share(lookup, query_terms, ranking.found);
        ranking.score *= (found / all).powi(ABSENCE);
    }
    rankings.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.address.cmp(&b.address)));
    Ok(rankings)
}

/// Adds the scores of a query to those of its documents, and calls `note` with each of them. `rankings` are in the order of
/// their addresses: no document is looked for twice.
fn add(
    lookup: &Lookup<'_>,
    weight: &dyn Weight,
    rankings: &mut [Ranking],
    mut note: impl FnMut(&mut Ranking, Score),
) -> Result<(), TantivyError> {
    let mut open: Option<(SegmentOrdinal, Box<dyn Scorer>)> = None;
    for ranking in rankings {
        let DocAddress { segment_ord, doc_id } = ranking.address;
        let scorer = match &mut open {
            Some((segment, scorer)) if *segment == segment_ord => scorer,
            open => {
                let scorer = weight.scorer(lookup.searcher.segment_reader(segment_ord), 1.0)?;
                &mut open.insert((segment_ord, scorer)).1
            }
        };
        let at = if scorer.doc() < doc_id { scorer.seek(doc_id) } else { scorer.doc() };
        if at == doc_id {
            note(ranking, scorer.score());
        }
    }
    Ok(())
}

/// How much the words of a set of bits say, and how much all words of the query do.
fn share(lookup: &Lookup<'_>, query_terms: &[QueryTerm], of: u32) -> (f32, f32) {
    let (mut some, mut all) = (0.0, 0.0);
    for (number, query_term) in (0..u32::BITS).zip(query_terms) {
        // A word that hardly any document has says no more than a rare one: it may be a slip, or one word too many.
        let weight = lookup.information(query_term.doc_freq().max(FEW));
        all += weight;
        if of & (1 << number) != 0 {
            some += weight;
        }
    }
    (some, all)
}
