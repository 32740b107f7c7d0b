//! Fields of a form: the small part of JSON Schema that elicitation allows.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::{
    JsonObject, tag,
    wire::{Peek, words},
};

/// A field of a form.
#[derive(Clone, Debug, PartialEq)]
pub enum PrimitiveSchemaDefinition {
    /// Text.
    String(StringSchema),
    /// A number.
    Number(NumberSchema),
    /// Yes or no.
    Boolean(BooleanSchema),
    /// One of several values.
    UntitledSingleSelect(UntitledSingleSelectEnumSchema),
    /// One of several values that have names.
    TitledSingleSelect(TitledSingleSelectEnumSchema),
    /// Some of several values.
    UntitledMultiSelect(UntitledMultiSelectEnumSchema),
    /// Some of several values that have names.
    TitledMultiSelect(TitledMultiSelectEnumSchema),
    /// One of several values, named in the way of 2025-06-18.
    LegacyTitled(LegacyTitledEnumSchema),
    /// A schema that this revision does not allow, with all its members.
    Unknown(Value),
}

impl Serialize for PrimitiveSchemaDefinition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::String(schema) => schema.serialize(serializer),
            Self::Number(schema) => schema.serialize(serializer),
            Self::Boolean(schema) => schema.serialize(serializer),
            Self::UntitledSingleSelect(schema) => schema.serialize(serializer),
            Self::TitledSingleSelect(schema) => schema.serialize(serializer),
            Self::UntitledMultiSelect(schema) => schema.serialize(serializer),
            Self::TitledMultiSelect(schema) => schema.serialize(serializer),
            Self::LegacyTitled(schema) => schema.serialize(serializer),
            Self::Unknown(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PrimitiveSchemaDefinition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let peek = Peek::read(deserializer, "a field's schema")?;
        match peek.word("type")?.as_deref() {
            Some("string") if peek.has("oneOf") => peek.decode().map(Self::TitledSingleSelect),
            Some("string") if peek.has("enumNames") => peek.decode().map(Self::LegacyTitled),
            Some("string") if peek.has("enum") => peek.decode().map(Self::UntitledSingleSelect),
            Some("string") => peek.decode().map(Self::String),
            Some("number" | "integer") => peek.decode().map(Self::Number),
            Some("boolean") => peek.decode().map(Self::Boolean),
            Some("array") if peek.has_in("items", "anyOf") => peek.decode().map(Self::TitledMultiSelect),
            Some("array") if peek.has_in("items", "enum") => peek.decode().map(Self::UntitledMultiSelect),
            _ => peek.decode().map(Self::Unknown),
        }
    }
}

/// Lets each kind of field stand where any is wanted.
macro_rules! fields {
    ($($variant:ident($schema:ident),)*) => { $(
        impl From<$schema> for PrimitiveSchemaDefinition {
            fn from(schema: $schema) -> Self {
                Self::$variant(schema)
            }
        }
    )* };
}

fields! {
    String(StringSchema),
    Number(NumberSchema),
    Boolean(BooleanSchema),
    UntitledSingleSelect(UntitledSingleSelectEnumSchema),
    TitledSingleSelect(TitledSingleSelectEnumSchema),
    UntitledMultiSelect(UntitledMultiSelectEnumSchema),
    TitledMultiSelect(TitledMultiSelectEnumSchema),
    LegacyTitled(LegacyTitledEnumSchema),
}

/// Text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StringSchema {
    /// Always `string`.
    #[serde(rename = "type")]
    pub tag: tag::String,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The fewest characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// The most characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// The format of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<StringFormat>,
    /// The default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

words! {
    /// The format of a text.
    pub enum StringFormat {
        /// An address for mail.
        Email = "email",
        /// A URI.
        Uri = "uri",
        /// A day.
        Date = "date",
        /// A day and a time.
        DateTime = "date-time",
    }
}

/// A number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NumberSchema {
    /// `number` or `integer`.
    #[serde(rename = "type")]
    pub tag: NumberType,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Number>,
    /// The greatest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Number>,
    /// The default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Number>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl NumberSchema {
    /// A number without fraction.
    pub fn integer() -> Self {
        Self { tag: NumberType::Integer, ..Self::default() }
    }
}

/// Which numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberType {
    /// All.
    #[default]
    Number,
    /// Those without fraction.
    Integer,
}

