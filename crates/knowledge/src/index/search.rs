//! How documents are found: in passes, each more lenient than the one before.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
};

use tantivy::{
    DocAddress, Score, Searcher, TantivyDocument, TantivyError, Term,
    collector::TopDocs,
    query::{
        Bm25StatisticsProvider, BooleanQuery, BoostQuery, ConstScoreQuery, Occur, PhraseQuery, Query,
        TermQuery,
    },
    schema::{Field, IndexRecordOption, Value},
};

use super::{
    IndexError,
    forms::{STEM_MARK, stem},
    hits::{Hit, Hits, Words},
    query::{self, Parsed, SearchQuery, Unit},
    schema::{Fields, filter_key},
};
use crate::path::DocumentPath;

/// What a word of the same stem weighs beside the word itself.
const OF_STEM: f32 = 0.5;
/// What a part of a name weighs beside the name.
const OF_PART: f32 = 0.3;
/// What a title that equals the query adds: more than any words do.
const OF_TITLE: f32 = 10_000.0;

type Found = Vec<(Score, DocAddress)>;

/// Finds what `asked` asks for.
pub(super) fn search(searcher: &Searcher, fields: Fields, asked: &SearchQuery) -> Result<Hits, IndexError> {
    let Parsed { units, title_key } = query::parse(&asked.query);
    if units.is_empty() {
        return Ok(Hits::default());
    }
    let mut search = Search { searcher, fields, doc_freqs: HashMap::new(), filters: filters(fields, asked) };
    let sought = units.iter().map(|unit| search.seek(unit)).collect::<Result<Vec<_>, _>>()?;
    let limit = asked.limit.min(usize::try_from(searcher.num_docs()).unwrap_or(usize::MAX));

    let mut ranked = Ranked::default();
    let mut total = 0;
    if let Some(strict) = search.all_of(&sought, title_key.as_deref()) {
        total = search.count(&strict)?;
        ranked.extend(search.top(&strict, limit)?);
    }
    if ranked.found.len() < limit
        && sought.len() > 1
        && let Some(lenient) = search.some_of(&sought)
    {
        total = search.count(&lenient)?;
        ranked.extend(search.top(&lenient, limit + ranked.found.len())?);
    }
    ranked.found.truncate(limit);
    let hits = ranked.found.into_iter().map(|found| search.hit(found)).collect::<Result<_, _>>()?;
    Ok(Hits { total, approximate: false, hits, words: words(&units) })
}

/// What a query is narrowed to.
fn filters(fields: Fields, asked: &SearchQuery) -> Vec<Term> {
    let single = [(fields.language, &asked.language), (fields.domain, &asked.domain)];
    let single = single.into_iter().filter_map(|(field, value)| Some((field, value.as_ref()?)));
    let tags = asked.tags.iter().map(|tag| (fields.tag, tag));
    single.chain(tags).map(|(field, value)| Term::from_field_text(field, &filter_key(value))).collect()
}

/// A unit of the query, as the terms of this index that it may be found by.
struct Sought {
    /// A document has the unit if it has one of these.
    any: Vec<Weighed>,
    /// It also has the unit if it has something of each of these.
    parts: Vec<Vec<Weighed>>,
    /// What must be there as a phrase.
    phrase: Option<PhraseQuery>,
    /// What lifts a document that has the unit.
    lifting: Vec<Weighed>,
}

type Weighed = (Term, f32);

impl Sought {
    /// Whether no document has the unit.
    fn is_unknown(&self) -> bool {
        let parts = self.parts.is_empty() || self.parts.iter().any(Vec::is_empty);
        self.any.is_empty() && parts && self.phrase.is_none()
    }

    /// What has the unit.
    fn query(&self) -> Box<dyn Query> {
        if let Some(phrase) = &self.phrase {
            return Box::new(phrase.clone());
        }
        let mut any: Vec<_> = self.any.iter().map(term_query).collect();
        if !self.parts.is_empty() && self.parts.iter().all(|part| !part.is_empty()) {
            let parts = self.parts.iter().map(|part| union(part.iter().map(term_query).collect()));
            any.push(Box::new(BooleanQuery::intersection(parts.collect())));
        }
        union(any)
    }
}

