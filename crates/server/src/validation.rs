//! Validation: the faults of a value under a schema or a type, as text for a model and as data for a program.
//!
//! The text names the field, the expectation and the value, and suggests a correction: `times: expected at most 3, got 9`,
//! `nome: unknown field, did you mean name?`, `missing: name (string: Who is greeted)`.
//!
//! # Layout
//! - `expected`: what a schema expects, as text.
//! - `found`: values and their positions, as text.

mod expected;
mod found;

use anyport_protocol::suggest::similar;
use jsonschema::{ValidationError, error::ValidationErrorKind as Kind, paths::LocationSegment};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub(crate) use self::found::{declares_secret, suggests_secret};
use self::{
    expected::{MAX_EXPECTED, SchemaSource, listed, or, similar_choice},
    found::{MAX_TEXT, describe_value, dotted, is_secret, with},
};
use crate::error::{Fault, cut};

/// The largest number of reported faults of one value.
pub(crate) const MAX_FAULTS: usize = 16;

/// The text of `faults`. Missing fields are listed together, in the position of the first one.
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
    let validation = Validation { schema: SchemaSource(source), value };
    for error in errors {
        validation.add_faults(&error, &mut faults);
        if faults.len() > MAX_FAULTS {
            break;
        }
    }
    let is_more = faults.len() > MAX_FAULTS;
    faults.truncate(MAX_FAULTS);
    // The validator's order depends on the schema.
    faults.sort_by_key(|fault| !fault.is_missing());
    if is_more {
        faults.push(Fault::new("", "less that is wrong").in_words("and more"));
    }
    faults
}

/// The fault of arguments that fit their schema, but cannot be read as `A`.
pub(crate) fn of_type<A: DeserializeOwned>(arguments: &str, error: &serde_json::Error) -> Vec<Fault> {
    // Nearly all arguments can be read, and are not read a second time.
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
        Some(found) => fault.got(describe_value(found, is_secret(&field))),
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

/// The errors of the one alternative that the value is closest to; `None` if several are possible.
///
/// An alternative of another type is not possible.
fn errors_of_alternative<'e>(error: &'e ValidationError<'_>) -> Option<&'e [ValidationError<'static>]> {
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

/// Adds the position of a value that has another type than the schema expects, or is not one of the allowed values.
pub(crate) fn ill_typed(error: &ValidationError<'_>, places: &mut Vec<String>) {
    if let Some(errors) = errors_of_alternative(error) {
        return errors.iter().for_each(|error| ill_typed(error, places));
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

/// A value, and the schema that it does not fit.
struct Validation<'a> {
    schema: SchemaSource<'a>,
    value: &'a Value,
}

impl Validation<'_> {
    /// Adds the faults that `error` stands for.
    fn add_faults(&self, error: &ValidationError<'_>, faults: &mut Vec<Fault>) {
        if let Some(errors) = errors_of_alternative(error) {
            return errors.iter().for_each(|error| self.add_faults(error, faults));
        }
        let place: Vec<LocationSegment<'_>> = error.instance_path().iter().collect();
        let field = dotted(&place);
        let schema = self.schema.part_with(error.schema_path());
        match error.kind() {
            Kind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                faults.push(Fault::missing(dotted(&with(&place, name)), self.schema.of_field(schema, name)));
            }
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                let known = self.schema.names(schema);
                let unknown = unexpected.iter().take(MAX_FAULTS);
                faults.extend(
                    unknown.map(|name| unknown_field(&with(&place, cut(name, MAX_TEXT)), name, &known)),
                );
            }
            // A schema without properties refuses all fields, and the error does not name them.
            Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
                let object = self.value.pointer(error.instance_path().as_str()).and_then(Value::as_object);
                let unknown = object.into_iter().flat_map(Map::keys).take(MAX_FAULTS);
                faults.extend(unknown.map(|name| unknown_field(&with(&place, name), name, &[])));
            }
            kind => {
                let secret = is_secret(&place) || schema.is_some_and(declares_secret);
                let expected = self.schema.expected(kind, error, schema);
                let fault = Fault::new(field, cut(&expected, MAX_EXPECTED))
                    .got(describe_value(error.instance(), secret));
                faults.push(match similar_choice(schema, error.instance()).filter(|_| !secret) {
                    Some(choice) => {
                        let words = format!("{fault}, did you mean {choice:?}?");
                        fault.in_words(words)
                    }
                    None => fault,
                });
            }
        }
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

#[cfg(test)]
mod tests;
