use regex::{Captures, Regex};

/// A pattern of this program. One that could not be read would find nothing, and a test would fail.
pub(super) fn known(source: &str) -> Option<Regex> {
    Regex::new(source).ok()
}

/// `text` with what matches `pattern`, and is right, replaced by `cover`.
pub(super) fn replaced(
    pattern: &Option<Regex>,
    text: &str,
    is_right: impl Fn(&str) -> bool,
    cover: &str,
) -> Option<String> {
    let pattern = pattern.as_ref()?;
    let mut is_changed = false;
    let new = pattern.replace_all(text, |found: &Captures<'_>| {
        if is_right(&found[0]) {
            is_changed = true;
            cover.to_owned()
        } else {
            found[0].to_owned()
        }
    });
    let new = new.into_owned();
    is_changed.then_some(new)
}
