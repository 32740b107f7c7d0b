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

/// The words that may be the plain form of a stem: it itself, with the "e" that it lost ("cach", "cache"), or with the "y"
/// that became an "i" ("queri", "query").
///
/// They are not indexed by their stem: whoever looks for the stem looks for these as well, and there are as many of these
/// in a text as of all other forms together.
pub(super) fn plain_forms(stem: &str) -> impl Iterator<Item = String> {
    let y = stem.strip_suffix('i').map(|rest| format!("{rest}y"));
    let forms = [Some(stem.to_owned()), Some(format!("{stem}e")), y];
    forms.into_iter().flatten().filter(move |form| self::stem(form) == stem)
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
    /// Each at a place that its hash gives it, from where a newer one drives it out. Empty until the first is asked for.
    stems: Vec<(String, Option<String>)>,
}

impl Recent {
    /// How many are kept, a power of two.
    const PLACES: usize = 1 << 13;

    /// The stem of a word, if it is brought in.
    fn stem(&mut self, word: &str, stems: Stems) -> Option<&str> {
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
            let brought_in = match stems {
                Stems::Marked => !is_plain(word, &stem),
                Stems::Only => *stem != *word,
            };
            *known_stem = brought_in.then(|| stem.into_owned());
        }
        known_stem.as_deref()
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
        if let Some(stem) = self.recent.stem(&token.text, self.stems) {
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

    #[test]
    fn what_is_no_english_word_is_its_own_stem() {
        for word in ["32602", "utf8s", "тесты", "日本", "js", "c"] {
            assert_eq!(stem(word), word);
        }
    }
}
