use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use super::{
    Limits, Members, ScanError, scan,
    scan::{not_utf8, within},
    string,
};

/// One JSON value as text that has passed the scan; cloning shares it.
///
/// Params and results travel in this form: text that no code has to read is never parsed again and leaves byte for byte
/// as it arrived.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Raw(ByteString);

impl Raw {
    /// The empty object.
    pub const EMPTY_OBJECT: Self = Self(ByteString::from_static("{}"));
    /// `null`.
    pub const NULL: Self = Self(ByteString::from_static("null"));

    /// Checks `text` and takes it as it is, surrounding white space aside.
    ///
    /// # Errors
    /// The first fault that [`scan`] finds.
    pub fn parse(text: Bytes, limits: &Limits) -> Result<Self, ScanError> {
        let valid = scan(&text, limits)?.trim_matches([' ', '\t', '\r', '\n']);
        let text = text.slice_ref(valid.as_bytes());
        // The scan has just validated the UTF-8; `try_from` looks again, at memory speed.
        Ok(Self(ByteString::try_from(text).unwrap_or_default()))
    }

    /// Takes text that is small enough and UTF-8, and of which the rest is about to be scanned.
    pub(crate) fn unscanned(text: Bytes, limits: &Limits) -> Result<Self, ScanError> {
        within(&text, limits)?;
        let bytes = text.clone();
        ByteString::try_from(text).map(Self).map_err(|error| not_utf8(&bytes, &error))
    }

    /// The part of the text in `range`.
    pub(crate) fn range(&self, range: std::ops::Range<usize>) -> Self {
        Self(self.0.slice_ref(self.0.get(range).unwrap_or_default()))
    }

    /// Writes `value` as JSON.
    ///
    /// # Errors
    /// When `value` cannot be JSON: a map with keys that are no strings, or a `Serialize` that fails.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(|text| Self(text.into()))
    }

    /// A JSON string that holds `text`.
    pub fn string(text: &str) -> Self {
        let mut out = Vec::with_capacity(text.len() + 2);
        string::write(&mut out, text);
        Self::trusted(out)
    }

    /// JSON that stands in our own code; costs no allocation.
    pub(crate) const fn written(json: &'static str) -> Self {
        Self(ByteString::from_static(json))
    }

    /// Takes JSON that the caller has just written itself; never use it on what came from outside. Debug builds
    /// check.
    pub fn trusted(json: Vec<u8>) -> Self {
        Self::trusted_text(String::from_utf8(json).unwrap_or_default())
    }

    /// The same of a text.
    pub fn trusted_text(json: String) -> Self {
        debug_assert!(
            scan(
                json.as_bytes(),
                &Limits { bytes: usize::MAX, depth: usize::MAX, nodes: usize::MAX, batch: usize::MAX }
            )
            .is_ok()
        );
        Self(json.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as shared bytes.
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }

    /// Whether both are the same text in memory: clones of one value.
    pub fn shares_text_with(&self, other: &Self) -> bool {
        std::ptr::eq(self.as_str(), other.as_str())
    }

    /// Whether nothing else holds the buffer of the text. Never true of a text of the program's own code.
    pub fn is_unshared(&self) -> bool {
        self.0.as_bytes().is_unique()
    }

    /// A part of this value: `part` must be borrowed from [`Raw::as_str`] of this very value.
    pub fn slice(&self, part: &str) -> Self {
        Self(self.0.slice_ref(part))
    }

    /// A copy that holds its own text alone: a part of a message holds the buffer that the message was read into. For what
    /// outlives its message.
    #[must_use]
    pub fn compact(&self) -> Self {
        match self.as_str() {
            "{}" => Self::EMPTY_OBJECT,
            text => Self(text.to_owned().into()),
        }
    }

    /// The member called `name`, when this is an object that has one.
    pub fn member(&self, name: &str) -> Option<Self> {
        Members::find(self.as_str(), name).map(|value| self.slice(value))
    }

    /// The members, when this is an object.
    pub fn members(&self) -> Members<'_> {
        Members::of(self.as_str())
    }

    /// The text inside, when this is a JSON string.
    pub fn as_string(&self) -> Option<ByteString> {
        let inside = self.as_str().strip_prefix('"')?.strip_suffix('"')?;
        Some(match string::unescape(inside) {
            std::borrow::Cow::Borrowed(plain) => self.0.slice_ref(plain),
            std::borrow::Cow::Owned(plain) => plain.into(),
        })
    }

    /// Whether this is an object.
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }

    /// Whether this is an array.
    pub fn is_array(&self) -> bool {
        self.as_str().starts_with('[')
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }

    /// Reads the text as a `T`, which may borrow from it.
    ///
    /// # Errors
    /// When the text is not the JSON of a `T`.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<serde_json::Value> for Raw {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string().into())
    }
}

impl Serialize for Raw {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Borrowing as `RawValue` is what makes serde_json copy the text instead of quoting it.
        let borrowed: &serde_json::value::RawValue =
            serde_json::from_str(self.as_str()).map_err(serde::ser::Error::custom)?;
        borrowed.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let boxed = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
        Ok(Self(String::from(Box::<str>::from(boxed)).into()))
    }
}

/// Builds an object from another one by leaving members out and adding some; the rest is copied as it stands.
#[derive(Debug)]
pub struct Splice {
    out: Vec<u8>,
    empty: bool,
}

impl Splice {
    /// Copies every member of `object` with an (unescaped) key that `keep` accepts.
    pub fn retain(object: &Raw, mut keep: impl FnMut(&str) -> bool) -> Self {
        let mut splice = Self { out: Vec::with_capacity(object.as_str().len() + 128), empty: true };
        splice.out.push(b'{');
        for member in object.members() {
            if keep(&member.key()) {
                splice.comma();
                splice.out.extend_from_slice(&object.as_str().as_bytes()[member.range]);
            }
        }
        splice
    }

    /// Starts from an empty object.
    pub fn new() -> Self {
        Self { out: vec![b'{'], empty: true }
    }

    /// Adds a member. The caller has left out any other member called `key`.
    #[must_use]
    pub fn with(mut self, key: &str, value: &Raw) -> Self {
        self.comma();
        string::write(&mut self.out, key);
        self.out.push(b':');
        self.out.extend_from_slice(value.as_str().as_bytes());
        self
    }

    /// The object.
    pub fn finish(mut self) -> Raw {
        self.out.push(b'}');
        Raw::trusted(self.out)
    }

    fn comma(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
    }
}

impl Default for Splice {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant: Splicing one member leaves all others byte for byte.
    #[test]
    fn splice_keeps_the_other_members_byte_for_byte() {
        let object =
            Raw::parse(r#"{ "a" : 1.50, "b":[ 2 ],"c":"\u0041"}"#.into(), &Limits::default()).unwrap();
        let spliced = Splice::retain(&object, |key| key != "b").with("d", &Raw::string("x\"y")).finish();
        assert_eq!(spliced.as_str(), r#"{"a" : 1.50,"c":"\u0041","d":"x\"y"}"#);
        assert_eq!(Splice::retain(&object, |_| false).finish().as_str(), "{}");
    }

    #[test]
    fn raw_passes_through_serde_untouched() {
        #[derive(Serialize, Deserialize)]
        struct Holder {
            inside: Raw,
        }
        let text = r#"{"inside":{"n":1.2345678901234567890e2}}"#;
        let holder: Holder = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&holder).unwrap(), text);
    }
}
