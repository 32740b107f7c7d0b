//! What a schema expects, as short text.

use std::fmt::Write as _;

use anyport_protocol::suggest::similar;
use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
    paths::Location,
};
use serde_json::{Map, Value};

use super::found::MAX_TEXT;
use crate::error::cut;

/// The longest text of an expectation.
pub(super) const MAX_EXPECTED: usize = 240;
/// The depth to which schemas are described.
const MAX_DEPTH: usize = 3;
/// The largest number of field names that are listed.
const MAX_NAMES: usize = 12;

/// A schema whose parts are described.
#[derive(Clone, Copy)]
pub(super) struct SchemaSource<'a>(pub(super) &'a Value);

impl<'a> SchemaSource<'a> {
    /// The expectation that `error` violates; `schema` is the part of the schema that has its keyword.
    pub(super) fn expected(
        &self,
        kind: &Kind,
        error: &ValidationError<'_>,
        schema: Option<&Value>,
    ) -> String {
        let described = || schema.map(|schema| self.describe(schema, MAX_DEPTH));
        match kind {
            Kind::Type { kind: TypeKind::Single(name) } => described().unwrap_or_else(|| name.to_string()),
            Kind::Type { kind: TypeKind::Multiple(names) } => {
                described().unwrap_or_else(|| or(names.iter().map(|name| name.to_string())))
            }
            Kind::Enum { options } => one_of(options.as_array().into_iter().flatten()),
            Kind::Constant { expected_value } => expected_value.to_string(),
            Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
                described().unwrap_or_else(|| "one of several forms".into())
            }
            Kind::OneOfMultipleValid { .. } => "only one of several forms".into(),
            Kind::Minimum { limit } => format!("at least {limit}"),
            Kind::Maximum { limit } => format!("at most {limit}"),
            Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
            Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
            Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
            Kind::MinLength { limit } => format!("at least {limit} characters"),
            Kind::MaxLength { limit } => format!("at most {limit} characters"),
            Kind::MinItems { limit } => format!("at least {limit} items"),
            Kind::MaxItems { limit } => format!("at most {limit} items"),
            Kind::AdditionalItems { limit } => format!("at most {limit} items"),
            Kind::MinProperties { limit } => format!("at least {limit} fields"),
            Kind::MaxProperties { limit } => format!("at most {limit} fields"),
            Kind::UniqueItems => "items that all differ".into(),
            Kind::Pattern { pattern } => format!("a string that matches {pattern}"),
            Kind::Format { format } => format!("a string of the format {format}"),
            Kind::FalseSchema => "nothing".into(),
            Kind::Not { schema } => format!("anything but {}", self.describe(schema, MAX_DEPTH)),
            // The validator's message without the value, which may be large or a secret.
            _ => format!("that {}", error.masked_with("it")),
        }
    }

    /// The expectation of a missing field.
    pub(super) fn of_field(&self, schema: Option<&Value>, name: &str) -> String {
        let property = schema.and_then(|schema| schema.get("properties")?.get(name));
        let Some(property) = property else { return "required".into() };
        let mut wanted = self.describe(property, MAX_DEPTH);
        let description = property.get("description").or_else(|| self.resolve(property).get("description"));
        if let Some(description) = description.and_then(Value::as_str) {
            let first = description.lines().next().unwrap_or_default();
            let _ = write!(wanted, ": {}", cut(first, MAX_EXPECTED / 2));
        }
        cut(&wanted, MAX_EXPECTED).into_owned()
    }

    /// The names of the fields in a schema.
    pub(super) fn names(&self, schema: Option<&'a Value>) -> Vec<&'a str> {
        let mut names = Vec::new();
        if let Some(schema) = schema {
            self.collect(schema, &mut names, MAX_DEPTH);
        }
        names
    }

    fn collect(&self, schema: &'a Value, names: &mut Vec<&'a str>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let schema = self.resolve(schema);
        let properties = schema.get("properties").and_then(Value::as_object);
        for name in properties.into_iter().flat_map(Map::keys) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            for schema in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                self.collect(schema, names, depth);
            }
        }
    }

    /// A short description of a schema.
    fn describe(&self, schema: &Value, depth: usize) -> String {
        let Some(depth) = depth.checked_sub(1) else { return "…".into() };
        let schema = self.resolve(schema);
        if let Some(value) = schema.get("const") {
            return cut(&value.to_string(), MAX_TEXT).into_owned();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return one_of(values.iter());
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(forms) = schema.get(keyword).and_then(Value::as_array) {
                let constants: Option<Vec<&[Value]>> = forms.iter().map(constants).collect();
                return match constants {
                    Some(constants) => one_of(constants.into_iter().flatten()),
                    None => or(forms.iter().map(|form| self.describe(form, depth))),
                };
            }
        }
        match schema.get("type") {
            Some(Value::String(name)) => self.typed(name, schema, depth),
            Some(Value::Array(names)) => {
                or(names.iter().filter_map(Value::as_str).map(|name| self.typed(name, schema, depth)))
            }
            _ if schema.get("properties").is_some() => self.typed("object", schema, depth),
            _ if schema == &Value::Bool(false) => "nothing".into(),
            _ => "any value".into(),
        }
    }

    fn typed(&self, name: &str, schema: &Value, depth: usize) -> String {
        match name {
            "array" => match schema.get("items") {
                Some(items) if items.is_object() => format!("array of {}", self.describe(items, depth)),
                _ => name.into(),
            },
            "object" => {
                let fields = schema.get("properties").and_then(Value::as_object);
                let fields: Vec<&str> = fields.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                if fields.is_empty() { name.into() } else { format!("object with {}", listed(&fields)) }
            }
            "integer" | "number" => match (schema.get("minimum"), schema.get("maximum")) {
                (Some(least), Some(most)) => format!("{name} from {least} to {most}"),
                (Some(least), None) => format!("{name} of at least {least}"),
                (None, Some(most)) => format!("{name} of at most {most}"),
                (None, None) => name.into(),
            },
            "string" => match schema.get("format").and_then(Value::as_str) {
                Some(format) => format!("string of the format {format}"),
                None => name.into(),
            },
            _ => name.into(),
        }
    }

    /// The part of the schema that has the keyword at `path`.
    pub(super) fn part_with(&self, path: &Location) -> Option<&'a Value> {
        let (part, _keyword) = path.as_str().rsplit_once('/')?;
        self.0.pointer(part)
    }

    /// The target of a reference within the schema.
    fn resolve<'s>(&self, schema: &'s Value) -> &'s Value
    where
        'a: 's,
    {
        let mut schema = schema;
        for _ in 0..MAX_DEPTH {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { break };
            let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.0.pointer(pointer)) else {
                break;
            };
            schema = target;
        }
        schema
    }
}

