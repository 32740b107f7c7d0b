//! Cursors of merged lists: the last entry of a page, and where it stood, sealed for one caller at one endpoint.
//!
//! 2026-07-28, utilities/pagination §Implementation Guidelines: servers SHOULD "provide stable cursors". A cursor holds when
//! the list changes, and after a restart with the same key.

use anyport_protocol::{Error, Raw};
use anyport_seal::Sealer;
use anyport_service::Principal;
use bytestring::ByteString;

use super::list_kind::ListKind;

/// The cursors of one caller at one endpoint. No other caller and no other endpoint accepts them: their lists differ.
pub(super) struct Cursors<'a> {
    sealer: &'a Sealer,
    /// The name of the virtual server; `None` for the whole federation.
    virtual_server: Option<&'a str>,
    principal: &'a Principal,
}

impl<'a> Cursors<'a> {
    pub(super) fn new(sealer: &'a Sealer, virtual_server: Option<&'a str>, principal: &'a Principal) -> Self {
        Self { sealer, virtual_server, principal }
    }

    /// The cursor behind the entry `last`, which is number `end` of the list.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub(super) fn after(&self, kind: ListKind, end: usize, last: &str) -> Result<String, Error> {
        let sealed = self.sealer.seal(&self.purpose(kind), format!("{end}\n{last}").as_bytes());
        sealed.map_err(|error| Error::internal(error.to_string()))
    }

    /// Where the page begins that `cursor` leads to: behind its entry, or where that stood if it is gone. `None` if it is no
    /// cursor of this list for this caller.
    pub(super) fn start(&self, cursor: &Raw, kind: ListKind, lines: &[(ByteString, Raw)]) -> Option<usize> {
        let opened = self.sealer.open(&self.purpose(kind), &cursor.as_string()?).ok()?;
        let text = String::from_utf8(opened).ok()?;
        let (end, last) = text.split_once('\n')?;
        let end: usize = end.parse().ok()?;
        let is_last = |at: &usize| lines.get(*at).is_some_and(|(name, _)| *name == *last);
        let at = end.checked_sub(1).filter(is_last).or_else(|| (0..lines.len()).find(is_last));
        Some(at.map_or(end.min(lines.len()), |at| at + 1))
    }

    /// What cursors are sealed for. With the length of its name, no virtual server and caller read like another pair.
    fn purpose(&self, kind: ListKind) -> String {
        let (entries, principal) = (kind.entries(), self.principal);
        match self.virtual_server {
            Some(name) => format!("cursor {entries} of {}:{name} for {principal}", name.len()),
            None => format!("cursor {entries} for {principal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use anyport_seal::Key;

    use super::*;

    fn lines(names: &[&'static str]) -> Vec<(ByteString, Raw)> {
        names.iter().map(|name| (ByteString::from_static(name), Raw::NULL)).collect()
    }

    fn sealer() -> Sealer {
        Sealer::new(&Key::from_bytes([7; 32]))
    }

    #[test]
    fn a_cursor_survives_a_changed_list() {
        let (sealer, caller) = (sealer(), Principal::local());
        let cursors = Cursors::new(&sealer, None, &caller);
        let cursor = Raw::string(&cursors.after(ListKind::Tools, 2, "b").unwrap());
        let begins = |names| cursors.start(&cursor, ListKind::Tools, &lines(names));
        assert_eq!(begins(&["a", "b", "c"]), Some(2));
        assert_eq!(begins(&["new", "a", "b", "c"]), Some(3), "the entry stands elsewhere");
        assert_eq!(begins(&["b", "c"]), Some(1));
        assert_eq!(begins(&["a", "c"]), Some(2), "the entry is gone");
        assert_eq!(begins(&[]), Some(0));
    }

    /// Invariant: A cursor is for the caller and the endpoint that it was given to.
    #[test]
    fn a_cursor_of_another_list_or_caller_or_endpoint_is_refused() {
        let (sealer, other_key) = (sealer(), Sealer::new(&Key::from_bytes([8; 32])));
        let (alice, bob) = (Principal::named("alice"), Principal::named("bob"));
        let cursors = Cursors::new(&sealer, Some("dev"), &alice);
        let start = |cursor: &str| cursors.start(&Raw::string(cursor), ListKind::Tools, &lines(&["a", "b"]));
        let tools = ListKind::Tools;
        assert_eq!(start(&cursors.after(tools, 1, "a").unwrap()), Some(1));
        for cursor in [
            cursors.after(ListKind::Prompts, 1, "a").unwrap(),
            Cursors::new(&sealer, Some("dev"), &bob).after(tools, 1, "a").unwrap(),
            Cursors::new(&sealer, Some("ops"), &alice).after(tools, 1, "a").unwrap(),
            Cursors::new(&sealer, None, &alice).after(tools, 1, "a").unwrap(),
            Cursors::new(&other_key, Some("dev"), &alice).after(tools, 1, "a").unwrap(),
            // In Base64: the place, and no more.
            "dG9vbHMKMQph".into(),
            String::new(),
            "!".into(),
        ] {
            assert_eq!(start(&cursor), None, "{cursor}");
        }
        assert_eq!(cursors.start(&Raw::NULL, tools, &lines(&["a"])), None);
    }
}
