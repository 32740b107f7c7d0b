//! Values and their positions as short text, without secrets.

use std::{borrow::Cow, fmt::Write as _};

use jsonschema::paths::LocationSegment;
use serde_json::Value;

use crate::error::cut;

/// The longest text of a value that is repeated.
pub(super) const MAX_TEXT: usize = 32;

/// The position of the field `name` of the object at `place`.
pub(super) fn with<'a>(
    place: &[LocationSegment<'a>],
    name: impl Into<Cow<'a, str>>,
) -> Vec<LocationSegment<'a>> {
    let mut place = place.to_vec();
    place.push(LocationSegment::Property(name.into()));
    place
}

/// A position as text, such as `address.lines[2]`. Names that could be misread are quoted.
pub(super) fn dotted(place: &[LocationSegment<'_>]) -> String {
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

/// A value as short text. Of a secret, the text says only the kind and the length.
pub(super) fn describe_value(value: &Value, secret: bool) -> String {
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

/// Whether the name of a field, or of a field around it, suggests a secret.
pub(super) fn is_secret(place: &[LocationSegment<'_>]) -> bool {
    place.iter().any(|segment| match segment {
        LocationSegment::Property(name) => suggests_secret(name),
        LocationSegment::Index(_) => false,
    })
}

/// Whether the name of a field suggests a secret, or what identifies a person.
pub(crate) fn suggests_secret(name: &str) -> bool {
    const SECRETS: [&str; 10] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "apikey",
        "privatekey",
        "credential",
        "authorization",
        "creditcard",
    ];
    /// Too short to be looked for within other words.
    const WHOLE: [&str; 3] = ["ssn", "iban", "cvv"];
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    SECRETS.iter().any(|secret| name.contains(secret)) || WHOLE.contains(&&*name)
}

/// Whether a schema declares its values secret.
pub(crate) fn declares_secret(schema: &Value) -> bool {
    schema.get("writeOnly") == Some(&Value::Bool(true))
        || schema.get("format").and_then(Value::as_str) == Some("password")
}
