//! The forms under which a word is indexed: as it stands, and by its stem.

use std::hash::BuildHasher;

use anyport_ranking::{Splitter, is_stemmed, stem};
use foldhash::fast::FixedState;
use tantivy::tokenizer::{AsciiFoldingFilter, TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer};

/// The weight of a word of the same stem, relative to the word itself.
pub(super) const OF_STEM: f32 = 0.7;

/// Stands before a stem that is not itself the word. No word has it, because it is no letter.
///
/// Without it, a document about "important" things would be one about "import".
pub(super) const STEM_MARK: char = '\u{1}';

/// The words that may be the plain form of a stem: it itself, with the "e" that it lost ("cach", "cache"), or with the "y"
/// that became an "i" ("queri", "query").
///
/// They are not indexed by their stem: a search for the stem includes them, and a text has as many of them as of all
/// other forms together.
pub(super) fn plain_forms(stem: &str) -> impl Iterator<Item = String> {
    let y = stem.strip_suffix('i').map(|rest| format!("{rest}y"));
    let forms = [Some(stem.to_owned()), Some(format!("{stem}e")), y];
    forms.into_iter().flatten().filter(move |form| anyport_ranking::stem(form) == stem)
}

/// Whether `word` is a plain form of its stem.
fn is_plain(word: &str, stem: &str) -> bool {
    match (word.strip_prefix(stem), stem.strip_suffix('i')) {
        (Some("" | "e"), _) => true,
        (_, Some(rest)) => word.strip_prefix(rest) == Some("y"),
        _ => false,
    }
}

/// Words as they stand, for queries.
pub(super) fn words() -> TextAnalyzer {
    TextAnalyzer::builder(Splitter::default()).filter(AsciiFoldingFilter).build()
}

/// Calls `each` with every word of `text` as it stands. As [`words`], and without its indirections.
pub(crate) fn each_word(text: &str, mut each: impl FnMut(&Token)) {
    let mut analyzer = AsciiFoldingFilter.transform(Splitter::default());
    let mut words = analyzer.token_stream(text);
    while words.advance() {
        each(words.token());
    }
}

/// Words as they stand, each followed by its marked stem unless it is a plain form: finds both, and can tell them apart.
pub(super) fn words_and_stems() -> TextAnalyzer {
    TextAnalyzer::builder(Splitter::default()).filter(AsciiFoldingFilter).filter(Stems::Marked).build()
}

/// Stems only, for fields that add to the rank of what is found elsewhere.
pub(super) fn stems() -> TextAnalyzer {
    TextAnalyzer::builder(Splitter::default()).filter(AsciiFoldingFilter).filter(Stems::Only).build()
}

/// The stems of words that were seen lately. Most words of a text are few, and to stem one takes longer than to find it.
#[derive(Clone, Default)]
struct Recent {
    /// Each entry is at the slot of its hash, where a newer one replaces it. Empty until the first use.
    stems: Vec<Known>,
}

/// An entry of a word: its stem is its beginning with another ending. Small and without a pointer, because most of the
/// time goes into waiting for memory.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The hash of the word. Two words with the same one are as rare as two paths with the same one.
    word: u64,
    /// How many bytes of the word its stem begins with; none if no stem is brought in.
    kept: u8,
    /// How many of the bytes in `ending` the stem has behind them.
    added: u8,
    ending: [u8; Known::ENDING],
}

impl Known {
    /// Longest ending: no stem of an English word has a longer one of its own.
    const ENDING: usize = 6;

    /// Makes the entry of a word and its stem, if it fits.
    fn new(hash: u64, word: &str, stem: &str) -> Option<Self> {
        let same = word.bytes().zip(stem.bytes()).take_while(|(a, b)| a == b).count();
        let own = &stem.as_bytes()[same..];
        let mut ending = [0; Self::ENDING];
        ending.get_mut(..own.len())?.copy_from_slice(own);
        // A stem has the first letter of its word, so an empty beginning means an empty slot.
        let kept = u8::try_from(same).ok().filter(|kept| *kept > 0)?;
        Some(Self { word: hash, kept, added: u8::try_from(own.len()).ok()?, ending })
    }

    /// Writes the stem of `word`, if it is brought in. Says whether it did.
    fn write(&self, word: &str, to: &mut String) -> bool {
        to.push_str(&word[..usize::from(self.kept)]);
        to.extend(self.ending[..usize::from(self.added)].iter().copied().map(char::from));
        self.kept > 0
    }
}

impl Recent {
    /// The number of slots, a power of two.
    const PLACES: usize = 1 << 14;

