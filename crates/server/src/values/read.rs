//! Reads types from texts by name.

use std::{fmt, vec};

use serde::{
    Deserializer,
    de::{
        self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{StrDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::Value;

/// The source of the texts, which decides the meaning of some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The variables of a URI: an empty text is a text.
    Uri,
    /// The arguments of a prompt. Clients send what a person left empty as an empty text, so an `Option` takes it
    /// for absent; and what text alone cannot say (lists, structs) is read as JSON.
    Prompt,
}

/// Why a type could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// The value that is at fault, once it is known.
    pub(crate) name: Option<String>,
    pub(crate) fault: Fault,
}

/// The fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no value of this name, and the type needs one.
    Missing(String),
    /// The value is another than the type takes.
    Unfit { expected: String, got: String },
    /// The type's own error.
    Other(String),
}

/// How much of a value is shown.
const MAX_SHOWN: usize = 64;

/// `text` in quotes, cut where it becomes long.
pub(crate) fn shown(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_SHOWN);
    if end == text.len() { format!("{text:?}") } else { format!("{:?}…", &text[..end]) }
}

impl Unreadable {
    pub(super) fn unfit(expected: impl fmt::Display, got: &str) -> Self {
        let fault = Fault::Unfit { expected: expected.to_string(), got: shown(got) };
        Self { name: None, fault }
    }

    fn of(mut self, name: &str) -> Self {
        self.name.get_or_insert_with(|| name.to_owned());
        self
    }

    /// The fault of the value, as text: `expected …, got …`.
    pub(crate) fn words(&self) -> String {
        match &self.fault {
            Fault::Missing(_) => "it is missing".to_owned(),
            Fault::Unfit { expected, got } => format!("expected {expected}, got {got}"),
            Fault::Other(words) => format!("{words:.240}"),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.fault) {
            (_, Fault::Missing(name)) => write!(f, "{name:?} is missing"),
            (Some(name), _) => write!(f, "{name:?}: {}", self.words()),
            (None, _) => f.write_str(&self.words()),
        }
    }
}

impl std::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self { name: None, fault: Fault::Other(words.to_string()) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { name: None, fault: Fault::Missing(field.to_owned()) }
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_value(unexpected, expected)
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        match unexpected {
            de::Unexpected::Str(text) => Self::unfit(expected, text),
            other => {
                let fault = Fault::Unfit { expected: expected.to_string(), got: other.to_string() };
                Self { name: None, fault }
            }
        }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        match expected {
            [] => Self::unfit("nothing", variant),
            [only] => Self::unfit(only, variant),
            several => Self::unfit(format_args!("one of {}", several.join(", ")), variant),
        }
    }
}

/// Gives the values by name.
pub(super) struct Reader {
    left: vec::IntoIter<(String, String)>,
    /// The value of the last given name, with those of the same name.
    value: Option<(String, String, Vec<String>)>,
    source: Source,
}

impl Reader {
    pub(super) fn new(values: Vec<(String, String)>, source: Source) -> Self {
        Self { left: values.into_iter(), value: None, source }
    }
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_map(self)
    }

    /// A handler that takes `()` reads no values.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple tuple_struct
        map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Reader {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unreadable> {
        let Some((name, text)) = self.left.next() else { return Ok(None) };
        // Values of one name stand side by side.
        let mut more = Vec::new();
        while let Some((_, text)) = self.left.as_slice().first().filter(|(next, _)| *next == name) {
            more.push(text.clone());
            self.left.next();
        }
        let key = seed.deserialize(StrDeserializer::new(&name))?;
        self.value = Some((name, text, more));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unreadable> {
        let Some((name, text, more)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its name"));
        };
        seed.deserialize(Text { text, more, source: self.source }).map_err(|error| error.of(&name))
    }
}

/// One value.
struct Text {
    text: String,
    /// Further values of the same name.
    more: Vec<String>,
    source: Source,
}

impl Text {
    /// Reads it as JSON, where text alone cannot say it.
    fn json<T>(
        &self,
        expected: &str,
        read: impl FnOnce(Value) -> serde_json::Result<T>,
    ) -> Result<T, Unreadable> {
        let value = serde_json::from_str(&self.text).and_then(read);
        value
            .map_err(|error| Unreadable::unfit(format_args!("{expected} as JSON ({error:.120})"), &self.text))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty;)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            match self.text.parse::<$type>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(Unreadable::unfit(
                    format_args!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX),
                    &self.text,
                )),
            }
        }
    )* };
}

impl<'de> Deserializer<'de> for Text {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.more.is_empty() { visitor.visit_string(self.text) } else { self.deserialize_seq(visitor) }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match &*self.text {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(Unreadable::unfit("true or false", other)),
        }
    }

    numbers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        // JSON has no infinity and no NaN either.
        match self.text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(number) => visitor.visit_f64(number),
            None => Err(Unreadable::unfit("a number", &self.text)),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let mut characters = self.text.chars();
        match (characters.next(), characters.next()) {
            (Some(only), None) => visitor.visit_char(only),
            _ => Err(Unreadable::unfit("one character", &self.text)),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_byte_buf(self.text.into_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.source {
            Source::Prompt if self.text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.source == Source::Prompt {
            return self.json("a list", |json| json.deserialize_seq(visitor));
        }
        let texts = std::iter::once(self.text).chain(self.more);
        visitor.visit_seq(Texts { left: texts.collect::<Vec<_>>().into_iter(), source: self.source })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.source {
            Source::Prompt => self.json("an object", |json| json.deserialize_map(visitor)),
            Source::Uri => visitor.visit_string(self.text),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.source {
            Source::Prompt => self.json("an object", |json| json.deserialize_struct(name, fields, visitor)),
            Source::Uri => visitor.visit_string(self.text),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        let variant: StringDeserializer<Unreadable> = self.text.into_deserializer();
        visitor.visit_enum(variant)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { str string identifier }
}

/// The values of one name.
struct Texts {
    left: vec::IntoIter<String>,
    source: Source,
}

impl<'de> SeqAccess<'de> for Texts {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unreadable> {
        let text = self.left.next();
        text.map(|text| seed.deserialize(Text { text, more: Vec::new(), source: self.source })).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}
