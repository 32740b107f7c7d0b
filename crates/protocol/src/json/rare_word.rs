use std::sync::OnceLock;

use memchr::memmem::Finder;

/// A word that few texts have. Looking for it is quicker than walking over a text, and what makes the search quick is
/// prepared once.
pub struct RareWord {
    word: &'static str,
    finder: OnceLock<Finder<'static>>,
}

/// The end of a word that is searched for: `memchr` takes a slower way for more bytes, which it prepares anew for each text.
const SEARCHED: usize = 32;

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
        let (front, end) = self.word.split_at(self.word.len().saturating_sub(SEARCHED));
        let finder = self.finder.get_or_init(|| Finder::new(end));
        let starts = finder.find_iter(text.as_bytes()).filter_map(|at| at.checked_sub(front.len()));
        starts.into_iter().find(|start| text.as_bytes()[*start..].starts_with(front.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_where_it_stands_first_however_long_it_is() {
        static LONG: RareWord = RareWord::new("io.modelcontextprotocol/serverInfo");
        static SHORT: RareWord = RareWord::new("resource");
        let long = LONG.as_str();
        assert_eq!(LONG.first_in(&format!("a {long} b {long}")), Some(2));
        assert_eq!(LONG.first_in(&format!("{} {long}", &long[2..])), Some(33), "only its end comes before");
        for text in ["", &long[1..], &long[..33], &long[2..], "ä"] {
            assert_eq!((LONG.first_in(text), LONG.is_in(text)), (None, false), "{text}");
        }
        assert_eq!((SHORT.first_in("a resource"), SHORT.is_in("resourc")), (Some(2), false));
    }
}
