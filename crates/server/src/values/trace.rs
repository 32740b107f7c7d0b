//! Traces the fields of a type without a value: serde names the fields of a struct, and how each is read.

use std::{cell::Cell, fmt};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor,
        value::{StrDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};

/// Finds what a type makes of the values with these names.
pub(crate) type Check = fn(&[&str]) -> Traced;

/// The fields of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traced {
    /// Its name, for messages.
    pub(crate) type_name: &'static str,
    /// Whether values by name can be read as it at all.
    pub(crate) is_map: bool,
    /// The fields with other names.
    pub(crate) unknown: Vec<&'static str>,
    /// The type of each name.
    pub(crate) wanted: Vec<Wanted>,
}

/// How a type reads one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One text, number, or whatever else reads itself from text.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A list.
    List,
    /// An object.
    Object,
    /// Nothing: the value is passed over.
    Nothing,
    /// Nothing, and it must not be there.
    Refused,
    /// It takes what comes.
    Unknown,
}

const FLAG: &[&str] = &["true", "false"];

/// A [`Check`] of `A`.
pub(crate) fn check<A: DeserializeOwned>(names: &[&str]) -> Traced {
    let (fields, is_map) = (Cell::new(&[] as &[&str]), Cell::new(true));
    let trace = |feed: &[(&str, bool)]| {
        let wanted = Cell::new(Wanted::Unknown);
        let end = A::deserialize(Root { fields: &fields, is_map: &is_map, wanted: &wanted, feed }).err();
        (wanted.get(), end)
    };
    trace(&[]);
    let wanted = names.iter().map(|name| match trace(&[(name, false)]) {
        (_, Some(Stop::Unknown)) => Wanted::Refused,
        (wanted, _) => wanted,
    });
    let wanted = wanted.collect();
    let declared = fields.get();
    // serde counts a field's aliases among the fields. One is known by this: beside the field itself it is a
    // duplicate.
    let taken = || names.iter().filter(|name| declared.contains(name));
    let is_alias =
        |field: &str| taken().any(|name| trace(&[(name, true), (field, true)]).1 == Some(Stop::Duplicate));
    let unknown = declared.iter().copied().filter(|field| !names.contains(field) && !is_alias(field));
    let unknown = unknown.collect();
    Traced { type_name: short(std::any::type_name::<A>()), is_map: is_map.get(), unknown, wanted }
}

/// The name of a type without its path.
fn short(name: &'static str) -> &'static str {
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path)
}

/// Why tracing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The trace is complete.
    Known,
    /// A field that the type does not have.
    Unknown,
    /// Two names for one field.
    Duplicate,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("traced")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Known
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::Unknown
    }

    fn duplicate_field(_: &'static str) -> Self {
        Self::Duplicate
    }
}

/// The expected values by name: whether each must be there, or only be requested.
struct Root<'a> {
    fields: &'a Cell<&'static [&'static str]>,
    is_map: &'a Cell<bool>,
    wanted: &'a Cell<Wanted>,
    feed: &'a [(&'a str, bool)],
}

impl Root<'_> {
    fn no_map<T>(self) -> Result<T, Stop> {
        self.is_map.set(false);
        Err(Stop::Known)
    }
}

macro_rules! no_map {
    ($($method:ident($($argument:ty),*))*) => { $(
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* _: V) -> Result<V::Value, Stop> {
            self.no_map()
        }
    )* };
}

impl<'de> Deserializer<'de> for Root<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.fields.set(fields);
        visitor.visit_map(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.wanted.set(Wanted::Nothing);
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_unit(visitor)
    }

    no_map! {
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64()
        deserialize_u128() deserialize_f32() deserialize_f64() deserialize_char() deserialize_str()
        deserialize_string() deserialize_bytes() deserialize_byte_buf() deserialize_seq()
        deserialize_tuple(usize) deserialize_tuple_struct(&'static str, usize)
        deserialize_enum(&'static str, &'static [&'static str])
    }

    forward_to_deserialize_any! { map identifier ignored_any }
}

impl<'de> MapAccess<'de> for Root<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        self.feed.first().map(|(name, _)| seed.deserialize(StrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        let Some(((_, is_there), rest)) = self.feed.split_first() else { return Err(Stop::Known) };
        self.feed = rest;
        seed.deserialize(Probe { wanted: self.wanted, is_there: *is_there })
    }
}

/// Notes what it is read as, then ends the reading, or gives something that is often good.
struct Probe<'a> {
    wanted: &'a Cell<Wanted>,
    is_there: bool,
}

impl Probe<'_> {
    fn note(&self, wanted: Wanted) -> Result<(), Stop> {
        self.wanted.set(wanted);
        if self.is_there { Ok(()) } else { Err(Stop::Known) }
    }
}

macro_rules! probes {
    ($($method:ident $visit:ident $value:expr;)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.note(Wanted::Text)?;
            visitor.$visit($value)
        }
    )* };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.note(Wanted::Unknown)?;
        visitor.visit_str("1")
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.note(Wanted::Choice(FLAG))?;
        visitor.visit_bool(true)
    }

    probes! {
        deserialize_i8 visit_i8 1;
        deserialize_i16 visit_i16 1;
        deserialize_i32 visit_i32 1;
        deserialize_i64 visit_i64 1;
        deserialize_i128 visit_i128 1;
        deserialize_u8 visit_u8 1;
        deserialize_u16 visit_u16 1;
        deserialize_u32 visit_u32 1;
        deserialize_u64 visit_u64 1;
        deserialize_u128 visit_u128 1;
        deserialize_f32 visit_f32 1.0;
        deserialize_f64 visit_f64 1.0;
        deserialize_char visit_char '1';
        deserialize_str visit_str "1";
        deserialize_string visit_str "1";
        deserialize_bytes visit_bytes b"1";
        deserialize_byte_buf visit_bytes b"1";
        deserialize_identifier visit_str "1";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.note(Wanted::Nothing)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.note(Wanted::List)?;
        visitor.visit_seq(Nothing)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.note(Wanted::Object)?;
        visitor.visit_map(Nothing)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.note(Wanted::Choice(variants))?;
        let first = variants.first().copied().unwrap_or_default();
        visitor.visit_enum(StringDeserializer::new(first.to_owned()))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.note(Wanted::Nothing)?;
        visitor.visit_unit()
    }
}

/// A list or an object without anything in it.
struct Nothing;

impl<'de> SeqAccess<'de> for Nothing {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, _: T) -> Result<Option<T::Value>, Stop> {
        Ok(None)
    }
}

impl<'de> MapAccess<'de> for Nothing {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, Stop> {
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::Known)
    }
}
