use std::{borrow::Cow, fmt};

use anyport_protocol::{Method, Raw};
use serde::{Deserialize, Serialize};

/// The key of a server request within its call, which must be the same in every round: text, or `None` for a key that is
/// derived from the request itself.
///
/// A derived key differs wherever the request differs, so that questions in a loop need no keys. The same request a second
/// time is a second question, with a key of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionKey<'a>(Option<Cow<'a, str>>);

impl QuestionKey<'_> {
    /// The text that was given, if any.
    pub(crate) fn given(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'a, S: AsRef<str> + ?Sized> From<&'a S> for QuestionKey<'a> {
    fn from(key: &'a S) -> Self {
        Self(Some(Cow::Borrowed(key.as_ref())))
    }
}

impl From<String> for QuestionKey<'_> {
    fn from(key: String) -> Self {
        Self(Some(Cow::Owned(key)))
    }
}

impl<'a> From<Option<&'a str>> for QuestionKey<'a> {
    fn from(key: Option<&'a str>) -> Self {
        Self(key.map(Cow::Borrowed))
    }
}

impl fmt::Display for QuestionKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.given() {
            Some(key) => write!(f, "{key:?}"),
            None => f.write_str("without a key"),
        }
    }
}

/// The digest of a server request, by which an answer is known to belong to it: 128 bits in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuestionDigest(String);

impl QuestionDigest {
    /// The digest of the request `method` with `params`, however its JSON is spelled.
    pub(crate) fn of(method: Method, params: &Raw) -> Self {
        let all = anyport_seal::digest(&format!("[\"{}\",{params}]", method.as_str()));
        Self(anyport_seal::hex(&all[..16]))
    }

    /// The key of a request that was given none. No tool has a space in its name, so it is not the prefix of a nested
    /// call's keys.
    pub(crate) fn key(&self) -> String {
        format!("question {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_text_of_any_type_or_none() {
        let owned = "a".to_owned();
        let all: [QuestionKey<'_>; 5] =
            ["a".into(), (&"a").into(), (&owned).into(), owned.clone().into(), Some("a").into()];
        assert!(all.iter().all(|key| key.given() == Some("a")), "{all:?}");
        assert_eq!(QuestionKey::from(None).given(), None);
    }

    #[test]
    fn a_digest_is_of_the_method_and_of_all_params() {
        let of = |method, params: &str| QuestionDigest::of(method, &Raw::trusted(params.as_bytes().to_vec()));
        let one = of(Method::Elicit, r#"{"message":"a","n":1}"#);
        assert_eq!(one, of(Method::Elicit, r#"{ "n": 1, "message": "a" }"#));
        assert_ne!(one, of(Method::Elicit, r#"{"message":"b","n":1}"#));
        assert_ne!(one, of(Method::CreateMessage, r#"{"message":"a","n":1}"#));
        assert_eq!(one.key().len(), "question ".len() + 32);
    }
}
