use std::{any::type_name, borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::probe::Probe;

/// The plain parameters of a function, as far as they are read.
///
/// A macro implements it for a struct with an `Option` for each of them.
pub trait Parameters: Sized {
    /// A tuple of them all.
    type Values;

    /// Their names on the wire, in their order.
    const NAMES: &'static [&'static str];

    fn empty() -> Self;

    /// Reads the parameter at `index` of [`Parameters::NAMES`].
    fn read<'de, M: MapAccess<'de>>(&mut self, index: usize, map: &mut M) -> Result<(), M::Error>;

    /// Fills in defaults.
    fn finish<E: de::Error>(self) -> Result<Self::Values, E>;

    /// What the schema says of them; only that of a tool is told.
    fn describe(_: &mut Properties<'_>) {}
}

/// The arguments of a call; what a derived struct would be, but for one type of fault: a parameter's type that cannot
/// be read is told once.
#[derive(Debug)]
pub struct Arguments<P: Parameters>(pub P::Values);

impl<'de, P: Parameters> Deserialize<'de> for Arguments<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("arguments", P::NAMES, Reading::<P>(PhantomData))
    }
}

struct Reading<P>(PhantomData<P>);

impl<'de, P: Parameters> Visitor<'de> for Reading<P> {
    type Value = Arguments<P>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of arguments")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut read = P::empty();
        while let Some(index) = map.next_key_seed(Name(P::NAMES))? {
            match index {
                Some(index) => read.read(index, &mut map)?,
                // The schema has refused those already, unless it was given by hand.
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        read.finish().map(Arguments)
    }
}

/// Reads a name as its place among the known ones.
struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an argument")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

/// Keeps the value of the parameter `name`.
pub fn keep<T, E: de::Error>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    match slot.replace(value) {
        Some(_) => Err(E::duplicate_field(name)),
        None => Ok(()),
    }
}

/// The value of the parameter `name`, which must be there.
pub fn required<T, E: de::Error>(slot: Option<T>, name: &'static str) -> Result<T, E> {
    slot.ok_or_else(|| E::missing_field(name))
}

impl<P: Parameters> JsonSchema for Arguments<P> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("arguments")
    }

    fn schema_id() -> Cow<'static, str> {
        Cow::Borrowed(type_name::<P>())
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Properties { generator, properties: Map::new(), required: Vec::new() };
        P::describe(&mut properties);
        let mut schema = schemars::json_schema!({"type": "object"});
        if !properties.properties.is_empty() {
            schema.insert("properties".into(), properties.properties.into());
        }
        if !properties.required.is_empty() {
            schema.insert("required".into(), properties.required.into());
        }
        schema
    }
}

/// The properties of a schema that is being made.
#[derive(Debug)]
pub struct Properties<'g> {
    generator: &'g mut SchemaGenerator,
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl Properties<'_> {
    /// Adds the property `name`, whose schema is that of a type with `keywords` over it.
    pub fn add<S: SchemaOf>(&mut self, name: &str, _: S, required: bool, keywords: Value) {
        let mut schema = S::schema(self.generator);
        if let Value::Object(keywords) = keywords {
            for (keyword, value) in keywords {
                let keyword = sized(&schema, keyword);
                schema.insert(keyword, value);
            }
        }
        self.properties.insert(name.to_owned(), schema.into());
        if required {
            self.required.push(name.into());
        }
    }
}

/// A length counts what there is to count.
fn sized(schema: &Schema, keyword: String) -> String {
    let has_type = |name: &str| match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(some)) => some.iter().any(|one| one == name),
        _ => false,
    };
    let things = match (has_type("array"), has_type("object")) {
        (true, _) => "Items",
        (_, true) => "Properties",
        _ => return keyword,
    };
    match keyword.as_str() {
        "minLength" => format!("min{things}"),
        "maxLength" => format!("max{things}"),
        _ => keyword,
    }
}

/// How to describe a type.
pub trait SchemaOf {
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

/// Says that a parameter cannot be described. No type has it.
#[diagnostic::on_unimplemented(
    message = "the parameter type `{Self}` has no JSON Schema",
    label = "`{Self}` does not implement `JsonSchema`",
    note = "clients are told what a tool takes: derive `schemars::JsonSchema` for `{Self}`",
    note = "for a type of another crate, look whether schemars has a feature for it, or wrap it in a type of yours"
)]
pub trait Described {}

