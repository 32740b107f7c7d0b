//! The stems of English words.

use std::borrow::Cow;

use frostem::{Algorithm, Stemmer};

/// The stem of an English word in lower case; other words and numbers are their own.
pub fn stem(word: &str) -> Cow<'_, str> {
    if is_stemmed(word) { Stemmer::new(Algorithm::English).stem(word) } else { Cow::Borrowed(word) }
}

/// Whether a word may have a stem other than itself.
pub fn is_stemmed(word: &str) -> bool {
    word.len() >= 3 && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_english_word_is_its_own_stem() {
        for word in ["32602", "utf8s", "тесты", "日本", "js", "c"] {
            assert_eq!(stem(word), word);
        }
        assert_eq!(stem("parsers"), stem("parser"));
    }
}
