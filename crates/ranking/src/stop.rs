//! English words that nearly every text has. A query is not about them, unless it has no others.

/// Sorted, for the search.
#[rustfmt::skip]
const STOP_WORDS: &[&str] = &[
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "being", "but", "by", "can", "cannot",
    "cant", "could", "did", "do", "does", "doesnt", "doing", "dont", "for", "from", "had", "has", "have", "having",
    "how", "i", "if", "im", "in", "into", "is", "isnt", "it", "its", "me", "my", "no", "nor", "not", "of", "on", "or",
    "our", "ours", "should", "so", "some", "such", "than", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "those", "to", "too", "very", "was", "we", "were", "what", "when", "where", "which", "while",
    "who", "whom", "why", "will", "with", "would", "you", "your", "yours",
];

/// Whether `word`, in lower case, is one of them.
pub fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(STOP_WORDS.is_sorted());
        assert!(is_stop_word("the") && !is_stop_word("use"));
    }
}
