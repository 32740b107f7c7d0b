//! The faults of a value, as text for a model and as data for a program.
//!
//! Words name the field, what was expected and what was found, and what to do: `times: expected at most 3, got 9`,
//! `nome: unknown field, did you mean name?`, `missing: name (string: Who is greeted)`.

use std::{borrow::Cow, fmt::Write as _};

use anyport_protocol::suggest::similar;
use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind as Kind},
    paths::{Location, LocationSegment},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Fault, cut};

/// The largest number of reported faults of one value.
pub(crate) const MAX_FAULTS: usize = 16;
/// How long what was expected may be.
const MAX_EXPECTED: usize = 240;
/// How long the text of a value is that is repeated.
const MAX_TEXT: usize = 32;
/// How deep schemas are described.
const MAX_DEPTH: usize = 3;
/// How many names of fields are listed.
const MAX_NAMES: usize = 12;

/// The words for `faults`; what is missing stands together, where the first of it does.
pub(crate) fn words(faults: &[Fault]) -> String {
    let mut parts = Vec::new();
    let mut missing = faults.iter().filter(|fault| fault.is_missing()).peekable();
    for fault in faults {
        if !fault.is_missing() {
            parts.push(fault.to_string());
        } else if missing.peek().is_some() {
            let all: Vec<String> =
                missing.by_ref().map(|fault| format!("{} ({})", fault.field, fault.expected)).collect();
            parts.push(format!("missing: {}", all.join(", ")));
        }
    }
    parts.join("; ")
}

/// Converts `errors` of `value` under the schema `source` to faults.
pub(crate) fn of_schema<'a>(
    source: &Value,
    value: &Value,
    errors: impl Iterator<Item = ValidationError<'a>>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let source = Source { schema: source, value };
    for error in errors {
        source.tell(&error, &mut faults);
        if faults.len() > MAX_FAULTS {
            break;
        }
    }
    let is_more = faults.len() > MAX_FAULTS;
    faults.truncate(MAX_FAULTS);
    // In which order the validator finds things depends on the schema.
    faults.sort_by_key(|fault| !fault.is_missing());
    if is_more {
        faults.push(Fault::new("", "less that is wrong").in_words("and more"));
    }
    faults
}

/// The fault of arguments that fit their schema, but cannot be read as `A`.
pub(crate) fn of_type<A: DeserializeOwned>(arguments: &str, error: &serde_json::Error) -> Vec<Fault> {
    // Reading again costs nothing where it goes well, which is nearly always.
    let mut reader = serde_json::Deserializer::from_str(arguments);
    let (field, message) = match serde_path_to_error::deserialize::<_, A>(&mut reader) {
        Err(error) => (path(error.path()), error.inner().to_string()),
        Ok(_) => (Vec::new(), error.to_string()),
    };
    let message = message.rsplit_once(" at line ").map_or(&*message, |(message, _)| message);
    let name = dotted(&field);
    let fault = match message.rsplit_once(", expected ") {
        Some((_, expected)) => Fault::new(name, cut(expected, MAX_EXPECTED)),
        // A message of the type's own may hold the value.
        None if is_secret(&field) => Fault::new(name, "another value"),
        None => {
            let message = cut(message, MAX_EXPECTED);
            let words = if name.is_empty() { message.to_string() } else { format!("{name}: {message}") };
            Fault::new(name, message).in_words(words)
        }
    };
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
    let found = field.iter().try_fold(&arguments, |value, segment| match segment {
        LocationSegment::Property(name) => value.get(&**name),
        LocationSegment::Index(index) => value.get(index),
    });
    vec![match found.filter(|_| !field.is_empty()) {
        Some(found) => fault.got(shown(found, is_secret(&field))),
        None => fault,
    }]
}

fn path(path: &serde_path_to_error::Path) -> Vec<LocationSegment<'static>> {
    let segment = |segment: &serde_path_to_error::Segment| match segment {
        serde_path_to_error::Segment::Seq { index } => Some(LocationSegment::Index(*index)),
        serde_path_to_error::Segment::Map { key } => Some(LocationSegment::Property(key.clone().into())),
        _ => None,
    };
    path.iter().map_while(segment).collect()
}

