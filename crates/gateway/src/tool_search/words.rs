//! The words of a tool and of a query.

use anyport_ranking::{each_token, is_dense, is_stop_word, stem};

/// Calls `each` with the stem of every word of a text. Names are there whole and by their parts: of `create_issue` these are
/// `createissue`, `create` and `issue`.
pub(super) fn each_stem(text: &str, mut each: impl FnMut(&str)) {
    each_token(text, |token| each(&stem(&token.text)));
}

/// A word of a query.
#[derive(Debug, PartialEq)]
pub(super) struct QueryWord {
    /// The word in lower case.
    pub(super) word: String,
    /// Whether it is several words in one, which are words of their own, too: a name that was typed, or two words that follow
    /// each other. No tool needs to have it.
    pub(super) is_joined: bool,
}

/// The words of a query, each once. Words that nearly every text has are left out if there are others. Two words that follow
/// each other are also looked for as one: who types "roll back" means `rollback`.
pub(super) fn query_words(query: &str) -> Vec<QueryWord> {
    let query = &query[..query.floor_char_boundary(MAX_QUERY_BYTES)];
    let mut typed: Vec<QueryWord> = Vec::new();
    each_token(query, |token| {
        let is_joined = token.position_length > 1 && !token.text.starts_with(is_dense);
        typed.push(QueryWord { word: token.text.clone(), is_joined });
    });
    let single: Vec<&str> = typed.iter().filter(|word| !word.is_joined).map(|word| &*word.word).collect();
    let pairs = single.windows(2).map(|pair| QueryWord { word: pair.concat(), is_joined: true });
    let pairs: Vec<_> = pairs.collect();
    if typed.iter().any(|word| !is_stop_word(&word.word)) {
        typed.retain(|word| !is_stop_word(&word.word));
    }
    typed.truncate(MAX_QUERY_WORDS);
    let mut words: Vec<QueryWord> = Vec::new();
    for word in typed.into_iter().chain(pairs.into_iter().take(MAX_QUERY_WORDS)) {
        if words.iter().all(|known| known.word != word.word) {
            words.push(word);
        }
    }
    words
}

/// The longest query, in bytes; what comes after is not looked for.
const MAX_QUERY_BYTES: usize = 1_000;
/// The most words of a query.
const MAX_QUERY_WORDS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn words(query: &str) -> Vec<String> {
        let words = query_words(query).into_iter().filter(|word| !word.is_joined);
        words.map(|word| word.word).collect()
    }

    #[test]
    fn names_are_divided_at_underscores_hyphens_and_humps() {
        for name in ["create_issue", "create-issue", "createIssue"] {
            let mut stems = Vec::new();
            each_stem(name, |stem| stems.push(stem.to_owned()));
            assert_eq!(stems, ["createissu", "creat", "issu"], "{name}");
        }
    }

    #[test]
    fn a_query_is_its_words_without_those_that_say_nothing() {
        assert_eq!(words("how do I send an email to Bob"), ["send", "email", "bob"]);
        assert_eq!(words("what is it"), ["what", "is", "it"]);
        assert_eq!(words("send send"), ["send"]);
        assert_eq!(words(&"x ".repeat(10_000)).len(), 1);
        assert!(words("").is_empty());
        let rollback = QueryWord { word: "rollback".to_owned(), is_joined: true };
        assert!(query_words("roll back the release").contains(&rollback));
    }
}
