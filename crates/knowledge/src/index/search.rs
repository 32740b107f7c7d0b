//! How documents are found: in passes, each more lenient than the one before, until there are enough.

use std::collections::{HashMap, HashSet};

use tantivy::{
    DocAddress, Score, TantivyDocument, TantivyError, Term,
    collector::{Count, TopDocs},
    query::{BooleanQuery, ConstScoreQuery, Occur, Query},
    schema::Value,
};

use super::{
    IndexError, copies,
    hits::{Hit, Hits, MAX_COPIES},
    query::{self, Parsed, SearchQuery, Unit},
    query_term::{Lookup, QueryTerm, any_of, has},
    ranking,
    schema::{Fields, filter_key},
    secondary,
    similar::FEW,
};
use crate::path::DocumentPath;

/// So many words that are found together were not mistyped.
const SEVERAL: usize = 4;
/// So many words are a sentence. Who asks with one, and finds a document that has them all, has found it.
const MANY: usize = 8;
/// Most words of which a document needs only some: the rarest. More cost time and change little.
const MAX_LENIENT: usize = 6;
/// A word that more than one in so many documents has does not select documents, if there are rarer words. Nor is it
/// required of documents that have the rarer ones of many words.
const FREQUENT: u64 = 5;

/// A word is read for all its documents at once, unless it is so many times as frequent as the candidates: then it is
/// faster to check each candidate.
const SPARSE: u64 = 16;

/// From so many words on, one may be too many: documents that have only some are ranked among those that have all.
const ONE_TOO_MANY: usize = 3;
/// Most documents that a pass reads to find others among copies.
const MAX_READ: usize = 10_000;

type Clauses = Vec<(Occur, Box<dyn Query>)>;

/// Searches for `asked`.
///
/// Documents that are called so come first. Then, those with all words, those with all words but for their spelling, and
/// those with some words are looked for, each if there are not enough before them, and ranked among each other.
pub(super) fn search(
    searcher: &tantivy::Searcher,
    fields: Fields,
    asked: &SearchQuery,
) -> Result<Hits, IndexError> {
    let Parsed { units, title_key } = query::parse(&asked.query);
    if units.is_empty() {
        return Ok(Hits::default());
    }
    let mut lookup = Lookup::new(searcher, fields);
    let mut query_terms = units.iter().map(|unit| lookup.seek(unit)).collect::<Result<Vec<_>, _>>()?;
    let filters = filters(fields, asked);
    let limit = asked.limit.min(usize::try_from(searcher.num_docs()).unwrap_or(usize::MAX));
    let mut ranked = Ranked { limit, ..Ranked::default() };
    let few = usize::try_from(FEW).unwrap_or(usize::MAX);
    let mut approximate = false;

    let title = title_key.map(|key| Term::from_field_u64(fields.title_key, key));
    ranked.pass(&lookup, title.and_then(|title| called(&lookup, title, &query_terms, &filters)))?;
    let (titles, called) = (ranked.total, ranked.found.len());
    ranked.pass(&lookup, all_of(&query_terms, &filters, searcher.num_docs()))?;
    // Where a document has several words as they were typed, or is called so, they were meant so.
    if titles == 0 && (ranked.total == 0 || (ranked.total < few && units.len() < SEVERAL)) {
        let mut similar = false;
        for (unit, query_terms) in units.iter().zip(&mut query_terms) {
            similar |= lookup.seek_similar(unit, query_terms)?;
        }
        if similar {
            let before = ranked.total;
            ranked.pass(&lookup, all_of(&query_terms, &filters, searcher.num_docs()))?;
            approximate = ranked.total > before;
        }
    }
    let is_found = ranked.total > 0 && units.len() >= MANY;
    let enough = ranked.found.len() >= limit.max(1);
    if query_terms.len() > 1 && !is_found && (!enough || units.len() >= ONE_TOO_MANY) {
        let total = ranked.total;
        ranked.pass(&lookup, some_of(&query_terms, &filters, searcher.num_docs()))?;
        if enough {
            ranked.total = total;
        }
    }
    // Of one word there is nothing to weigh against another, and documents with a similar word come after those with the word.
    let mut weak = false;
    if query_terms.len() > 1 {
        let demotes = !secondary::is_asked_for(lookup.words.typed());
        weak = ranked.rank(&lookup, &query_terms, called, demotes)?;
    }
    ranked.found.truncate(limit);
    let hits = ranked.found.iter().map(|found| hit(&lookup, &units, found)).collect::<Result<_, _>>()?;
    Ok(Hits { total: ranked.total, approximate, weak, hits, words: lookup.words })
}

/// The filters of the search.
fn filters(fields: Fields, asked: &SearchQuery) -> Vec<Term> {
    let single = [(fields.language, &asked.language), (fields.domain, &asked.domain)];
    let single = single.into_iter().filter_map(|(field, value)| Some((field, value.as_ref()?)));
    let tags = asked.tags.iter().map(|tag| (fields.tag, tag));
    single.chain(tags).map(|(field, value)| Term::from_field_text(field, &filter_key(value))).collect()
}

