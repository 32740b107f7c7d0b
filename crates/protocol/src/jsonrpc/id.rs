use std::{
    fmt,
    hash::{Hash, Hasher},
};

use crate::json::{Raw, string};

/// A request id as its sender wrote it: a string or an integer.
///
/// It goes back byte for byte. Two ids are equal when both are strings of the same text, escapes undone, or
/// both are integers of the same digits.
#[derive(Clone)]
pub struct Id(Raw);

impl Id {
    /// Takes a value as an id. `None` unless it is a string or an integer without fraction or exponent.
    pub fn of(raw: Raw) -> Option<Self> {
        let text = raw.as_str();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (integer || text.starts_with('"')).then_some(Self(raw))
    }

    /// The id's JSON text.
    pub fn as_raw(&self) -> &Raw {
        &self.0
    }

    fn key(&self) -> (bool, std::borrow::Cow<'_, str>) {
        match self.0.as_str().strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(inside) => (true, string::unescape(inside)),
            None => (false, self.0.as_str().into()),
        }
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self(Raw::trusted(number.to_string().into_bytes()))
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self(Raw::string(text))
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || self.key() == other.key()
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(Raw::deserialize(deserializer)?)
            .ok_or_else(|| serde::de::Error::custom("expected a string or an integer"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Limits;

    fn id(text: &'static str) -> Option<Id> {
        Id::of(Raw::parse(text.into(), &Limits::default()).unwrap())
    }

    #[test]
    fn strings_and_integers_are_ids() {
        for text in ["1", "-7", "0", "123456789012345678901234567890", "\"\"", "\"a\""] {
            assert_eq!(id(text).unwrap().to_string(), text);
        }
        for text in ["1.0", "1e3", "null", "true", "{}", "[]", "-0.5"] {
            assert!(id(text).is_none(), "{text}");
        }
    }

    #[test]
    fn ids_are_compared_by_type_and_unescaped_text() {
        assert_eq!(id(r#""a""#), id(r#""\u0061""#));
        assert_ne!(id("1"), id(r#""1""#));
        assert_ne!(id("1"), id("2"));
    }
}