/// Yes or no.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BooleanSchema {
    /// Always `boolean`.
    #[serde(rename = "type")]
    pub tag: tag::Boolean,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// One of several values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UntitledSingleSelectEnumSchema {
    /// Always `string`.
    #[serde(rename = "type")]
    pub tag: tag::String,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The values.
    #[serde(rename = "enum")]
    pub values: Vec<String>,
    /// The default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// One of several values that have names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TitledSingleSelectEnumSchema {
    /// Always `string`.
    #[serde(rename = "type")]
    pub tag: tag::String,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The values.
    pub one_of: Vec<Choice>,
    /// The default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// A value with a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The value.
    #[serde(rename = "const")]
    pub value: String,
    /// Its name for people.
    pub title: String,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl Choice {
    /// The value `value`, called `title`.
    pub fn new(value: impl Into<String>, title: impl Into<String>) -> Self {
        Self { value: value.into(), title: title.into(), ..Self::default() }
    }
}

/// Some of several values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UntitledMultiSelectEnumSchema {
    /// Always `array`.
    #[serde(rename = "type")]
    pub tag: tag::Array,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The fewest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_items: Option<u64>,
    /// The most of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<u64>,
    /// The values.
    pub items: UntitledItems,
    /// The default choices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Vec<String>>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// The values of an [`UntitledMultiSelectEnumSchema`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UntitledItems {
    /// Always `string`.
    #[serde(rename = "type")]
    pub tag: tag::String,
    /// The values.
    #[serde(rename = "enum")]
    pub values: Vec<String>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// Some of several values that have names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TitledMultiSelectEnumSchema {
    /// Always `array`.
    #[serde(rename = "type")]
    pub tag: tag::Array,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The fewest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_items: Option<u64>,
    /// The most of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<u64>,
    /// The values.
    pub items: TitledItems,
    /// The default choices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Vec<String>>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// The values of a [`TitledMultiSelectEnumSchema`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TitledItems {
    /// The values.
    pub any_of: Vec<Choice>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// One of several values, their names in a list of their own. Write a [`TitledSingleSelectEnumSchema`] instead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LegacyTitledEnumSchema {
    /// Always `string`.
    #[serde(rename = "type")]
    pub tag: tag::String,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The values.
    #[serde(rename = "enum")]
    pub values: Vec<String>,
    /// Their names, in the same order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enum_names: Option<Vec<String>>,
    /// The default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_told_apart_by_their_keywords() {
        use PrimitiveSchemaDefinition::*;
        let read =
            |value: &Value| serde_json::from_value::<PrimitiveSchemaDefinition>(value.clone()).unwrap();
        let check = |value: Value, is: fn(&PrimitiveSchemaDefinition) -> bool| {
            let schema = read(&value);
            assert!(is(&schema), "{value} was read as {schema:?}");
            assert_eq!(serde_json::to_value(schema).unwrap(), value);
        };
        check(json!({ "type": "string", "format": "ipv6" }), |schema| matches!(schema, String(_)));
        check(json!({ "type": "integer", "minimum": 1 }), |schema| matches!(schema, Number(_)));
        check(json!({ "type": "number", "minimum": 1.0 }), |schema| matches!(schema, Number(_)));
        check(json!({ "type": "boolean" }), |schema| matches!(schema, Boolean(_)));
        check(json!({ "type": "string", "enum": ["a"] }), |schema| matches!(schema, UntitledSingleSelect(_)));
        check(json!({ "type": "string", "enum": ["a"], "enumNames": ["A"] }), |schema| {
            matches!(schema, LegacyTitled(_))
        });
        check(json!({ "type": "string", "oneOf": [{ "const": "a", "title": "A" }] }), |schema| {
            matches!(schema, TitledSingleSelect(_))
        });
        check(json!({ "type": "array", "items": { "type": "string", "enum": ["a"] } }), |schema| {
            matches!(schema, UntitledMultiSelect(_))
        });
        check(json!({ "type": "array", "items": { "anyOf": [{ "const": "a", "title": "A" }] } }), |schema| {
            matches!(schema, TitledMultiSelect(_))
        });
        check(json!({ "type": "array", "items": { "type": "number" } }), |schema| {
            matches!(schema, Unknown(_))
        });
        check(json!({ "type": "object", "properties": {} }), |schema| matches!(schema, Unknown(_)));
        check(json!({ "$ref": "#/x" }), |schema| matches!(schema, Unknown(_)));
    }
}
