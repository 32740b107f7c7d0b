//! The common trait of answers, and the format of their lines.

use anyport_protocol::types::ResourceLink;

/// An answer as it is read: it says all that its structure says.
pub trait Readable {
    /// The answer in Markdown.
    fn markdown(&self) -> String;

    /// The target.
    fn links(&self) -> Vec<ResourceLink> {
        Vec::new()
    }
}

/// The media type of documents.
pub(crate) const MARKDOWN: &str = "text/markdown";

/// Whether two words are one, whatever the case and the white space around.
pub(crate) fn same(a: &str, b: &str) -> bool {
    let letters = |word: &'_ str| word.trim().chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    // Nearly all words are ASCII, and lists are filtered by comparing one with those of all documents.
    if a.is_ascii() && b.is_ascii() {
        return a.trim().eq_ignore_ascii_case(b.trim());
    }
    letters(a) == letters(b)
}

/// A caller's text, cut so that it can be repeated.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// How much of what a caller wrote is repeated, in characters.
const MAX_SHOWN: usize = 128;

/// Parts of a line about a document, those that there are.
pub(crate) fn joined(parts: impl IntoIterator<Item = Option<String>>) -> String {
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// The topic of a document, as `python/testing`, or one of the two.
pub(crate) fn topic(language: Option<&str>, domain: Option<&str>) -> Option<String> {
    let parts: Vec<&str> = language.into_iter().chain(domain).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Words to find a document by.
pub(crate) fn tags(tags: &[String]) -> Option<String> {
    (!tags.is_empty()).then(|| format!("tags: {}", tags.join(", ")))
}
