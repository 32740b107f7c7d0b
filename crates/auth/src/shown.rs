//! How much of what others write is repeated in messages.

/// The most characters of one text of a server that a message repeats.
pub(crate) const SHOWN: usize = 200;

/// The beginning of `text`, as far as messages repeat it.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
