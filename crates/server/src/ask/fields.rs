//! The fields of a form from a Rust type: an object of primitives, and nothing else.

use anyport_protocol::types::{PrimitiveSchemaDefinition, RequestedSchema};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::schema;

/// Why a type cannot be a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("a form is a struct with named fields")]
    NoStruct,
    #[error("the field {0:?} is no text, number, boolean, enum without data, or list of such enums")]
    Field(String),
}

/// The form for `T`.
///
/// 2026-07-28, client/elicitation §Requested Schema: "form mode elicitation schemas are limited to flat objects with
/// primitive properties only".
pub(crate) fn of<T: JsonSchema>() -> Result<RequestedSchema, FormError> {
    let Value::Object(mut root) = schema::of_fields::<T>() else { return Err(FormError::NoStruct) };
    if root.get("type") != Some(&json!("object")) {
        return Err(FormError::NoStruct);
    }
    let properties = match root.remove("properties") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    let mut form = RequestedSchema::default();
    for (name, property) in properties {
        let field = field(property).ok_or_else(|| FormError::Field(name.clone()))?;
        form.properties.insert(name, field);
    }
    if let Some(required) = root.remove("required") {
        form.required = serde_json::from_value(required).ok();
    }
    Ok(form)
}

fn field(property: Value) -> Option<PrimitiveSchemaDefinition> {
    let Value::Object(mut property) = property else { return None };
    unwrap_option(&mut property);
    choices(&mut property, "oneOf");
    match property.get("type")?.as_str()? {
        "string" => {
            keep(&mut property, &["type", "enum", "oneOf", "minLength", "maxLength", "format", "default"])?;
            let formats = ["email", "uri", "date", "date-time"];
            property.retain(|key, value| key != "format" || formats.iter().any(|format| value == format));
        }
        "integer" | "number" => {
            // schemars writes the Rust type of a number as its format.
            property.remove("format");
            keep(&mut property, &["type", "minimum", "maximum", "default"])?;
        }
        "boolean" => keep(&mut property, &["type", "default"])?,
        "array" => {
            let items = property.get_mut("items")?.as_object_mut()?;
            choices(items, "anyOf");
            items.retain(|key, _| matches!(key.as_str(), "type" | "enum" | "anyOf"));
            if items.contains_key("anyOf") {
                items.remove("type");
            }
            keep(&mut property, &["type", "items", "minItems", "maxItems", "default"])?;
        }
        _ => return None,
    }
    match serde_json::from_value(Value::Object(property)).ok()? {
        PrimitiveSchemaDefinition::Unknown(_) => None,
        field => Some(field),
    }
}

/// `Option<T>` is `T` that is not required.
fn unwrap_option(property: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = property.get("type") {
        let mut others = types.iter().filter(|name| *name != "null").cloned();
        if let (Some(only), None) = (others.next(), others.next()) {
            property.insert("type".into(), only);
        }
    }
    let is_null = |schema: &Value| schema == &json!({"type": "null"});
    if let Some(Value::Array(alternatives)) = property.get("anyOf")
        && let [Value::Object(only), null] = alternatives.as_slice()
        && is_null(null)
    {
        let only = only.clone();
        property.remove("anyOf");
        for (key, value) in only {
            property.entry(key).or_insert(value);
        }
    }
    if let Some(Value::Array(values)) = property.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    property.retain(|key, value| key != "default" || !value.is_null());
}

/// Writes the variants of an enum as `const` and `title`, if any of them has words of its own.
fn choices(schema: &mut Map<String, Value>, keyword: &str) {
    let Some(Value::Array(variants)) = schema.get("oneOf") else { return };
    let mut choices = Vec::new();
    for variant in variants {
        let text = |key: &str| variant.get(key).and_then(Value::as_str);
        let title = |value: &str| text("title").or(text("description")).unwrap_or(value).to_owned();
        match (text("const"), variant.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => choices.push(json!({"const": value, "title": title(value)})),
            (None, Some(values)) => {
                choices.extend(values.iter().map(|value| json!({"const": value, "title": value})));
            }
            (None, None) => return,
        }
    }
    schema.remove("oneOf");
    schema.entry("type").or_insert_with(|| json!("string"));
    schema.insert(keyword.into(), Value::Array(choices));
}

/// `None` when there is a keyword that a form has no place for.
fn keep(property: &mut Map<String, Value>, allowed: &[&str]) -> Option<()> {
    let known = |key: &str| allowed.contains(&key) || matches!(key, "title" | "description");
    property.keys().all(|key| known(key)).then_some(())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(JsonSchema, Deserialize)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Everything {
        /// Who
        #[schemars(length(min = 1, max = 9), email)]
        name: String,
        #[schemars(range(min = 1, max = 9))]
        age: u8,
        score: Option<f64>,
        #[serde(default = "yes")]
        verified: bool,
        color: Color,
        size: Option<Size>,
        colors: Vec<Color>,
        sizes: Vec<Size>,
    }

    fn yes() -> bool {
        true
    }

    #[derive(JsonSchema, Deserialize)]
    #[allow(dead_code, reason = "only its schema is used")]
    enum Color {
        Red,
        Green,
    }

    #[derive(JsonSchema, Deserialize)]
    #[allow(dead_code, reason = "only its schema is used")]
    enum Size {
        /// Small
        S,
        /// Large
        L,
    }

    #[test]
    fn every_primitive_has_its_field() {
        let sizes = json!([{"const": "S", "title": "Small"}, {"const": "L", "title": "Large"}]);
        assert_eq!(
            serde_json::to_value(of::<Everything>().unwrap()).unwrap(),
            json!({
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "Who", "minLength": 1, "maxLength": 9, "format": "email"},
                    "age": {"type": "integer", "minimum": 1, "maximum": 9},
                    "score": {"type": "number"},
                    "verified": {"type": "boolean", "default": true},
                    "color": {"type": "string", "enum": ["Red", "Green"]},
                    "size": {"type": "string", "oneOf": sizes},
                    "colors": {"type": "array", "items": {"type": "string", "enum": ["Red", "Green"]}},
                    "sizes": {"type": "array", "items": {"anyOf": sizes}},
                },
                "required": ["name", "age", "color", "colors", "sizes"]
            })
        );
    }

    #[test]
    fn what_is_not_flat_is_refused() {
        #[derive(JsonSchema)]
        #[allow(dead_code, reason = "only its schema is used")]
        struct Nested {
            inner: Option<Box<Nested>>,
        }
        #[derive(JsonSchema)]
        #[allow(dead_code, reason = "only its schema is used")]
        struct Numbers {
            all: Vec<i64>,
        }
        assert_eq!(of::<Nested>().unwrap_err(), FormError::Field("inner".into()));
        assert_eq!(of::<Numbers>().unwrap_err(), FormError::Field("all".into()));
        assert_eq!(of::<Vec<String>>().unwrap_err(), FormError::NoStruct);
    }
}