/// The choice that is most similar to `value`, if one is similar. The description of a schema lists only the first of many
/// choices.
pub(super) fn similar_choice<'a>(schema: Option<&'a Value>, value: &Value) -> Option<&'a str> {
    let wanted = value.as_str()?;
    let forms = ["enum", "oneOf", "anyOf"].iter().find_map(|keyword| schema?.get(keyword)?.as_array())?;
    let choices = forms.iter().flat_map(|form| match form {
        Value::String(_) => std::slice::from_ref(form),
        form => constants(form).unwrap_or_default(),
    });
    similar(wanted, choices.filter_map(Value::as_str)).into_iter().next()
}

/// The values that a schema lists, if it does.
fn constants(schema: &Value) -> Option<&[Value]> {
    match schema.get("const") {
        Some(value) => Some(std::slice::from_ref(value)),
        None => schema.get("enum")?.as_array().map(Vec::as_slice),
    }
}

/// `one of 1, 2, 3`.
fn one_of<'a>(values: impl Iterator<Item = &'a Value>) -> String {
    let mut out = String::from("one of ");
    for (index, value) in values.enumerate() {
        if out.len() > MAX_EXPECTED {
            out.push_str(", …");
            break;
        }
        let separator = if index > 0 { ", " } else { "" };
        let _ = write!(out, "{separator}{}", cut(&value.to_string(), 2 * MAX_TEXT));
    }
    out
}

/// `a or b or c`.
pub(super) fn or(words: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let mut out = String::new();
    for (index, word) in words.enumerate() {
        let separator = if index > 0 { " or " } else { "" };
        let _ = write!(out, "{separator}{word}");
    }
    out
}

/// `a, b, c`, and `…` for the names beyond the largest number.
pub(super) fn listed(names: &[&str]) -> String {
    let mut out = String::new();
    for (index, name) in names.iter().take(MAX_NAMES).enumerate() {
        let separator = if index > 0 { ", " } else { "" };
        let _ = write!(out, "{separator}{}", cut(name, MAX_TEXT));
    }
    if names.len() > MAX_NAMES {
        out.push_str(", …");
    }
    out
}
