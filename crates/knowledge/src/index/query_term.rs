//! The units of a query, as terms of the index.

use std::collections::HashMap;

use anyport_ranking::{bm25, stem};
use tantivy::{
    Searcher, TantivyError, Term,
    query::{Bm25StatisticsProvider, BooleanQuery, BoostQuery, PhraseQuery, Query, TermQuery},
    schema::{Field, IndexRecordOption},
};

use super::{
    hits::Words,
    query::Unit,
    schema::Fields,
    similar::{FEW, similar},
    stemming::{OF_STEM, STEM_MARK, plain_forms},
    union_query::UnionQuery,
};

/// The weight of a part of a name, relative to the name.
const OF_PART: f32 = 0.3;
/// The weight of a word with one mistake, relative to the word itself; with two mistakes it is half of that.
const OF_MISTAKE: f32 = 0.4;

/// A term, and what it weighs.
pub(super) type Weighed = (Term, f32);

/// A unit of a query as the terms of an index.
#[derive(Debug, Default)]
pub(super) struct QueryTerm {
    /// A document has the unit if it has one of these.
    any: Vec<Weighed>,
    /// It also has the unit if it has something of each of these.
    parts: Vec<Vec<Weighed>>,
    /// It has the unit only if it has this.
    phrase: Option<PhraseQuery>,
    /// Whether it was quoted: then no document is wanted without it, wherever else its words stand.
    quoted: bool,
    /// The boost of a document that has the unit.
    boosts: Vec<Weighed>,
    /// How many documents have it, about.
    doc_freq: u64,
}

impl QueryTerm {
    /// Whether no document is wanted without it.
    pub(super) fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// Whether no document can have it.
    pub(super) fn is_unknown(&self) -> bool {
        self.any.is_empty() && !self.has_parts() && self.phrase.is_none()
    }

    /// Whether it is there wherever one of its terms is.
    pub(super) fn is_any(&self) -> bool {
        self.parts.is_empty() && !self.quoted
    }

    /// How many documents have it, about.
    pub(super) fn doc_freq(&self) -> u64 {
        self.doc_freq
    }

    /// The terms of which it needs only one.
    pub(super) fn any(&self) -> &[Weighed] {
        &self.any
    }

    /// The terms of its parts, of each of which it needs one; nothing if a part is unknown.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[Weighed]> {
        let parts = if self.has_parts() { self.parts.as_slice() } else { &[] };
        parts.iter().map(Vec::as_slice)
    }

    /// The phrase, if it is one.
    pub(super) fn phrase(&self) -> Option<&PhraseQuery> {
        self.phrase.as_ref()
    }

    /// The terms that boost a document that has it.
    pub(super) fn boosts(&self) -> &[Weighed] {
        &self.boosts
    }

    /// The documents that have it. In a `sparse` search, few documents are checked for it.
    pub(super) fn query(&self, sparse: bool) -> Box<dyn Query> {
        if let Some(phrase) = &self.phrase {
            return Box::new(phrase.clone());
        }
        let mut any: Vec<_> = self.any.iter().map(term_query).collect();
        if self.has_parts() {
            let parts = self.parts.iter().map(|part| any_of(part.iter().map(term_query).collect(), sparse));
            any.push(Box::new(BooleanQuery::intersection(parts.collect())));
        }
        any_of(any, sparse)
    }

    /// The boost of a document that has it.
    pub(super) fn boost_queries(&self) -> impl Iterator<Item = Box<dyn Query>> {
        self.boosts.iter().map(term_query)
    }

    /// Everything that speaks for a document, each by itself.
    pub(super) fn each(&self) -> impl Iterator<Item = Box<dyn Query>> {
        self.matching().chain(self.boost_queries())
    }

    /// The terms that match a document, without the boosted fields: a document with a term in a boosted field has the
    /// term itself.
    pub(super) fn matching(&self) -> impl Iterator<Item = Box<dyn Query>> {
        self.any.iter().chain(self.parts.iter().flatten()).map(term_query)
    }

    fn has_parts(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|part| !part.is_empty())
    }
}