/// Says that a parameter cannot be read. No type has it.
#[diagnostic::on_unimplemented(
    message = "the parameter type `{Self}` cannot be read from what a client sends",
    label = "`{Self}` does not implement `Deserialize`",
    note = "derive `serde::Deserialize` for `{Self}`; for a type of another crate, look for its feature `serde`",
    note = "what the server's functions share is taken as `State<{Self}>`, and given to the builder with `.state(..)`"
)]
pub trait Readable {}

/// Keeps `Described` and `Readable` from being reported as traits that nothing implements.
#[derive(Debug)]
pub enum Nothing {}

#[diagnostic::do_not_recommend]
impl Described for Nothing {}
#[diagnostic::do_not_recommend]
impl Readable for Nothing {}

/// A type that has a schema.
#[derive(Debug)]
pub struct HasSchema<T>(PhantomData<fn() -> T>);

/// A type that can be read, but has no schema.
#[derive(Debug)]
pub struct LacksSchema<T>(PhantomData<fn() -> T>);

/// A type that cannot even be read. That is told where it is read, so nothing is said of its schema.
#[derive(Debug)]
pub struct NoSchema;

pub trait ProbeSchema<T> {
    fn schema(&self) -> HasSchema<T> {
        HasSchema(PhantomData)
    }
}

pub trait ProbeNoSchema<T> {
    fn schema(&self) -> LacksSchema<T> {
        LacksSchema(PhantomData)
    }
}

pub trait ProbeNothing {
    fn schema(&self) -> NoSchema {
        NoSchema
    }
}

impl<T: JsonSchema> ProbeSchema<T> for &&Probe<T> {}
impl<T: DeserializeOwned> ProbeNoSchema<T> for &Probe<T> {}
impl<T> ProbeNothing for Probe<T> {}

impl<T> HasSchema<T> {
    pub fn checked(self) -> Self {
        self
    }
}

impl<T> LacksSchema<T> {
    pub fn checked(self) -> NoSchema
    where
        T: Described,
    {
        NoSchema
    }
}

impl NoSchema {
    pub fn checked(self) -> Self {
        self
    }
}

impl<T: JsonSchema> SchemaOf for HasSchema<T> {
    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

impl SchemaOf for NoSchema {
    fn schema(_: &mut SchemaGenerator) -> Schema {
        Schema::default()
    }
}

/// A type that can be read.
#[derive(Debug)]
pub struct CanRead<T>(PhantomData<fn() -> T>);

/// A type that cannot be read.
#[derive(Debug)]
pub struct CannotRead<T>(PhantomData<fn() -> T>);

pub trait ProbeRead<T> {
    fn reader(&self) -> CanRead<T> {
        CanRead(PhantomData)
    }
}

pub trait ProbeNoRead<T> {
    fn reader(&self) -> CannotRead<T> {
        CannotRead(PhantomData)
    }
}

impl<T: DeserializeOwned> ProbeRead<T> for &Probe<T> {}
impl<T> ProbeNoRead<T> for Probe<T> {}

impl<T: DeserializeOwned> CanRead<T> {
    pub fn read<'de, M: MapAccess<'de>>(self, map: &mut M) -> Result<T, M::Error> {
        map.next_value()
    }
}

impl<T> CannotRead<T> {
    pub fn read<'de, M: MapAccess<'de>>(self, _: &mut M) -> Result<T, M::Error>
    where
        T: Readable,
    {
        Err(de::Error::custom("it cannot be read"))
    }
}

/// A type whose values a schema can show as defaults.
#[diagnostic::on_unimplemented(
    message = "a default of the type `{Self}` cannot be shown to clients",
    label = "`{Self}` does not implement `Serialize`",
    note = "clients read the default in the tool's schema: derive `serde::Serialize` for `{Self}`",
    note = "or take an `Option<{Self}>`, and choose the default in the function"
)]
pub trait ShownDefault: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> ShownDefault for T {}

/// A default as the schema shows it.
pub fn default_of<T: ShownDefault>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