/// One search.
struct Search<'a> {
    searcher: &'a Searcher,
    fields: Fields,
    /// In how many documents a term counts as being.
    doc_freqs: HashMap<Term, u64>,
    filters: Vec<Term>,
}

impl Search<'_> {
    /// Looks up what a unit may be found by.
    fn seek(&mut self, unit: &Unit) -> Result<Sought, TantivyError> {
        let mut sought = Sought { any: Vec::new(), parts: Vec::new(), phrase: None, lifting: Vec::new() };
        match unit {
            Unit::Word(word) => sought.any = self.forms(word, 1.0, &mut sought.lifting)?,
            Unit::Name { whole, parts } => {
                sought.any = self.forms(whole, 1.0, &mut sought.lifting)?;
                for part in parts {
                    sought.parts.push(self.forms(part, OF_PART, &mut sought.lifting)?);
                }
            }
            Unit::Phrase(words) => {
                let term = |word: &str| Term::from_field_text(self.fields.text, word);
                if let [(_, word)] = words.as_slice() {
                    let term = term(word);
                    sought.any.extend((self.searcher.doc_freq(&term)? > 0).then_some((term, 1.0)));
                } else {
                    let terms = words.iter().map(|(at, word)| (*at, term(word))).collect();
                    sought.phrase = Some(PhraseQuery::new_with_offset(terms));
                }
                for (_, word) in words {
                    self.forms(word, 1.0, &mut sought.lifting)?;
                }
            }
        }
        Ok(sought)
    }

    /// The forms of a word that texts have, and the better places where it stands.
    fn forms(
        &mut self,
        word: &str,
        weight: f32,
        lifting: &mut Vec<Weighed>,
    ) -> Result<Vec<Weighed>, TantivyError> {
        let stem = stem(word);
        let text = self.fields.text;
        let mut forms = vec![(Term::from_field_text(text, word), weight)];
        forms.push((Term::from_field_text(text, &format!("{STEM_MARK}{stem}")), weight * OF_STEM));
        if stem != word {
            forms.push((Term::from_field_text(text, &stem), weight * OF_STEM));
        }
        let mut known = Vec::with_capacity(forms.len());
        let mut most = 0;
        for (term, weight) in forms {
            let doc_freq = self.searcher.doc_freq(&term)?;
            if doc_freq > 0 {
                known.push((term, weight));
                most = most.max(doc_freq);
            }
        }
        if most > 0 {
            for (field, factor) in self.fields.lifting {
                let term = Term::from_field_text(field, &stem);
                if self.searcher.doc_freq(&term)? > 0 {
                    lifting.push((term, weight * factor));
                }
            }
        }
        // How rare a word is does not depend on its form or place: else one in a rare form would weigh more for it.
        for (term, _) in known.iter().chain(lifting.iter()) {
            self.doc_freqs.entry(term.clone()).or_insert(most);
        }
        Ok(known)
    }

    /// Documents that have every unit; `None` if there are none.
    fn all_of(&self, sought: &[Sought], title_key: Option<&str>) -> Option<BooleanQuery> {
        if sought.iter().any(Sought::is_unknown) {
            return None;
        }
        let mut clauses = self.filtered();
        for unit in sought {
            clauses.push((Occur::Must, unit.query()));
            clauses.extend(unit.lifting.iter().map(|term| (Occur::Should, term_query(term))));
        }
        if let Some(key) = title_key {
            let equals = term(Term::from_field_text(self.fields.title_key, key), IndexRecordOption::Basic);
            clauses.push((Occur::Should, Box::new(ConstScoreQuery::new(equals, OF_TITLE))));
        }
        Some(BooleanQuery::new(clauses))
    }

    /// Documents that have some unit, and every phrase; `None` if there are none.
    fn some_of(&self, sought: &[Sought]) -> Option<BooleanQuery> {
        let mut some: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let mut clauses = self.filtered();
        for unit in sought {
            if unit.phrase.is_some() {
                clauses.push((Occur::Must, unit.query()));
            }
            let terms = unit.any.iter().chain(unit.parts.iter().flatten()).chain(&unit.lifting);
            some.extend(terms.map(|term| (Occur::Should, term_query(term))));
        }
        if some.is_empty() && clauses.len() == self.filters.len() {
            return None;
        }
        if clauses.is_empty() {
            return Some(BooleanQuery::new(some));
        }
        if !some.is_empty() {
            clauses.push((Occur::Must, Box::new(BooleanQuery::new(some))));
        }
        Some(BooleanQuery::new(clauses))
    }

    fn filtered(&self) -> Vec<(Occur, Box<dyn Query>)> {
        let filter = |filter: &Term| -> (Occur, Box<dyn Query>) {
            let has = term(filter.clone(), IndexRecordOption::Basic);
            (Occur::Must, Box::new(ConstScoreQuery::new(has, 0.0)))
        };
        self.filters.iter().map(filter).collect()
    }

    fn count(&self, query: &dyn Query) -> Result<usize, TantivyError> {
        query.count(self.searcher)
    }

    fn top(&self, query: &dyn Query, limit: usize) -> Result<Found, TantivyError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let best = TopDocs::with_limit(limit).order_by_score();
        self.searcher.search_with_statistics_provider(query, &best, self)
    }

    fn hit(&self, (score, address): (Score, DocAddress)) -> Result<Hit, IndexError> {
        let stored: TantivyDocument = self.searcher.doc(address)?;
        let path = stored.get_first(self.fields.path).and_then(|path| path.as_str()).unwrap_or_default();
        let path = DocumentPath::new(path).map_err(|error| IndexError::Engine(error.into()))?;
        Ok(Hit { path, score })
    }
}

