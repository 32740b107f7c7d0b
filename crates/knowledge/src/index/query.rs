//! A query, as words.

use std::{
    collections::HashSet,
    hash::{BuildHasher, Hash, Hasher},
};

use anyport_ranking::{is_dense, is_stop_word};
use foldhash::fast::FixedState;
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream};

use super::stemming;

/// Longest query, in characters; what comes after is not looked for.
pub const MAX_QUERY_CHARS: usize = 1_000;
/// Most words of a query that are looked for.
pub const MAX_QUERY_WORDS: usize = 32;

/// The query and its filters.
///
/// The query is words and no language: no character has a meaning in it but the double quote, which keeps the words
/// between two of them together. Names are found however they are written: `maxRetries` finds `max_retries`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery {
    /// The words. Of more than [`MAX_QUERY_CHARS`] characters or [`MAX_QUERY_WORDS`] words the first are looked for.
    pub query: String,
    /// Only documents about this language, whatever the case.
    pub language: Option<String>,
    /// Only documents about this domain, whatever the case.
    pub domain: Option<String>,
    /// Only documents that have all of these tags, whatever the case.
    pub tags: Vec<String>,
    /// Most hits that are returned.
    pub limit: usize,
}

impl SearchQuery {
    /// A search for the ten best documents, wherever they belong.
    pub fn new(query: impl Into<String>) -> Self {
        Self { query: query.into(), language: None, domain: None, tags: Vec::new(), limit: 10 }
    }
}

/// A query taken apart.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The terms of the query.
    pub(super) units: Vec<Unit>,
    /// The query in the form of a title, if it is short enough.
    pub(super) title_key: Option<u64>,
}

/// Something that a document has or has not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Unit {
    /// A word.
    Word(String),
    /// A run of several parts: by itself, or by its parts.
    Name {
        /// The run without its marks.
        whole: String,
        parts: Vec<String>,
    },
    /// Words that follow each other, with their places.
    Phrase(Vec<(usize, String)>),
}

impl Unit {
    /// The unit as it would be typed, but for case and marks.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Word(word) | Self::Name { whole: word, .. } => word.clone(),
            Self::Phrase(words) => words.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" "),
        }
    }
}

/// Takes a query apart.
pub(super) fn parse(query: &str) -> Parsed {
    let end = query.char_indices().nth(MAX_QUERY_CHARS).map_or(query.len(), |(end, _)| end);
    let whole = end == query.len();
    let query = &query[..end];
    let mut analyzer = stemming::words();
    let mut units = Vec::new();
    let mut pieces = query.split('"').peekable();
    let mut quoted = false;
    while let Some(piece) = pieces.next() {
        // The last piece is quoted only if nothing closes the quote: then it is words.
        let tokens = tokens(&mut analyzer, piece);
        if quoted && pieces.peek().is_some() {
            units.extend(phrase(&tokens));
        } else {
            units.extend(loose(&tokens));
        }
        quoted = !quoted;
    }
    let title_key = (whole && !units.is_empty()).then(|| title_key(query));
    Parsed { units: chosen(units), title_key }
}

/// The words of a title or query, as they are compared: hashed.
pub(super) fn title_key(title: &str) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    for token in tokens(&mut stemming::words(), title).iter().filter(|token| token.position_length == 1) {
        token.text.hash(&mut hasher);
    }
    hasher.finish()
}

fn tokens(analyzer: &mut TextAnalyzer, text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    analyzer.token_stream(text).process(&mut |token| tokens.push(token.clone()));
    tokens
}

/// A quoted phrase.
fn phrase(tokens: &[Token]) -> Option<Unit> {
    let mut words = tokens.iter().filter(|token| token.position_length == 1);
    let words: Vec<_> =
        (words.by_ref().take(MAX_QUERY_WORDS)).map(|token| (token.position, token.text.clone())).collect();
    (!words.is_empty()).then_some(Unit::Phrase(words))
}

