//! Copies of one text: a search names the best of them, and where the others are.

use std::collections::{HashMap, hash_map::Entry};

use tantivy::{
    DocAddress, DocSet, Score, Searcher, SegmentOrdinal, TERMINATED, TantivyError, Term, columnar::Column,
    schema::IndexRecordOption,
};

use super::schema::{Fields, TEXT_KEY};

/// The key of the text of each document, in the same order.
pub(super) fn keys(
    searcher: &Searcher,
    found: &[(Score, DocAddress)],
) -> Result<Vec<Option<u64>>, TantivyError> {
    let mut columns: HashMap<SegmentOrdinal, Column<u64>> = HashMap::new();
    let mut keys = Vec::with_capacity(found.len());
    for (_, DocAddress { segment_ord, doc_id }) in found {
        let column = match columns.entry(*segment_ord) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let reader = searcher.segment_reader(*segment_ord);
                place.insert(reader.fast_fields().u64(TEXT_KEY)?)
            }
        };
        keys.push(column.first(*doc_id));
    }
    Ok(keys)
}

/// The other documents with the text of the one at `address`, whose key is `key`.
pub(super) fn others(
    searcher: &Searcher,
    fields: Fields,
    address: DocAddress,
    key: u64,
) -> Result<Vec<DocAddress>, TantivyError> {
    let term = Term::from_field_u64(fields.text_key, key);
    if searcher.doc_freq(&term)? < 2 {
        return Ok(Vec::new());
    }
    let mut others = Vec::new();
    for (number, reader) in (0..).zip(searcher.segment_readers()) {
        let inverted = reader.inverted_index(fields.text_key)?;
        let Some(mut postings) = inverted.read_postings(&term, IndexRecordOption::Basic)? else { continue };
        while postings.doc() != TERMINATED {
            let other = DocAddress::new(number, postings.doc());
            let alive = reader.alive_bitset().is_none_or(|alive| alive.is_alive(other.doc_id));
            if alive && other != address {
                others.push(other);
            }
            postings.advance();
        }
    }
    Ok(others)
}
