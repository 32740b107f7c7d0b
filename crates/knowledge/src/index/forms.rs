//! The forms under which a word is indexed: as it stands, and by its stem.

use std::{borrow::Cow, hash::BuildHasher};

use foldhash::fast::FixedState;
use frostem::{Algorithm, Stemmer};
use tantivy::tokenizer::{AsciiFoldingFilter, TextAnalyzer, Token, TokenFilter, TokenStream, Tokenizer};

use super::split::Splitter;

/// Stands before a stem that is not itself the word. No word has it, because it is no letter.
///
/// Without it, a document about "important" things would be one about "import".
pub(super) const STEM_MARK: char = '\u{1}';

/// The stem of an English word; other words and numbers are their own.
pub(crate) fn stem(word: &str) -> Cow<'_, str> {
    if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Cow::Borrowed(word);
    }
    Stemmer::new(Algorithm::English).stem(word)
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

/// Words as they stand, each followed by its marked stem if that differs: finds both, and can tell them apart.
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
    /// Each at a place that its hash gives it, from where a newer one drives it out. Empty until the first is asked for.
    stems: Vec<(String, Option<String>)>,
}

impl Recent {
    /// How many are kept, a power of two.
    const PLACES: usize = 1 << 13;

    /// The stem of a word, if it differs from it.
    fn stem(&mut self, word: &str) -> Option<&str> {
        if self.stems.is_empty() {
            self.stems.resize(Self::PLACES, (String::new(), None));
        }
        #[allow(clippy::cast_possible_truncation)] // only the lowest bits count
        let place = FixedState::default().hash_one(word) as usize & (Self::PLACES - 1);
        let (known, known_stem) = &mut self.stems[place];
        if known != word {
            known.clear();
            known.push_str(word);
            let stem = stem(word);
            *known_stem = (*stem != *word).then(|| stem.into_owned());
        }
        known_stem.as_deref()
    }
}

/// A filter that brings in stems.
#[derive(Clone, Copy)]
enum Stems {
    /// After each word that is not its own.
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
        Stemmed { inner, stems: self.stems, recent: &mut self.recent, marked: String::new() }
    }
}

struct Stemmed<'a, S> {
    inner: S,
    stems: Stems,
    recent: &'a mut Recent,
    /// The marked stem that comes after the current word; empty if none does.
    marked: String,
}

impl<S: TokenStream> TokenStream for Stemmed<'_, S> {
    fn advance(&mut self) -> bool {
        if !self.marked.is_empty() {
            let token = self.inner.token_mut();
            std::mem::swap(&mut token.text, &mut self.marked);
            self.marked.clear();
            return true;
        }
        if !self.inner.advance() {
            return false;
        }
        let token = self.inner.token_mut();
        if let Some(stem) = self.recent.stem(&token.text) {
            match self.stems {
                Stems::Marked => {
                    self.marked.push(STEM_MARK);
                    self.marked.push_str(stem);
                }
                Stems::Only => {
                    token.text.clear();
                    token.text.push_str(stem);
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
    use super::*;

    fn tokens(mut analyzer: TextAnalyzer, text: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        analyzer.token_stream(text).process(&mut |token| tokens.push(token.text.clone()));
        tokens
    }

    #[test]
    fn a_word_is_followed_by_its_stem_where_they_differ() {
        let text = "Testing the naïve parsers";
        assert_eq!(tokens(words(), text), ["testing", "the", "naive", "parsers"]);
        let marked = ["testing", "\u{1}test", "the", "naive", "\u{1}naiv", "parsers", "\u{1}parser"];
        assert_eq!(tokens(words_and_stems(), text), marked);
        assert_eq!(tokens(stems(), text), ["test", "the", "naiv", "parser"]);
    }

    #[test]
    fn what_is_no_english_word_is_its_own_stem() {
        for word in ["32602", "utf8s", "тесты", "日本", "js", "c"] {
            assert_eq!(stem(word), word);
        }
    }
}
