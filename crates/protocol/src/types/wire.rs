//! How the types meet the wire: words, tags, and unions that look before they read.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, Visitor},
};
use serde_json::value::RawValue;

use crate::json::{Members, string};

/// Reads an optional member for which `null` is a value, not absence.
pub(super) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// One object as text, looked into before it is read as one type or another.
///
/// Deriving an untagged enum would build a generic tree and try one type after the other, and would say of a
/// fault only that nothing matched.
pub(super) struct Peek {
    text: Box<RawValue>,
    what: &'static str,
}

impl Peek {
    /// Takes the text of an object; errors will call it `what`.
    pub(super) fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
        what: &'static str,
    ) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        if text.get().starts_with('{') {
            Ok(Self { text, what })
        } else {
            Err(D::Error::custom(format_args!("{what} must be an object")))
        }
    }

    /// The text of the string member `name`.
    pub(super) fn word<E: Error>(&self, name: &str) -> Result<Option<Cow<'_, str>>, E> {
        let Some(value) = Members::find(self.text.get(), name) else { return Ok(None) };
        match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inside) => Ok(Some(string::unescape(inside))),
            None => Err(E::custom(format_args!("{}: the member {name:?} must be a string", self.what))),
        }
    }

    /// The text of the string member `name`, which must be there.
    pub(super) fn tag<E: Error>(&self, name: &str) -> Result<Cow<'_, str>, E> {
        self.word(name)?
            .ok_or_else(|| E::custom(format_args!("{}: the member {name:?} is missing", self.what)))
    }

    /// Whether there is a member called `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        Members::find(self.text.get(), name).is_some()
    }

    /// Whether the object `outer` in this one has a member called `name`.
    pub(super) fn has_in(&self, outer: &str, name: &str) -> bool {
        Members::find(self.text.get(), outer).is_some_and(|text| Members::find(text, name).is_some())
    }

    /// Reads the object as a `T`.
    pub(super) fn decode<T: DeserializeOwned, E: Error>(&self) -> Result<T, E> {
        serde_json::from_str(self.text.get())
            .map_err(|error| E::custom(format_args!("{}: {error}", self.what)))
    }
}

/// Reads a string and hands it to `read` without keeping it.
pub(super) fn with_str<'de, D, T>(
    deserializer: D,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    struct Str<F>(F);

    impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Str<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Str(read))
}

/// Writes types that each are one fixed word on the wire.
macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name;

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($word)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::types::wire::with_str(deserializer, |word| match word {
                    $word => Ok(Self),
                    _ => Err(format!("expected {:?}, found {word:?}", $word)),
                })
            }
        }
    )* };
}

/// Writes an enum of words to which later revisions may add: an unknown word is stored.
macro_rules! words {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_doc])* $variant,)*
            /// A word that this revision does not name.
            Other(String),
        }

        impl $name {
            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    _ => Self::Other(word.to_owned()),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::types::wire::with_str(deserializer, |word| Ok(word.into()))
            }
        }
    };
}

/// Writes an enum with values that name their kind in one member. A value of an unknown kind is stored with all
/// members.
macro_rules! union {
    (
        $(#[$doc:meta])*
        pub enum $name:ident by $tag:literal of $what:literal {
            $($(#[$kind_doc:meta])* $variant:ident($kind:ty) = $word:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $($(#[$kind_doc])* $variant($kind),)*
            /// An unknown kind, with all its members.
            Unknown(serde_json::Value),
        }

        $(
            impl From<$kind> for $name {
                fn from(value: $kind) -> Self {
                    Self::$variant(value)
                }
            }
        )*

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant(value) => value.serialize(serializer),)*
                    Self::Unknown(value) => value.serialize(serializer),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let peek = $crate::types::wire::Peek::read(deserializer, $what)?;
                match &*peek.tag($tag)? {
                    $($word => peek.decode().map(Self::$variant),)*
                    _ => peek.decode().map(Self::Unknown),
                }
            }
        }
    };
}

pub(super) use {tags, union, words};
