use std::sync::OnceLock;

use memchr::memmem::Finder;

/// A word that few texts have. Looking for it is quicker than walking over a text, and what makes the search quick is
/// prepared once.
pub struct RareWord {
    word: &'static str,
    finder: OnceLock<Finder<'static>>,
}

impl RareWord {
    /// The word, for a `static`.
    pub const fn new(word: &'static str) -> Self {
        Self { word, finder: OnceLock::new() }
    }

    /// The word.
    pub fn as_str(&self) -> &'static str {
        self.word
    }

    /// Whether it stands anywhere in `text`.
    pub fn is_in(&self, text: &str) -> bool {
        self.first_in(text).is_some()
    }

    /// Where it first stands in `text`.
    pub fn first_in(&self, text: &str) -> Option<usize> {
        self.finder.get_or_init(|| Finder::new(self.word)).find(text.as_bytes())
    }
}