/// Unquoted text: word by word, with names as one.
fn loose(tokens: &[Token]) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut rest = tokens;
    while let [token, following @ ..] = rest {
        let covered = following.iter().take_while(|part| part.offset_to <= token.offset_to).count();
        if token.text.starts_with(is_dense) {
            let (pairs, taken) = dense(rest);
            units.extend(pairs);
            rest = &rest[taken..];
        } else if token.position_length > 1 {
            let parts = following[..covered].iter().map(|part| part.text.clone()).collect();
            units.push(Unit::Name { whole: token.text.clone(), parts });
            rest = &following[covered..];
        } else {
            units.push(Unit::Word(token.text.clone()));
            rest = following;
        }
    }
    units
}

/// A run of characters without spaces: its pairs, or the one character. Says how many tokens it took.
///
/// Each pair is searched separately: text without spaces contains several words.
fn dense(tokens: &[Token]) -> (Vec<Unit>, usize) {
    let mut end = tokens[0].offset_from;
    let run = tokens.iter().take_while(|token| {
        let goes_on = token.text.starts_with(is_dense) && token.offset_from <= end;
        end = end.max(token.offset_to);
        goes_on
    });
    let taken = run.count().max(1);
    let word = |token: &Token| Unit::Word(token.text.clone());
    let pairs: Vec<_> = tokens[..taken].iter().filter(|token| token.position_length > 1).map(word).collect();
    (if pairs.is_empty() { vec![word(&tokens[0])] } else { pairs }, taken)
}

/// Each unit once, at most so many, and without words that say nothing, if there are others.
fn chosen(mut units: Vec<Unit>) -> Vec<Unit> {
    let mut seen = HashSet::new();
    units.retain(|unit| seen.insert(unit.clone()));
    let says_nothing = |unit: &Unit| match unit {
        Unit::Word(word) | Unit::Name { whole: word, .. } => is_stop_word(word),
        Unit::Phrase(_) => false,
    };
    if !units.iter().all(says_nothing) {
        units.retain(|unit| !says_nothing(unit));
    }
    units.truncate(MAX_QUERY_WORDS);
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(word: &str) -> Unit {
        Unit::Word(word.to_owned())
    }

    fn phrase(words: &[&str]) -> Unit {
        Unit::Phrase(words.iter().map(|word| (*word).to_owned()).enumerate().collect())
    }

    fn name(whole: &str, parts: &[&str]) -> Unit {
        let parts = parts.iter().map(|part| (*part).to_owned()).collect();
        Unit::Name { whole: whole.to_owned(), parts }
    }

    fn units(query: &str) -> Vec<Unit> {
        parse(query).units
    }

    #[test]
    fn a_query_is_words_names_and_quoted_phrases() {
        assert_eq!(units("Tokio runtime"), [word("tokio"), word("runtime")]);
        assert_eq!(units("use max_retries"), [word("use"), name("maxretries", &["max", "retries"])]);
        assert_eq!(units("a \"Time Out\" b"), [phrase(&["time", "out"]), word("b")]);
        assert_eq!(units("\"one\""), [phrase(&["one"])]);
        assert_eq!(units("\"time out"), [word("time"), word("out")]);
        assert_eq!(units("日本 語"), [word("日本"), word("語")]);
        assert_eq!(units("日本語x"), ["日本", "本語", "x"].map(word));
    }

    #[test]
    fn no_sign_has_a_meaning() {
        for query in ["", " ", "\"", "\"\"", "\"\"\"", ":", "(+) -> [!]*?", "\0", "\u{301}\""] {
            let Parsed { units, .. } = parse(query);
            assert!(units.iter().all(|unit| matches!(unit, Unit::Word(_))), "{query:?}: {units:?}");
        }
        assert_eq!(units("title:(a AND b) OR c^2"), ["title", "b", "c", "2"].map(word));
        assert!(parse("::").title_key.is_none());
    }

    #[test]
    fn words_that_say_nothing_count_only_among_themselves() {
        assert_eq!(units("how to test"), [word("test")]);
        assert_eq!(units("to be or not to be"), ["to", "be", "or", "not"].map(word));
    }

    #[test]
    fn long_queries_are_cut() {
        let query = (0..10_000).map(|index| format!("w{index} ")).collect::<String>();
        assert_eq!(units(&query).len(), MAX_QUERY_WORDS);
        assert!(parse(&query).title_key.is_none());
        assert_eq!(units(&"ä".repeat(10_000)).len(), 1);
        assert_eq!(units(&"same ".repeat(10_000)), [word("same")]);
    }
}