impl Bm25StatisticsProvider for Search<'_> {
    fn total_num_tokens(&self, field: Field) -> Result<u64, TantivyError> {
        self.searcher.total_num_tokens(field)
    }

    fn total_num_docs(&self) -> Result<u64, TantivyError> {
        self.searcher.total_num_docs()
    }

    fn doc_freq(&self, term: &Term) -> Result<u64, TantivyError> {
        self.doc_freqs.get(term).map_or_else(|| self.searcher.doc_freq(term), |known| Ok(*known))
    }
}

/// What the passes found, in their order.
#[derive(Default)]
struct Ranked {
    found: Found,
    seen: HashSet<DocAddress>,
}

impl Ranked {
    /// Adds what a pass found after what the passes before it found.
    fn extend(&mut self, mut pass: Found) {
        pass.retain(|(_, address)| self.seen.insert(*address));
        pass.sort_by(|(a, at), (b, other)| b.partial_cmp(a).unwrap_or(Ordering::Equal).then(at.cmp(other)));
        // Scores of different passes do not compare; those of a later one are brought below.
        let below = match (self.found.last(), pass.first()) {
            (Some((last, _)), Some((first, _))) if first >= last => 0.9 * last / first,
            _ => 1.0,
        };
        self.found.extend(pass.into_iter().map(|(score, address)| (score * below, address)));
    }
}

fn union(mut any: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match any.pop() {
        Some(only) if any.is_empty() => only,
        last => {
            any.extend(last);
            Box::new(BooleanQuery::union(any))
        }
    }
}

fn term_query((known, weight): &Weighed) -> Box<dyn Query> {
    Box::new(BoostQuery::new(term(known.clone(), IndexRecordOption::WithFreqs), *weight))
}

fn term(term: Term, record: IndexRecordOption) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, record))
}

fn words(units: &[Unit]) -> Words {
    let mut words = Words::default();
    for (index, unit) in units.iter().enumerate() {
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        for word in unit.words() {
            words.exact.insert(word.to_owned(), (index, 1.0));
            words.stems.insert(stem(word).into_owned(), (index, OF_STEM));
        }
    }
    words
}
