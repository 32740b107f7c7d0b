//! Replacement of single values in JSON text. All other bytes stay as they came.

use std::ops::Range;

use anyport_protocol::{
    Raw,
    json::{Members, string},
};
use smallvec::SmallVec;

/// Replacements in one JSON text, applied together.
pub(super) struct Edits<'a> {
    text: &'a Raw,
    /// As a rule there is one at most.
    edits: SmallVec<[(Range<usize>, Piece); 1]>,
}

/// What stands in the place of a part.
enum Piece {
    Value(Raw),
    /// A member with its key, and the comma before it.
    Member(String),
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Value(value) => value.as_str(),
            Self::Member(text) => text,
        }
    }
}

impl<'a> Edits<'a> {
    /// No replacement yet.
    pub(super) fn of(text: &'a Raw) -> Self {
        Self { text, edits: SmallVec::new() }
    }

    /// The text.
    pub(super) fn text(&self) -> &'a str {
        self.text.as_str()
    }

    /// Replaces `part`, which must be borrowed from [`Edits::text`].
    pub(super) fn replace(&mut self, part: &str, value: &Raw) {
        if let Some(range) = self.range(part) {
            self.edits.push((range, Piece::Value(value.clone())));
        }
    }

    /// Sets the member `key` of `object`, which must be borrowed from [`Edits::text`]. Each member is set once.
    pub(super) fn set(&mut self, object: &'a str, key: &str, value: &Raw) {
        if let Some(old) = Members::find(object, key) {
            return self.replace(old, value);
        }
        let Some(range) = self.range(object).filter(|range| !range.is_empty()) else { return };
        let end = range.end - 1;
        let is_first =
            Members::of(object).next().is_none() && !self.edits.iter().any(|(at, _)| at.start == end);
        let comma = if is_first { "" } else { "," };
        let member = format!("{comma}{}:{}", Raw::string(key).as_str(), value.as_str());
        self.edits.push((end..end, Piece::Member(member)));
    }

    /// The text with all replacements; the very same one if there are none.
    pub(super) fn finish(mut self) -> Raw {
        if self.edits.is_empty() {
            return self.text.clone();
        }
        // Stable: members that are added to one object stay in their order.
        self.edits.sort_by_key(|(range, _)| range.start);
        let text = self.text.as_str();
        let added: usize = self.edits.iter().map(|(_, piece)| piece.text().len()).sum();
        let (mut out, mut at) = (String::with_capacity(text.len() + added), 0);
        for (range, piece) in &self.edits {
            out.push_str(text.get(at..range.start).unwrap_or_default());
            out.push_str(piece.text());
            at = range.end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        Raw::trusted_text(out)
    }

    fn range(&self, part: &str) -> Option<Range<usize>> {
        let text = self.text.as_str();
        let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        debug_assert!(end <= text.len(), "a part of another text");
        (end <= text.len()).then_some(start..end)
    }
}

/// The text inside the JSON string `value`; `None` if it is no string.
pub(super) fn text_of(value: &str) -> Option<std::borrow::Cow<'_, str>> {
    Some(string::unescape(value.strip_prefix('"')?.strip_suffix('"')?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_but_the_replaced_values_stays_byte_for_byte() {
        let text = Raw::trusted(br#"{ "a" : 1.50, "b":{"c" :"\u0041"}, "d":{}}"#.to_vec());
        let mut edits = Edits::of(&text);
        let (b, d) = (Members::find(text.as_str(), "b").unwrap(), Members::find(text.as_str(), "d").unwrap());
        edits.set(d, "x", &json!(1).into());
        edits.set(d, "y", &json!(2).into());
        edits.set(b, "c", &json!("B").into());
        edits.set(b, "e", &json!([]).into());
        assert_eq!(edits.finish().as_str(), r#"{ "a" : 1.50, "b":{"c" :"B","e":[]}, "d":{"x":1,"y":2}}"#);
    }

    #[test]
    fn without_a_replacement_it_is_the_same_text() {
        let text = Raw::from(json!({"a": 1}));
        let same = Edits::of(&text).finish();
        assert_eq!(same.as_str().as_ptr(), text.as_str().as_ptr());
    }
}