/// The errors of the one alternative that was meant, where that is clear; else nothing.
///
/// An alternative of another type was not meant.
fn meant<'e>(error: &'e ValidationError<'_>) -> Option<&'e [ValidationError<'static>]> {
    let (Kind::AnyOf { context } | Kind::OneOfNotValid { context }) = error.kind() else { return None };
    let is_other_type = |branch: &[ValidationError<'_>]| {
        branch.iter().any(|inner| {
            matches!(inner.kind(), Kind::Type { .. }) && inner.instance_path() == error.instance_path()
        })
    };
    let mut likely = context.iter().filter(|branch| !branch.is_empty() && !is_other_type(branch));
    match (likely.next(), likely.next()) {
        (Some(branch), None) => Some(branch),
        _ => None,
    }
}

/// Notes where `error` finds a value that is of another type, or none of those that are allowed.
pub(crate) fn ill_typed(error: &ValidationError<'_>, places: &mut Vec<String>) {
    if let Some(meant) = meant(error) {
        return meant.iter().for_each(|error| ill_typed(error, places));
    }
    if let Kind::Type { .. }
    | Kind::Enum { .. }
    | Kind::Constant { .. }
    | Kind::AnyOf { .. }
    | Kind::OneOfNotValid { .. } = error.kind()
    {
        places.push(error.instance_path().to_string());
    }
}

/// The choice that is closest to `value`, if any is close. Of many choices, the words list the first ones only.
fn meant_choice<'a>(schema: Option<&'a Value>, value: &Value) -> Option<&'a str> {
    let wanted = value.as_str()?;
    let forms = ["enum", "oneOf", "anyOf"].iter().find_map(|keyword| schema?.get(keyword)?.as_array())?;
    let choices = forms.iter().flat_map(|form| match form {
        Value::String(_) => std::slice::from_ref(form),
        form => constants(form).unwrap_or_default(),
    });
    similar(wanted, choices.filter_map(Value::as_str)).into_iter().next()
}

/// A schema that can be looked into, and the value that does not fit.
struct Source<'a> {
    schema: &'a Value,
    value: &'a Value,
}

impl<'a> Source<'a> {
    fn tell(&self, error: &ValidationError<'_>, faults: &mut Vec<Fault>) {
        if let Some(meant) = meant(error) {
            return meant.iter().for_each(|error| self.tell(error, faults));
        }
        let place: Vec<LocationSegment<'_>> = error.instance_path().iter().collect();
        let field = dotted(&place);
        let schema = self.holder(error.schema_path());
        match error.kind() {
            Kind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                faults.push(Fault::missing(dotted(&with(&place, name)), self.wanted(schema, name)));
            }
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                let known = self.names(schema);
                let unknown = unexpected.iter().take(MAX_FAULTS);
                faults.extend(
                    unknown.map(|name| unknown_field(&with(&place, cut(name, MAX_TEXT)), name, &known)),
                );
            }
            // A schema without properties refuses them all, and does not say which.
            Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
                let holder = self.value.pointer(error.instance_path().as_str()).and_then(Value::as_object);
                let unknown = holder.into_iter().flat_map(Map::keys).take(MAX_FAULTS);
                faults.extend(unknown.map(|name| unknown_field(&with(&place, name), name, &[])));
            }
            kind => {
                let secret = is_secret(&place) || schema.is_some_and(hides);
                let expected = self.expected(kind, error, schema);
                let fault =
                    Fault::new(field, cut(&expected, MAX_EXPECTED)).got(shown(error.instance(), secret));
                faults.push(match meant_choice(schema, error.instance()).filter(|_| !secret) {
                    Some(choice) => {
                        let words = format!("{fault}, did you mean {choice:?}?");
                        fault.in_words(words)
                    }
                    None => fault,
                });
            }
        }
    }

    fn expected(&self, kind: &Kind, error: &ValidationError<'_>, schema: Option<&Value>) -> String {
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
            // Its words without the value, which may be large or a secret.
            _ => format!("that {}", error.masked_with("it")),
        }
    }

    /// The expectation of a missing field.
    fn wanted(&self, schema: Option<&Value>, name: &str) -> String {
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

    /// The fields that a schema names.
    fn names(&self, schema: Option<&'a Value>) -> Vec<&'a str> {
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

    /// A short text of a schema's demand.
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

    /// The schema in which the keyword at `path` stands.
    fn holder(&self, path: &Location) -> Option<&'a Value> {
        let (holder, _keyword) = path.as_str().rsplit_once('/')?;
        self.schema.pointer(holder)
    }

    /// The target of a reference within the schema.
    fn resolve<'s>(&self, schema: &'s Value) -> &'s Value
    where
        'a: 's,
    {
        let mut schema = schema;
        for _ in 0..MAX_DEPTH {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { break };
            let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.schema.pointer(pointer))
            else {
                break;
            };
            schema = target;
        }
        schema
    }
}

