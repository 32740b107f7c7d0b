//! How callers name a conversation.

/// The longest id in bytes.
pub const LONGEST: usize = 128;

/// A name: the id of a caller's own conversation or of one that is shared with it, or `OWNER/ID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// Whose, if that is said.
    pub owner: Option<&'a str>,
    /// The id.
    pub id: &'a str,
}

impl<'a> Name<'a> {
    /// Reads a name; `None`: it is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (owner, id) = match text.rsplit_once('/') {
            Some((owner, id)) => (Some(owner), id),
            None => (None, text),
        };
        (is_id(id) && owner.is_none_or(|owner| !owner.is_empty())).then_some(Self { owner, id })
    }
}

/// Whether a text is the id of a conversation: 1 to 128 of `[A-Za-z0-9._:-]`.
pub fn is_id(text: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_stands_before_the_last_slash() {
        assert_eq!(Name::parse("trip.1"), Some(Name { owner: None, id: "trip.1" }));
        let owner = "subject:20:https://login.a/b:ada";
        assert_eq!(Name::parse(&format!("{owner}/trip")), Some(Name { owner: Some(owner), id: "trip" }));
        for wrong in ["", "a b", "a/", "/a", "é", &"a".repeat(LONGEST + 1), "a/b?"] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }
}