/// An index, as queries are looked up in it.
pub(super) struct Lookup<'a> {
    pub(super) searcher: &'a Searcher,
    pub(super) fields: Fields,
    /// The words that documents are found by.
    pub(super) words: Words,
    /// In how many documents a term counts as being.
    doc_freqs: HashMap<Term, u64>,
    documents: u64,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(searcher: &'a Searcher, fields: Fields) -> Self {
        let documents = searcher.num_docs();
        Self { searcher, fields, words: Words::default(), doc_freqs: HashMap::new(), documents }
    }

    /// Looks up what a unit may be found by, as it was typed.
    pub(super) fn seek(&mut self, unit: &Unit) -> Result<QueryTerm, TantivyError> {
        let mut query_term = QueryTerm::default();
        match unit {
            Unit::Word(word) => query_term.any = self.word(word, 1.0, &mut query_term.boosts)?,
            Unit::Name { whole, parts } => {
                query_term.any = self.word(whole, 1.0, &mut query_term.boosts)?;
                for part in parts {
                    query_term.parts.push(self.word(part, OF_PART, &mut query_term.boosts)?);
                }
            }
            Unit::Phrase(words) => {
                query_term.quoted = true;
                for (_, word) in words {
                    self.word(word, 1.0, &mut query_term.boosts)?;
                }
                let term = |word: &str| Term::from_field_text(self.fields.text, word);
                match words.as_slice() {
                    [(_, word)] => query_term.any = self.known(vec![(term(word), 1.0)])?.0,
                    words => {
                        let terms = words.iter().map(|(at, word)| (*at, term(word))).collect();
                        query_term.phrase = Some(PhraseQuery::new_with_offset(terms));
                    }
                }
            }
        }
        let matching = query_term.any.iter().chain(query_term.parts.iter().flatten());
        query_term.doc_freq =
            matching.filter_map(|(term, _)| self.doc_freqs.get(term).copied()).max().unwrap_or(0);
        Ok(query_term)
    }

    /// Adds words that are spelled like those of the unit that hardly any document has. Says whether there are some.
    pub(super) fn seek_similar(
        &mut self,
        unit: &Unit,
        query_term: &mut QueryTerm,
    ) -> Result<bool, TantivyError> {
        let (words, weight): (&[String], _) = match unit {
            Unit::Word(word) => (std::slice::from_ref(word), 1.0),
            Unit::Name { parts, .. } => (parts, OF_PART),
            // A quoted phrase must match exactly.
            Unit::Phrase(_) => return Ok(false),
        };
        let mut found = false;
        for (index, word) in words.iter().enumerate() {
            let text = Term::from_field_text(self.fields.text, word);
            if self.doc_freqs.get(&text).is_some_and(|doc_freq| *doc_freq >= FEW) {
                continue;
            }
            for similar in similar(self.searcher, self.fields.text, word)? {
                let weight = weight * OF_MISTAKE / if similar.mistakes > 1 { 2.0 } else { 1.0 };
                let forms = self.word(&similar.word, weight, &mut query_term.boosts)?;
                found |= !forms.is_empty();
                query_term.parts.get_mut(index).unwrap_or(&mut query_term.any).extend(forms);
            }
        }
        Ok(found)
    }

    /// The forms of a word that texts have; and to `boosts`, the better places where it stands.
    fn word(
        &mut self,
        word: &str,
        weight: f32,
        boosts: &mut Vec<Weighed>,
    ) -> Result<Vec<Weighed>, TantivyError> {
        let stem = stem(word);
        let form = |form: &str, weight| (Term::from_field_text(self.fields.text, form), weight);
        let mut forms = vec![form(word, weight), form(&format!("{STEM_MARK}{stem}"), weight * OF_STEM)];
        let others = plain_forms(&stem).filter(|plain| plain != word);
        forms.extend(others.map(|plain| form(&plain, weight * OF_STEM)));
        let (known, doc_freq) = self.known(forms)?;
        if doc_freq == 0 {
            return Ok(known);
        }
        let better = self
            .fields
            .boosts
            .map(|place| (Term::from_field_text(place.field, &stem), weight * place.weight));
        let better = self.known(better.into())?.0;
        // How rare a word is does not depend on its form or its place: else the rarest of them would weigh most.
        for (term, _) in known.iter().chain(&better) {
            self.doc_freqs.entry(term.clone()).or_insert(doc_freq);
        }
        self.words.add(word, weight * self.rarity(doc_freq));
        boosts.extend(better);
        Ok(known)
    }

    /// Those of `terms` that some document has, and how many documents have the most frequent.
    fn known(&self, terms: Vec<Weighed>) -> Result<(Vec<Weighed>, u64), TantivyError> {
        let mut known = Vec::with_capacity(terms.len());
        let mut most = 0;
        for (term, weight) in terms {
            let doc_freq = self.searcher.doc_freq(&term)?;
            if doc_freq > 0 {
                most = most.max(doc_freq);
                known.push((term, weight));
            }
        }
        Ok((known, most))
    }

    /// The weight of a word that so many documents have.
    #[allow(clippy::cast_precision_loss)] // a ratio
    fn rarity(&self, doc_freq: u64) -> f32 {
        (1.0 + self.documents as f32 / doc_freq as f32).ln()
    }
}

impl Lookup<'_> {
    /// How much it says that a document has a word that so many documents have: next to nothing, if nearly all have it.
    pub(super) fn information(&self, doc_freq: u64) -> f32 {
        bm25::information(self.documents, doc_freq)
    }

    /// How much it says that a document has the word of this term.
    pub(super) fn information_of(&self, term: &Term) -> Result<f32, TantivyError> {
        Ok(self.information(Bm25StatisticsProvider::doc_freq(self, term)?.max(FEW)))
    }
}

impl Bm25StatisticsProvider for Lookup<'_> {
    fn total_num_tokens(&self, field: Field) -> Result<u64, TantivyError> {
        match self.fields.boosts.iter().find(|place| place.field == field) {
            Some(place) => Ok(place.length * self.searcher.total_num_docs()?),
            None => self.searcher.total_num_tokens(field),
        }
    }

    fn total_num_docs(&self) -> Result<u64, TantivyError> {
        self.searcher.total_num_docs()
    }

    fn doc_freq(&self, term: &Term) -> Result<u64, TantivyError> {
        self.doc_freqs.get(term).map_or_else(|| self.searcher.doc_freq(term), |known| Ok(*known))
    }
}

/// The documents that a term stands in, if it is only to be known which.
pub(super) fn has(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn term_query((term, weight): &Weighed) -> Box<dyn Query> {
    let query = TermQuery::new(term.clone(), IndexRecordOption::WithFreqs);
    Box::new(BoostQuery::new(Box::new(query), *weight))
}

/// The documents that one of `any` finds, whichever way is the quicker: see [`UnionQuery`].
pub(super) fn any_of(mut any: Vec<Box<dyn Query>>, sparse: bool) -> Box<dyn Query> {
    match any.pop() {
        Some(only) if any.is_empty() => only,
        last => {
            any.extend(last);
            if sparse { Box::new(UnionQuery::of(any)) } else { Box::new(BooleanQuery::union(any)) }
        }
    }
}