/// The query of a pass.
struct Pass {
    query: BooleanQuery,
    /// The same documents by less work, if that can be: how well they fit need not be known to count them.
    counted: Option<BooleanQuery>,
}

/// Documents with this title.
fn called(lookup: &Lookup<'_>, title: Term, query_terms: &[QueryTerm], filters: &[Term]) -> Option<Pass> {
    if lookup.searcher.doc_freq(&title).is_ok_and(|documents| documents == 0) {
        return None;
    }
    let mut clauses = filtered(filters);
    clauses.extend(filtered(&[title]));
    clauses.push((Occur::Should, any_of(query_terms.iter().flat_map(QueryTerm::each).collect(), true)));
    Some(Pass { query: BooleanQuery::new(clauses), counted: None })
}

/// Documents that have every unit, or of a sentence every unit that is not frequent; `None` if no unit is left.
fn all_of(query_terms: &[QueryTerm], filters: &[Term], documents: u64) -> Option<Pass> {
    if query_terms.iter().any(QueryTerm::is_unknown) {
        return None;
    }
    if let ([only], []) = (query_terms, filters)
        && only.is_any()
    {
        return Some(some(query_terms.iter()));
    }
    let mut clauses = filtered(filters);
    let is_rare = |unit: &&QueryTerm| unit.is_quoted() || unit.doc_freq() * FREQUENT <= documents;
    let enough_are_rare = query_terms.len() >= MANY && query_terms.iter().filter(is_rare).count() >= MANY / 2;
    let (mut demanded, others): (Vec<&QueryTerm>, Vec<_>) =
        query_terms.iter().partition(|unit| is_rare(unit) || !enough_are_rare);
    demanded.sort_by_key(|unit| unit.doc_freq());
    // How many documents are left that have all words so far, if the one has nothing to do with the other.
    let mut left = documents;
    for (index, unit) in demanded.into_iter().enumerate() {
        let having = if index == 0 { documents } else { unit.doc_freq() };
        let asked = if index == 0 { unit.doc_freq() } else { left };
        clauses.push((Occur::Must, unit.query(asked * SPARSE <= having)));
        left = left * unit.doc_freq() / documents.max(1);
    }
    let sparse = left * SPARSE <= documents;
    let mut optional: Vec<_> = others.into_iter().map(|unit| unit.query(sparse)).collect();
    optional.extend(query_terms.iter().flat_map(QueryTerm::boost_queries));
    clauses.push((Occur::Should, any_of(optional, sparse)));
    Some(Pass { query: BooleanQuery::new(clauses), counted: None })
}

/// Documents that have some unit, and every phrase; `None` if no unit is left.
fn some_of(query_terms: &[QueryTerm], filters: &[Term], documents: u64) -> Option<Pass> {
    let (phrases, mut words): (Vec<&QueryTerm>, Vec<_>) =
        query_terms.iter().partition(|unit| unit.is_quoted());
    words.retain(|unit| unit.each().next().is_some());
    words.sort_by_key(|unit| unit.doc_freq());
    let rare = words.iter().take_while(|unit| unit.doc_freq() * FREQUENT <= documents).count();
    words.truncate(if rare > 0 { rare.min(MAX_LENIENT) } else { MAX_LENIENT });
    if phrases.is_empty() && words.is_empty() {
        return None;
    }
    if phrases.is_empty() && filters.is_empty() {
        return Some(some(words.into_iter()));
    }
    let mut clauses = filtered(filters);
    clauses.extend(phrases.iter().map(|phrase| (Occur::Must, phrase.query(true))));
    let each = words.into_iter().flat_map(QueryTerm::each);
    if phrases.is_empty() {
        clauses.push((Occur::Must, Box::new(BooleanQuery::union(each.collect()))));
    } else {
        clauses.push((Occur::Should, any_of(each.collect(), true)));
    }
    Some(Pass { query: BooleanQuery::new(clauses), counted: None })
}

/// Documents that have some unit. A union of nothing but terms passes over what cannot be among the best.
fn some<'a>(query_terms: impl Iterator<Item = &'a QueryTerm> + Clone) -> Pass {
    let query = BooleanQuery::union(query_terms.clone().flat_map(QueryTerm::each).collect());
    Pass { query, counted: Some(BooleanQuery::union(query_terms.flat_map(QueryTerm::matching).collect())) }
}

fn filtered(filters: &[Term]) -> Clauses {
    let filter = |filter: &Term| -> (Occur, Box<dyn Query>) {
        (Occur::Must, Box::new(ConstScoreQuery::new(has(filter.clone()), 0.0)))
    };
    filters.iter().map(filter).collect()
}

/// The results of the passes, in their order.
#[derive(Default)]
struct Ranked {
    limit: usize,
    /// How many documents the most lenient pass found.
    total: usize,
    found: Vec<Found>,
    seen: HashSet<DocAddress>,
    /// The texts of the found documents. A copy of one is no further result.
    texts: HashSet<u64>,
}

