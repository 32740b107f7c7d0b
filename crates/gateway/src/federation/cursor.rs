//! Cursors of merged lists: the last entry of a page, and where it stood.
//!
//! 2026-07-28, utilities/pagination §Implementation Guidelines: servers SHOULD "provide stable cursors". A cursor holds when
//! the list changes, and after a restart. It names what its caller has just seen, so it is not sealed.

use anyport_protocol::Raw;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytestring::ByteString;

use super::list_kind::ListKind;

/// The cursor behind the entry `last`, which is number `end` of the list.
pub(super) fn after(kind: ListKind, end: usize, last: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}\n{end}\n{last}", kind.entries()))
}

/// Where the page begins that `cursor` leads to: behind its entry, or where that stood if it is gone. `None` if it is no
/// cursor of this list.
pub(super) fn start(cursor: &Raw, kind: ListKind, lines: &[(ByteString, Raw)]) -> Option<usize> {
    let text = URL_SAFE_NO_PAD.decode(&*cursor.as_string()?).ok()?;
    let text = String::from_utf8(text).ok()?;
    let (end, last) = text.strip_prefix(kind.entries())?.strip_prefix('\n')?.split_once('\n')?;
    let end: usize = end.parse().ok()?;
    let is_last = |at: &usize| lines.get(*at).is_some_and(|(name, _)| *name == *last);
    let at = end.checked_sub(1).filter(is_last).or_else(|| (0..lines.len()).find(is_last));
    Some(at.map_or(end.min(lines.len()), |at| at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(names: &[&'static str]) -> Vec<(ByteString, Raw)> {
        names.iter().map(|name| (ByteString::from_static(name), Raw::NULL)).collect()
    }

    #[test]
    fn a_cursor_survives_a_changed_list() {
        let cursor = Raw::string(&after(ListKind::Tools, 2, "b"));
        let begins = |names| start(&cursor, ListKind::Tools, &lines(names));
        assert_eq!(begins(&["a", "b", "c"]), Some(2));
        assert_eq!(begins(&["new", "a", "b", "c"]), Some(3), "the entry stands elsewhere");
        assert_eq!(begins(&["b", "c"]), Some(1));
        assert_eq!(begins(&["a", "c"]), Some(2), "the entry is gone");
        assert_eq!(begins(&[]), Some(0));
    }

    #[test]
    fn a_cursor_of_another_list_or_of_nobody_is_refused() {
        let of_prompts = after(ListKind::Prompts, 2, "b");
        for cursor in [&*of_prompts, "", "!", "dG9vbHM"] {
            assert_eq!(start(&Raw::string(cursor), ListKind::Tools, &lines(&["a", "b"])), None, "{cursor}");
        }
        assert_eq!(start(&Raw::NULL, ListKind::Tools, &lines(&["a"])), None);
    }
}
