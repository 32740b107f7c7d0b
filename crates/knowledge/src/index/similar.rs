//! Words that are spelled like a word that hardly any document has, or begin with it.

use std::{cmp::Reverse, collections::HashMap};

use anyport_ranking::is_dense;
use tantivy::{
    Searcher, TantivyError, Term,
    query::{DfaWrapper, FuzzyTermQuery},
    schema::Field,
};

/// A word that so many documents have is meant as it was typed.
pub(super) const FEW: u64 = 3;

/// Most words that one is taken for.
const MAX_SIMILAR: usize = 5;
/// From so many letters on a word may have one mistake: an exchanged, missing, additional or swapped letter.
const ONE_MISTAKE_CHARS: usize = 4;
/// From so many letters on it may have two, but not in its first letter: seldom is that wrong, and without it most of
/// the dictionary need not be looked through.
const TWO_MISTAKES_CHARS: usize = 8;

/// A word of the index that may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Similar {
    pub(super) word: String,
    /// How many mistakes make the one of the other.
    pub(super) mistakes: usize,
}

/// The words in `field` that are most like `word`: those with the fewest mistakes, and then the most frequent.
pub(super) fn similar(searcher: &Searcher, field: Field, word: &str) -> Result<Vec<Similar>, TantivyError> {
    let chars = word.chars().count();
    let Some(first) = word.chars().next() else { return Ok(Vec::new()) };
    // A number is right or wrong, and a pair of ideographs has too many neighbours.
    if chars < ONE_MISTAKE_CHARS || is_dense(first) || !word.contains(char::is_alphabetic) {
        return Ok(Vec::new());
    }
    let everywhere = ("0".to_owned(), None);
    let mut doc_freqs = search(searcher, field, &automaton(field, word, 1)?, &everywhere)?;
    if chars >= TWO_MISTAKES_CHARS {
        let after = char::from_u32(u32::from(first) + 1).map(String::from);
        doc_freqs.extend(search(searcher, field, &automaton(field, word, 2)?, &(first.to_string(), after))?);
    }
    if doc_freqs.keys().all(|found| found == word) {
        return longer(searcher, field, word);
    }
    let digits = |word: &str| word.chars().filter(char::is_ascii_digit).collect::<String>();
    let of_word = digits(word);
    let mut found: Vec<_> = (doc_freqs.into_iter())
        .filter(|(found, _)| found != word && digits(found) == of_word)
        .map(|(found, doc_freq)| (strsim::osa_distance(word, &found), Reverse(doc_freq), found))
        .collect();
    found.sort_unstable();
    found.truncate(MAX_SIMILAR);
    Ok(found.into_iter().map(|(mistakes, _, word)| Similar { word, mistakes }).collect())
}

/// The words that begin with `word`, the most frequent first: `argon2id` may be meant by `argon2`, and `configuration` by
/// `config`. They count as words with one mistake.
fn longer(searcher: &Searcher, field: Field, word: &str) -> Result<Vec<Similar>, TantivyError> {
    let mut doc_freqs: HashMap<String, u64> = HashMap::new();
    for segment in searcher.segment_readers() {
        let inverted = segment.inverted_index(field)?;
        let mut words = inverted.terms().range().gt(word).into_stream()?;
        while let Some((longer, known)) = words.next() {
            if !longer.starts_with(word.as_bytes()) {
                break;
            }
            if let Ok(longer) = std::str::from_utf8(longer) {
                *doc_freqs.entry(longer.to_owned()).or_default() += u64::from(known.doc_freq);
            }
        }
    }
    let mut found: Vec<_> = doc_freqs.into_iter().map(|(word, doc_freq)| (Reverse(doc_freq), word)).collect();
    found.sort_unstable();
    found.truncate(MAX_SIMILAR);
    Ok(found.into_iter().map(|(_, word)| Similar { word, mistakes: 1 }).collect())
}

fn automaton(field: Field, word: &str, mistakes: u8) -> Result<DfaWrapper, TantivyError> {
    FuzzyTermQuery::new(Term::from_field_text(field, word), mistakes, true).automaton()
}

/// The words that the automaton takes, from a first one up to a last one, each with the number of its documents.
fn search(
    searcher: &Searcher,
    field: Field,
    automaton: &DfaWrapper,
    (from, to): &(String, Option<String>),
) -> Result<HashMap<String, u64>, TantivyError> {
    let mut doc_freqs: HashMap<String, u64> = HashMap::new();
    for segment in searcher.segment_readers() {
        let inverted = segment.inverted_index(field)?;
        let mut range = inverted.terms().search(automaton).ge(from);
        if let Some(to) = to {
            range = range.lt(to);
        }
        let mut words = range.into_stream()?;
        while let Some((word, known)) = words.next() {
            if let Ok(word) = std::str::from_utf8(word) {
                *doc_freqs.entry(word.to_owned()).or_default() += u64::from(known.doc_freq);
            }
        }
    }
    Ok(doc_freqs)
}