/// A document that was found.
struct Found {
    score: Score,
    address: DocAddress,
    /// The key of its text.
    text: Option<u64>,
    /// The words of the query that it does not have, a bit each.
    missing: u32,
}

impl Ranked {
    /// Runs a pass, and adds what it found after what those before it found.
    fn pass(&mut self, lookup: &Lookup<'_>, pass: Option<Pass>) -> Result<(), TantivyError> {
        let Some(Pass { query, counted }) = pass else { return Ok(()) };
        let search = lookup.searcher;
        let before = self.found.len();
        // It finds again what was found before; and some are looked at that one that follows may bring to the front.
        let mut wanted = 2 * self.limit + before;
        loop {
            let best = TopDocs::with_limit(wanted.max(1)).order_by_score();
            let (found, total) = match &counted {
                Some(counted) => {
                    let found = search.search_with_statistics_provider(&query, &best, lookup)?;
                    (found, counted.count(search)?)
                }
                // A collector that sees all documents can count them, too.
                None => search.search_with_statistics_provider(&query, &(best, Count), lookup)?,
            };
            // Emphasis within a word divides it in the first words, not in the text: then only these have it, and it is not counted.
            self.total = self.total.max(total).max(found.len());
            let is_all = found.len() < wanted;
            if self.limit > 0 {
                self.extend(lookup, found)?;
            }
            // Where most are copies of one text, there are others behind them.
            if is_all || self.found.len() >= before + self.limit || wanted >= MAX_READ {
                return Ok(());
            }
            wanted = (wanted * 8).min(MAX_READ);
        }
    }

    fn extend(
        &mut self,
        lookup: &Lookup<'_>,
        mut pass: Vec<(Score, DocAddress)>,
    ) -> Result<(), TantivyError> {
        pass.retain(|(_, address)| self.seen.insert(*address));
        pass.sort_by(|(a, at), (b, other)| b.total_cmp(a).then(at.cmp(other)));
        // Scores of different passes do not compare; those of a later one are brought below.
        let factor = match (self.found.last(), pass.first()) {
            (Some(last), Some((first, _))) => below(last.score, *first),
            _ => 1.0,
        };
        let texts = copies::keys(lookup.searcher, &pass)?;
        for ((score, address), text) in pass.into_iter().zip(texts) {
            if text.is_none_or(|text| self.texts.insert(text)) {
                self.found.push(Found { score: score * factor, address, text, missing: 0 });
            }
        }
        Ok(())
    }

    /// Ranks all but the first `called` by what they have of the query. Says whether even the best has little of it.
    fn rank(
        &mut self,
        lookup: &Lookup<'_>,
        query_terms: &[QueryTerm],
        called: usize,
        demotes: bool,
    ) -> Result<bool, TantivyError> {
        let mut texts: HashMap<_, _> =
            self.found.drain(called..).map(|found| (found.address, found.text)).collect();
        let rankings = ranking::rank(lookup, query_terms, texts.keys().copied().collect(), demotes)?;
        let weak = called == 0 && rankings.first().is_some_and(|best| best.is_weak(lookup, query_terms));
        let factor = match (self.found.last(), rankings.first()) {
            (Some(last), Some(first)) => below(last.score, first.score),
            _ => 1.0,
        };
        self.found.extend(rankings.into_iter().map(|ranking| Found {
            score: ranking.score * factor,
            address: ranking.address,
            text: texts.remove(&ranking.address).flatten(),
            missing: ranking.missing(),
        }));
        Ok(weak)
    }
}

/// What the score `first`, and those after it, are multiplied with to be below `last`.
fn below(last: Score, first: Score) -> Score {
    if first >= last { 0.9 * last / first } else { 1.0 }
}

fn hit(lookup: &Lookup<'_>, units: &[Unit], found: &Found) -> Result<Hit, IndexError> {
    let mut others = match found.text {
        Some(text) => copies::others(lookup.searcher, lookup.fields, found.address, text)?,
        None => Vec::new(),
    };
    let more_copies = others.len().saturating_sub(MAX_COPIES);
    others.truncate(MAX_COPIES);
    let copies = others.into_iter().map(|address| path(lookup, address));
    let mut copies = copies.collect::<Result<Vec<_>, _>>()?;
    copies.sort_unstable();
    let missing = (0..u32::BITS).zip(units).filter(|(number, _)| found.missing & (1 << number) != 0);
    let missing = missing.map(|(_, unit)| unit.text()).collect();
    Ok(Hit { path: path(lookup, found.address)?, score: found.score, missing, copies, more_copies })
}

fn path(lookup: &Lookup<'_>, address: DocAddress) -> Result<DocumentPath, IndexError> {
    let stored: TantivyDocument = lookup.searcher.doc(address)?;
    let path = stored.get_first(lookup.fields.path).and_then(|path| path.as_str()).unwrap_or_default();
    DocumentPath::new(path).map_err(|error| IndexError::Engine(error.into()))
}
