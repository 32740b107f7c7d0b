//! How well each of some documents fits a query, by one measure for all of them.
//!
//! The passes of a search find documents by different terms, so their scores do not compare. Here the best candidates of all
//! passes are scored by all words of the query: by their evidence, by how near they are to each other, and by the share of the
//! query that is there. So a document that has all but a word that says little can come before one that has all of them
//! somewhere.

use std::collections::HashMap;

use anyport_ranking::{
    bm25::{self, Field as Place},
    proximity,
};
use tantivy::{
    DocAddress, DocSet, TantivyError, Term,
    postings::{Postings as _, SegmentPostings},
    query::{EnableScoring, Query as _},
    schema::{Field, IndexRecordOption},
};

use super::{
    query_term::{Lookup, QueryTerm, Weighed},
    secondary::{self, SECONDARY_WEIGHT},
    similar::FEW,
};

/// The evidence of a word that a document has only in its text, relative to a word in its title or another better place.
const IN_TEXT: f32 = 0.6;
/// The best document is a weak one if it has less evidence than this share of the query's.
const WEAK: f32 = 0.5;
/// Most occurrences of a term in a document that are looked at for what is near them.
const MOST_POSITIONS: usize = 512;

/// A document, and what it has of a query.
pub(super) struct Ranking {
    pub(super) address: DocAddress,
    pub(super) score: f32,
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

/// Ranks `candidates`, the best first. Of secondary documents that the query does not ask for (`demotes`) the score is less.
///
/// Of each term only the entries of the candidates are read: their number bounds the work, not the number of documents.
pub(super) fn rank(
    lookup: &Lookup<'_>,
    query_terms: &[QueryTerm],
    mut candidates: Vec<DocAddress>,
    demotes: bool,
) -> Result<Vec<Ranking>, TantivyError> {
    candidates.sort_unstable();
    let scorer = Scorer { places: places(lookup)?, lookup, candidates: &candidates };
    let mut rankings: Vec<_> = (candidates.iter())
        .map(|address| Ranking { address: *address, score: 0.0, found: 0, boosted: 0 })
        .collect();
    for (number, query_term) in query_terms.iter().enumerate().filter(|(_, term)| !term.is_unknown()) {
        let bit = 1u32.checked_shl(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(0);
        let information = information(lookup, query_term);
        let (in_text, boosts) = scorer.evidence(query_term)?;
        for (ranking, (in_text, boosts)) in rankings.iter_mut().zip(in_text.into_iter().zip(boosts)) {
            ranking.score += information * bm25::damped(in_text + boosts);
            ranking.found |= if in_text > 0.0 { bit } else { 0 };
            ranking.boosted |= if boosts > 0.0 { bit } else { 0 };
        }
    }
    let near = scorer.proximity(query_terms)?;
    let secondary = secondary::which(lookup.searcher, &candidates)?;
    for (ranking, (near, secondary)) in rankings.iter_mut().zip(near.into_iter().zip(secondary)) {
        let (found, all) = share(lookup, query_terms, ranking.found);
        let standing = if secondary && demotes { SECONDARY_WEIGHT } else { 1.0 };
        ranking.score *= near * standing * found / all;
    }
    rankings.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.address.cmp(&b.address)));
    Ok(rankings)
}

/// The fields of an index, as evidence is weighed in them.
#[allow(clippy::cast_precision_loss)] // averages
fn places(lookup: &Lookup<'_>) -> Result<HashMap<Field, Place>, TantivyError> {
    let Lookup { fields, searcher, .. } = lookup;
    let (mut words, mut documents) = (0, 0);
    for segment in searcher.segment_readers() {
        words += segment.inverted_index(fields.text)?.total_num_tokens();
        documents += u64::from(segment.max_doc());
    }
    let text = Place { weight: 1.0, usual_length: words as f32 / documents.max(1) as f32 };
    let boosts = fields.boosts.iter().map(|boost| {
        // The weight of the field is in that of its terms.
        (boost.field, Place { weight: 1.0, usual_length: boost.length as f32 })
    });
    Ok(boosts.chain([(fields.text, text)]).collect())
}

/// Weighs words in candidates.
struct Scorer<'a> {
    places: HashMap<Field, Place>,
    lookup: &'a Lookup<'a>,
    /// In the order of their addresses: no entry is looked for twice.
    candidates: &'a [DocAddress],
}

