//! Texts by name, and types that are read from them: a template's variables, a prompt's arguments.

mod read;
mod trace;

use std::fmt;

use serde::{Deserialize, de};

pub(crate) use read::{Fault, Source, Unreadable};
pub(crate) use trace::{Check, Traced, Wanted, check};

/// Texts by name: a template's variables, a prompt's arguments.
///
/// Handlers may take any other type that implements [`serde::Deserialize`] in its place: a struct with a field for
/// each name, a map. Texts become numbers, booleans (`true`, `false`), characters, enums without data, and whatever
/// else reads itself from text; an `Option` may be absent; a `Vec` holds all values of a name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(Vec<(String, String)>);

impl Values {
    /// The value called `name`; the first one, if there are several.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values called `name`: a variable like `{path*}` has several.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Reads them as an `A`.
    ///
    /// # Errors
    /// The first value that is missing or does not fit.
    pub(crate) fn read<A: de::DeserializeOwned>(self, source: Source) -> Result<A, Unreadable> {
        A::deserialize(read::Reader::new(self.0, source))
    }
}

impl From<Vec<(String, String)>> for Values {
    fn from(values: Vec<(String, String)>) -> Self {
        Self(values)
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// From a map of texts and lists of texts.
impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> de::Visitor<'de> for Texts {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("texts by name")
            }

            fn visit_map<M: de::MapAccess<'de>>(self, mut map: M) -> Result<Values, M::Error> {
                let mut values = Vec::new();
                while let Some((name, texts)) = map.next_entry::<String, OneOrMore>()? {
                    match texts {
                        OneOrMore::One(text) => values.push((name, text)),
                        OneOrMore::More(texts) => {
                            values.extend(texts.into_iter().map(|text| (name.clone(), text)));
                        }
                    }
                }
                Ok(Values(values))
            }
        }

        deserializer.deserialize_map(Texts)
    }
}

enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> de::Visitor<'de> for Texts {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore::One(text.into()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<OneOrMore, E> {
                Ok(OneOrMore::One(text))
            }

            fn visit_seq<S: de::SeqAccess<'de>>(self, mut seq: S) -> Result<OneOrMore, S::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMore::More(texts))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

#[cfg(test)]
mod tests;
