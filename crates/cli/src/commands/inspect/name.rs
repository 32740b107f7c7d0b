//! Names that models' interfaces take.

/// Longer names are refused by clients that put the server's name before them.
pub(super) const LONGEST_NAME: usize = 64;

/// Whether a name has only characters that models' interfaces take, and those in `more`.
pub(super) fn is_plain(name: &str, more: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || more.contains(c))
}