impl Scorer<'_> {
    /// The evidence of each candidate for a unit of the query: in the text, and in the better places.
    fn evidence(&self, query_term: &QueryTerm) -> Result<(Vec<f32>, Vec<f32>), TantivyError> {
        let boosts = self.terms(query_term, query_term.boosts())?;
        if query_term.phrase().is_some() {
            return Ok((self.phrase(query_term)?, boosts));
        }
        let mut in_text = self.terms(query_term, query_term.any())?;
        let parts = query_term.parts().map(|part| self.terms(query_term, part));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        for (number, evidence) in in_text.iter_mut().enumerate() {
            let each = parts.iter().map(|part| part[number]);
            // A name is there by its parts only where all of them are.
            if each.clone().all(|evidence| evidence > 0.0) {
                *evidence += each.sum::<f32>();
            }
        }
        Ok((in_text, boosts))
    }

    /// The evidence of each candidate for some terms.
    fn terms(&self, unit: &QueryTerm, terms: &[Weighed]) -> Result<Vec<f32>, TantivyError> {
        let mut evidence = vec![0.0; self.candidates.len()];
        let information = information(self.lookup, unit);
        for (term, weight) in terms {
            let Some(place) = self.places.get(&term.field()) else { continue };
            // A more frequent word that is spelled similarly says less than the word itself.
            let relative = self.lookup.information_of(term)? / information;
            let place = Place { weight: weight * relative, ..*place };
            self.each(term, IndexRecordOption::WithFreqs, |number, postings, length| {
                evidence[number] += place.evidence(postings.term_freq(), length);
            })?;
        }
        Ok(evidence)
    }

    /// The evidence of each candidate for a phrase: it counts once, however often it is there.
    fn phrase(&self, unit: &QueryTerm) -> Result<Vec<f32>, TantivyError> {
        let Some(phrase) = unit.phrase() else { return Ok(Vec::new()) };
        let scoring = EnableScoring::enabled_from_statistics_provider(self.lookup, self.lookup.searcher);
        let weight = phrase.weight(scoring)?;
        let mut evidence = Vec::with_capacity(self.candidates.len());
        for segment in self.candidates.chunk_by(|a, b| a.segment_ord == b.segment_ord) {
            let reader = self.lookup.searcher.segment_reader(segment[0].segment_ord);
            let mut scorer = weight.scorer(reader, 1.0)?;
            let has = segment.iter().map(|address| seek(&mut *scorer, address.doc_id));
            evidence.extend(has.map(|has| if has { 1.0 } else { 0.0 }));
        }
        Ok(evidence)
    }

    /// How near the units of the query are to each other in each candidate, as a factor.
    fn proximity(&self, query_terms: &[QueryTerm]) -> Result<Vec<f32>, TantivyError> {
        let mut occurrences = vec![Vec::new(); self.candidates.len()];
        let mut positions = Vec::new();
        let of_text = |term: &&Weighed| term.0.field() == self.lookup.fields.text;
        for (unit, query_term) in query_terms.iter().enumerate() {
            let terms = query_term.any().iter().chain(query_term.parts().flatten());
            for (term, _) in terms.filter(of_text) {
                self.each(term, IndexRecordOption::WithFreqsAndPositions, |number, postings, _| {
                    postings.positions(&mut positions);
                    let first = positions.iter().take(MOST_POSITIONS);
                    occurrences[number].extend(first.map(|position| (*position, unit)));
                })?;
            }
        }
        let information: Vec<f32> = query_terms.iter().map(|unit| information(self.lookup, unit)).collect();
        Ok(occurrences.iter_mut().map(|occurrences| proximity(occurrences, &information)).collect())
    }

    /// Calls `note` for each candidate that has a term: with its number, its entry, and the length of its field.
    fn each(
        &self,
        term: &Term,
        record: IndexRecordOption,
        mut note: impl FnMut(usize, &mut SegmentPostings, u32),
    ) -> Result<(), TantivyError> {
        let mut number = 0;
        for candidates in self.candidates.chunk_by(|a, b| a.segment_ord == b.segment_ord) {
            let segment = self.lookup.searcher.segment_reader(candidates[0].segment_ord);
            let Some(mut postings) = segment.inverted_index(term.field())?.read_postings(term, record)?
            else {
                number += candidates.len();
                continue;
            };
            let lengths = segment.get_fieldnorms_reader(term.field())?;
            for candidate in candidates {
                if seek(&mut postings, candidate.doc_id) {
                    note(number, &mut postings, lengths.fieldnorm(candidate.doc_id));
                }
                number += 1;
            }
        }
        Ok(())
    }
}

/// Goes on to `document`. Returns whether it is there.
fn seek(documents: &mut (impl DocSet + ?Sized), document: u32) -> bool {
    let at = if documents.doc() < document { documents.seek(document) } else { documents.doc() };
    at == document
}

/// How much it says that a document has a unit. A word that hardly any document has says no more than a rare one: it may be
/// a slip, or one word too many.
fn information(lookup: &Lookup<'_>, query_term: &QueryTerm) -> f32 {
    lookup.information(query_term.doc_freq().max(FEW))
}

/// How much the words of a set of bits say, and how much all words of the query do.
fn share(lookup: &Lookup<'_>, query_terms: &[QueryTerm], of: u32) -> (f32, f32) {
    let (mut some, mut all) = (0.0, 0.0);
    for (number, query_term) in (0..u32::BITS).zip(query_terms) {
        let weight = information(lookup, query_term);
        all += weight;
        if of & (1 << number) != 0 {
            some += weight;
        }
    }
    (some, all)
}
