//! How documents are found: in passes, each more lenient than the one before, until there are enough.

use std::{cmp::Ordering, collections::HashSet};

use tantivy::{
    DocAddress, Score, TantivyDocument, TantivyError, Term,
    collector::TopDocs,
    query::{BooleanQuery, ConstScoreQuery, Occur, Query},
    schema::Value,
};

use super::{
    IndexError,
    hits::{Hit, Hits},
    query::{self, Parsed, SearchQuery},
    schema::{Fields, filter_key},
    similar::FEW,
    sought::{Lookup, Sought, has},
};
use crate::path::DocumentPath;

/// What a title that equals the query adds: more than any words do.
const OF_TITLE: f32 = 10_000.0;

type Clauses = Vec<(Occur, Box<dyn Query>)>;
type Found = Vec<(Score, DocAddress)>;

/// Finds what `asked` asks for.
///
/// Documents with all words come first, then those with all words but for their spelling, then those with some words.
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
    let mut sought = units.iter().map(|unit| lookup.seek(unit)).collect::<Result<Vec<_>, _>>()?;
    let filters = filters(fields, asked);
    let limit = asked.limit.min(usize::try_from(searcher.num_docs()).unwrap_or(usize::MAX));
    let mut ranked = Ranked { limit, ..Ranked::default() };
    let mut approximate = false;

    ranked.pass(
        &lookup,
        all_of(&sought, &filters, title_key.map(|key| Term::from_field_text(fields.title_key, &key))),
    )?;
    if ranked.total < usize::try_from(FEW).unwrap_or(usize::MAX) {
        let mut similar = false;
        for (unit, sought) in units.iter().zip(&mut sought) {
            similar |= lookup.seek_similar(unit, sought)?;
        }
        if similar {
            let before = ranked.total;
            ranked.pass(&lookup, all_of(&sought, &filters, None))?;
            approximate = ranked.total > before;
        }
    }
    if ranked.found.len() < limit && sought.len() > 1 {
        ranked.pass(&lookup, some_of(&sought, &filters))?;
    }
    ranked.found.truncate(limit);
    let hits = ranked.found.into_iter().map(|found| hit(&lookup, found)).collect::<Result<_, _>>()?;
    Ok(Hits { total: ranked.total, approximate, hits, words: lookup.words })
}

/// What the search is narrowed to.
fn filters(fields: Fields, asked: &SearchQuery) -> Vec<Term> {
    let single = [(fields.language, &asked.language), (fields.domain, &asked.domain)];
    let single = single.into_iter().filter_map(|(field, value)| Some((field, value.as_ref()?)));
    let tags = asked.tags.iter().map(|tag| (fields.tag, tag));
    single.chain(tags).map(|(field, value)| Term::from_field_text(field, &filter_key(value))).collect()
}

/// Documents that have every unit, first those that are called so; `None` if there are none.
fn all_of(sought: &[Sought], filters: &[Term], title: Option<Term>) -> Option<BooleanQuery> {
    if sought.iter().any(Sought::is_unknown) {
        return None;
    }
    let mut clauses = filtered(filters);
    for unit in sought {
        clauses.push((Occur::Must, unit.query()));
        clauses.extend(unit.lifting().map(|lifting| (Occur::Should, lifting)));
    }
    if let Some(title) = title {
        clauses.push((Occur::Should, Box::new(ConstScoreQuery::new(has(title), OF_TITLE))));
    }
    Some(BooleanQuery::new(clauses))
}

/// Documents that have some unit, and every phrase; `None` if there are none.
fn some_of(sought: &[Sought], filters: &[Term]) -> Option<BooleanQuery> {
    let mut clauses = filtered(filters);
    let phrases = sought.iter().filter(|unit| unit.is_phrase()).map(|phrase| (Occur::Must, phrase.query()));
    clauses.extend(phrases);
    let some: Vec<_> = sought.iter().flat_map(Sought::each).collect();
    match (some.is_empty(), clauses.len() > filters.len()) {
        (true, false) => return None,
        // A union of nothing but terms passes over what cannot be among the best.
        (false, false) if clauses.is_empty() => return Some(BooleanQuery::union(some)),
        (false, false) => clauses.push((Occur::Must, Box::new(BooleanQuery::union(some)))),
        (_, true) => clauses.extend(some.into_iter().map(|term| (Occur::Should, term))),
    }
    Some(BooleanQuery::new(clauses))
}

fn filtered(filters: &[Term]) -> Clauses {
    let filter = |filter: &Term| -> (Occur, Box<dyn Query>) {
        (Occur::Must, Box::new(ConstScoreQuery::new(has(filter.clone()), 0.0)))
    };
    filters.iter().map(filter).collect()
}

/// What the passes found, in their order.
#[derive(Default)]
struct Ranked {
    limit: usize,
    /// How many documents the most lenient pass found.
    total: usize,
    found: Found,
    seen: HashSet<DocAddress>,
}

impl Ranked {
    /// Runs a pass, and adds what it found after what those before it found.
    fn pass(&mut self, lookup: &Lookup<'_>, query: Option<BooleanQuery>) -> Result<(), TantivyError> {
        let Some(query) = query else { return Ok(()) };
        self.total = self.total.max(query.count(lookup.searcher)?);
        if self.limit == 0 {
            return Ok(());
        }
        // It finds again what was found before.
        let best = TopDocs::with_limit(self.limit + self.found.len()).order_by_score();
        let found = lookup.searcher.search_with_statistics_provider(&query, &best, lookup)?;
        self.extend(found);
        Ok(())
    }

    fn extend(&mut self, mut pass: Found) {
        pass.retain(|(_, address)| self.seen.insert(*address));
        pass.sort_by(|(a, at), (b, other)| b.partial_cmp(a).unwrap_or(Ordering::Equal).then(at.cmp(other)));
        // Scores of different passes do not compare; those of a later one are brought below.
        let factor = match (self.found.last(), pass.first()) {
            (Some((last, _)), Some((first, _))) if first >= last => 0.9 * last / first,
            _ => 1.0,
        };
        self.found.extend(pass.into_iter().map(|(score, address)| (score * factor, address)));
    }
}

fn hit(lookup: &Lookup<'_>, (score, address): (Score, DocAddress)) -> Result<Hit, IndexError> {
    let stored: TantivyDocument = lookup.searcher.doc(address)?;
    let path = stored.get_first(lookup.fields.path).and_then(|path| path.as_str()).unwrap_or_default();
    let path = DocumentPath::new(path).map_err(|error| IndexError::Engine(error.into()))?;
    Ok(Hit { path, score })
}