/// The values of a schema that lists them.
fn constants(schema: &Value) -> Option<&[Value]> {
    match schema.get("const") {
        Some(value) => Some(std::slice::from_ref(value)),
        None => schema.get("enum")?.as_array().map(Vec::as_slice),
    }
}

fn unknown_field(place: &[LocationSegment<'_>], name: &str, known: &[&str]) -> Fault {
    let field = dotted(place);
    let close = similar(name, known.iter().copied());
    let (expected, advice) = match (&*close, known) {
        (_, []) => ("no fields".to_owned(), "; there are none".to_owned()),
        ([], _) => (format!("one of the fields {}", listed(known)), format!("; there are {}", listed(known))),
        _ => (format!("the field {}", or(close.iter())), format!(", did you mean {}?", or(close.iter()))),
    };
    let words = format!("{field}: unknown field{advice}");
    Fault::new(field, expected).got("an unknown field").in_words(words)
}

fn with<'a>(place: &[LocationSegment<'a>], name: impl Into<Cow<'a, str>>) -> Vec<LocationSegment<'a>> {
    let mut place = place.to_vec();
    place.push(LocationSegment::Property(name.into()));
    place
}

/// `address.lines[2]`; names that would be misread are quoted.
fn dotted(place: &[LocationSegment<'_>]) -> String {
    let mut out = String::new();
    for segment in place {
        match segment {
            LocationSegment::Index(index) => {
                let _ = write!(out, "[{index}]");
            }
            LocationSegment::Property(name) => {
                let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$');
                let name = cut(name, 2 * MAX_TEXT);
                if name.is_empty() || !name.chars().all(is_plain) {
                    let _ = write!(out, "[{}]", Value::from(&*name));
                } else {
                    let separator = if out.is_empty() { "" } else { "." };
                    let _ = write!(out, "{separator}{name}");
                }
            }
        }
    }
    out
}

/// A value that was found: short, and never a secret.
fn shown(value: &Value, secret: bool) -> String {
    match value {
        Value::String(text) if secret => format!("a string of {} characters", text.chars().count()),
        Value::Number(_) if secret => "a number".into(),
        Value::String(text) if text.len() > MAX_TEXT => {
            format!("{} ({} characters)", Value::from(&*cut(text, MAX_TEXT)), text.chars().count())
        }
        Value::Array(items) if items.is_empty() => "an empty array".into(),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(fields) if fields.is_empty() => "an empty object".into(),
        Value::Object(fields) => {
            let names: Vec<Cow<'_, str>> = fields.keys().take(4).map(|name| cut(name, MAX_TEXT)).collect();
            let more = if fields.len() > 4 { ", …" } else { "" };
            format!("an object with {}{more}", names.join(", "))
        }
        value => value.to_string(),
    }
}

/// Whether a field's own name says that it holds a secret.
fn is_secret(place: &[LocationSegment<'_>]) -> bool {
    const SECRETS: [&str; 7] =
        ["password", "passwd", "secret", "token", "apikey", "credential", "authorization"];
    place.iter().any(|segment| match segment {
        LocationSegment::Property(name) => {
            let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            SECRETS.iter().any(|secret| name.to_ascii_lowercase().contains(secret))
        }
        LocationSegment::Index(_) => false,
    })
}

/// Whether a schema says that what it describes is not to be shown.
fn hides(schema: &Value) -> bool {
    schema.get("writeOnly") == Some(&Value::Bool(true))
        || schema.get("format").and_then(Value::as_str) == Some("password")
}

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

fn or(words: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let mut out = String::new();
    for (index, word) in words.enumerate() {
        let separator = if index > 0 { " or " } else { "" };
        let _ = write!(out, "{separator}{word}");
    }
    out
}

fn listed(names: &[&str]) -> String {
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

#[cfg(test)]
mod tests;
