//! The results of a search.

use std::collections::HashMap;

use anyport_ranking::stem;
use foldhash::fast::FixedState;

use super::stemming::OF_STEM;
use crate::path::DocumentPath;

/// The results of a search.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Hits {
    /// How many documents were found, those beyond the limit included.
    pub total: usize,
    /// Whether some were found only by words that are spelled similarly.
    pub approximate: bool,
    /// Whether even the best has so little of the query that something else may have been meant.
    pub weak: bool,
    /// The best of them, the best first.
    pub hits: Vec<Hit>,
    /// The words that they were found by, for [`snippet`](crate::snippet()).
    pub words: Words,
}

/// Most copies of a document that a hit names.
pub const MAX_COPIES: usize = 10;

/// A document that was found. Copies of one text are one hit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// Its path.
    pub path: DocumentPath,
    /// How well it fits. Compares hits of one search; falls from one to the next.
    pub score: f32,
    /// The words of the query that it does not have, in lower case, if documents without them were looked for.
    pub missing: Vec<String>,
    /// Other documents with the same text, by path; at most [`MAX_COPIES`].
    pub copies: Vec<DocumentPath>,
    /// How many further ones there are.
    pub more_copies: usize,
}

/// The words that a search was about, in the forms in which texts have them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Words {
    exact: HashMap<String, usize, FixedState>,
    stems: HashMap<String, usize, FixedState>,
    weights: Vec<f32>,
    /// Which bytes they begin with: most words of a text are ruled out by their first.
    first_bytes: [u64; 4],
}

/// How a word of a text matches a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Word {
    /// Its number among the words looked for; all words of a stem have the same, but for the one looked for.
    pub(crate) number: usize,
    /// How much it says.
    pub(crate) weight: f32,
}

impl Words {
    /// Whether there is no word: then no text matches.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// How many there are; their numbers are below.
    pub(crate) fn len(&self) -> usize {
        self.weights.len()
    }

    /// The words as they were typed, and those that are spelled like them, if they were looked for.
    pub(crate) fn typed(&self) -> impl Iterator<Item = &str> {
        self.exact.keys().map(String::as_str)
    }

    /// Adds a word and its stem. Of what is added twice, the first counts.
    pub(crate) fn add(&mut self, word: &str, weight: f32) {
        let Some(first) = word.bytes().next() else { return };
        self.first_bytes[usize::from(first >> 6)] |= 1 << (first & 63);
        let forms = [
            (&mut self.exact, word.to_owned(), weight),
            (&mut self.stems, stem(word).into_owned(), weight * OF_STEM),
        ];
        for (words, form, weight) in forms {
            words.entry(form).or_insert_with(|| {
                self.weights.push(weight);
                self.weights.len() - 1
            });
        }
    }

    /// Returns how a word of a text matches the search, or `None` if it does not.
    pub(crate) fn find(&self, word: &str) -> Option<Word> {
        let first = word.bytes().next()?;
        if self.first_bytes[usize::from(first >> 6)] & (1 << (first & 63)) == 0 {
            return None;
        }
        // A stem has the first letter of its word.
        let number = *self.exact.get(word).or_else(|| self.stems.get(&*stem(word)))?;
        Some(Word { number, weight: self.weights[number] })
    }
}