    /// Writes the stem of a word, if it is brought in. Says whether it did.
    fn write_stem(&mut self, word: &str, stems: Stems, to: &mut String) -> bool {
        if !is_stemmed(word) {
            return false;
        }
        if self.stems.is_empty() {
            self.stems.resize(Self::PLACES, Known::default());
        }
        let hash = FixedState::default().hash_one(word);
        #[allow(clippy::cast_possible_truncation)] // only the lowest bits count
        let place = &mut self.stems[hash as usize & (Self::PLACES - 1)];
        if place.word == hash {
            return place.write(word, to);
        }
        let stem = stem(word);
        let brought_in = match stems {
            Stems::Marked => !is_plain(word, &stem),
            Stems::Only => *stem != *word,
        };
        let none = Known { word: hash, ..Known::default() };
        if let Some(known) = if brought_in { Known::new(hash, word, &stem) } else { Some(none) } {
            *place = known;
        }
        if brought_in {
            to.push_str(&stem);
        }
        brought_in
    }
}

/// A filter that brings in stems.
#[derive(Clone, Copy)]
enum Stems {
    /// After each word that is no plain form, with a mark.
    Marked,
    /// In place of the words.
    Only,
}

impl TokenFilter for Stems {
    type Tokenizer<T: Tokenizer> = Stemming<T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> Stemming<T> {
        Stemming { inner: tokenizer, stems: self, recent: Recent::default() }
    }
}

#[derive(Clone)]
struct Stemming<T> {
    inner: T,
    stems: Stems,
    recent: Recent,
}

impl<T: Tokenizer> Tokenizer for Stemming<T> {
    type TokenStream<'a> = Stemmed<'a, T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        let inner = self.inner.token_stream(text);
        Stemmed { inner, stems: self.stems, recent: &mut self.recent, after: String::new() }
    }
}

struct Stemmed<'a, S> {
    inner: S,
    stems: Stems,
    recent: &'a mut Recent,
    /// The marked stem that comes after the current word; empty if none does.
    after: String,
}

impl<S: TokenStream> TokenStream for Stemmed<'_, S> {
    fn advance(&mut self) -> bool {
        if !self.after.is_empty() {
            let token = self.inner.token_mut();
            std::mem::swap(&mut token.text, &mut self.after);
            self.after.clear();
            return true;
        }
        if !self.inner.advance() {
            return false;
        }
        let token = self.inner.token_mut();
        match self.stems {
            Stems::Marked => {
                self.after.push(STEM_MARK);
                if !self.recent.write_stem(&token.text, self.stems, &mut self.after) {
                    self.after.clear();
                }
            }
            Stems::Only => {
                if self.recent.write_stem(&token.text, self.stems, &mut self.after) {
                    std::mem::swap(&mut token.text, &mut self.after);
                    self.after.clear();
                }
            }
        }
        true
    }

    fn token(&self) -> &Token {
        self.inner.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.inner.token_mut()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(mut analyzer: TextAnalyzer, text: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        analyzer.token_stream(text).process(&mut |token| tokens.push(token.text.clone()));
        tokens
    }

    #[test]
    fn plain_forms_are_not_marked_and_are_known_from_the_stem() {
        assert_eq!(
            tokens(words_and_stems(), "cache caches query queries"),
            ["cache", "caches", "\u{1}cach", "query", "queries", "\u{1}queri"]
        );
        for (stem, expected) in [
            ("cach", &["cach", "cache"][..]),
            ("queri", &["queri", "querie", "query"]),
            ("skill", &["skill", "skille"]),
        ] {
            assert_eq!(plain_forms(stem).collect::<Vec<_>>(), expected);
        }
    }

    proptest! {
        /// Invariant: A stem finds exactly the words that are not indexed by it.
        #[test]
        fn whoever_looks_for_a_stem_finds_all_its_words(word in "[a-z]{3,12}") {
            let stem = stem(&word);
            let marked = tokens(words_and_stems(), &word).contains(&format!("{STEM_MARK}{stem}"));
            prop_assert!(marked != plain_forms(&stem).any(|form| form == word));
        }
    }

    #[test]
    fn other_forms_are_followed_by_their_stem() {
        let text = "Testing the rôles parsers";
        assert_eq!(tokens(words(), text), ["testing", "the", "roles", "parsers"]);
        let marked = ["testing", "\u{1}test", "the", "roles", "\u{1}role", "parsers", "\u{1}parser"];
        assert_eq!(tokens(words_and_stems(), text), marked);
        assert_eq!(tokens(stems(), text), ["test", "the", "role", "parser"]);
    }
}
