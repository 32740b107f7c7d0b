//! Schemas of Rust types in words that every reader of JSON Schema has.
//!
//! `schemars` names the Rust type of a number as its `format`, which JSON Schema does not know: validators warn about it.
//! It makes optional fields nullable with a list of types, which some interfaces of models refuse. And it describes any
//! JSON by `true`, which they take for no schema.

use serde_json::{Map, Value, json};

/// Rewrites the schema of a type, and all schemas in it, so that it means the same without these words.
///
/// A field that may be absent is of its type: `null` for it is left to the reader of the arguments.
pub(super) fn make_portable(root: &mut Value) {
    let Value::Object(schema) = root else { return };
    rewrite(schema);
}

fn rewrite(schema: &mut Map<String, Value>) {
    remove_rust_format(schema);
    remove_null_of_optional_properties(schema);
    for keyword in MAPS {
        let Some(Value::Object(children)) = schema.get_mut(*keyword) else { continue };
        children.values_mut().for_each(rewrite_child);
    }
    for keyword in LISTS {
        let Some(Value::Array(children)) = schema.get_mut(*keyword) else { continue };
        children.iter_mut().for_each(rewrite_child);
    }
    for keyword in SINGLE {
        // `items: false` and `additionalProperties: true` are common, and known everywhere.
        let Some(child) = schema.get_mut(*keyword).filter(|child| !child.is_boolean()) else { continue };
        rewrite_child(child);
    }
    split_nullable(schema);
}

fn rewrite_child(child: &mut Value) {
    if *child == Value::Bool(true) {
        *child = json!({});
    }
    let Value::Object(schema) = child else { return };
    rewrite(schema);
    if schema.keys().all(|keyword| ANNOTATIONS.contains(&keyword.as_str())) {
        schema.insert("anyOf".to_owned(), any_json());
    }
}

/// Any JSON, type by type.
fn any_json() -> Value {
    ["object", "array", "string", "number", "boolean", "null"].map(|name| json!({"type": name})).into()
}

/// Removes a `format` that names a Rust type.
fn remove_rust_format(schema: &mut Map<String, Value>) {
    let formats = match schema.get("format").and_then(Value::as_str) {
        Some("char" | "ip") => has_type(schema, "string"),
        Some(format) if RUST_NUMBERS.contains(&format) => {
            has_type(schema, "integer") || has_type(schema, "number")
        }
        _ => false,
    };
    if formats {
        schema.shift_remove("format");
    }
}

fn has_type(schema: &Map<String, Value>, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(some)) => some.iter().any(|one| one == name),
        _ => false,
    }
}

fn remove_null_of_optional_properties(schema: &mut Map<String, Value>) {
    let required: Vec<Value> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    for (name, property) in properties {
        if let Value::Object(property) = property
            && !required.iter().any(|required| required == name)
        {
            remove_null(property);
        }
    }
}

/// Removes `null` from what `schema` allows.
fn remove_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") {
        alternatives.retain(|alternative| *alternative != json!({"type": "null"}));
        if let [Value::Object(only)] = alternatives.as_slice() {
            let only = only.clone();
            schema.shift_remove("anyOf");
            for (keyword, value) in only {
                schema.entry(keyword).or_insert(value);
            }
        }
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.shift_remove("default");
    }
}

/// Writes `"type": ["string", "null"]` as two alternatives of one type each.
fn split_nullable(schema: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = schema.get("type") else { return };
    if types.len() != 2 || !has_type(schema, "null") || schema.contains_key("anyOf") {
        return;
    }
    let (annotations, mut alternative): (Map<_, _>, Map<_, _>) =
        std::mem::take(schema).into_iter().partition(|(keyword, _)| ANNOTATIONS.contains(&keyword.as_str()));
    *schema = annotations;
    remove_null(&mut alternative);
    schema.insert("anyOf".to_owned(), json!([alternative, {"type": "null"}]));
}

/// Keywords whose value is an object of schemas.
const MAPS: &[&str] = &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
/// Keywords whose value is an array of schemas.
const LISTS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is a schema.
const SINGLE: &[&str] = &[
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "contains",
    "propertyNames",
];
/// Keywords that allow and refuse nothing.
const ANNOTATIONS: &[&str] =
    &["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"];
/// The formats that `schemars` gives numbers.
const RUST_NUMBERS: &[&str] = &[
    "int8", "int16", "int32", "int64", "int128", "int", "uint8", "uint16", "uint32", "uint64", "uint128",
    "uint", "float", "double",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(mut schema: Value, expected: &Value) {
        make_portable(&mut schema);
        assert_eq!(schema, *expected);
    }

    #[track_caller]
    fn property_becomes(required: bool, property: Value, expected: &Value) {
        let required = if required { json!(["a"]) } else { json!([]) };
        becomes(
            json!({"properties": {"a": property}, "required": required}),
            &json!({"properties": {"a": expected}, "required": required}),
        );
    }

    #[test]
    fn formats_of_rust_are_removed_and_those_of_json_schema_stay() {
        let number = |format: &str| json!({"type": "integer", "format": format, "minimum": 0});
        for format in RUST_NUMBERS {
            property_becomes(true, number(format), &json!({"type": "integer", "minimum": 0}));
        }
        property_becomes(true, json!({"type": "string", "format": "char"}), &json!({"type": "string"}));
        for format in ["date-time", "uuid", "uri", "duration", "ipv4", "x-own"] {
            property_becomes(
                true,
                json!({"type": "string", "format": format}),
                &json!({"type": "string", "format": format}),
            );
        }
        property_becomes(true, number("x-own"), &number("x-own"));
        let text = json!({"type": "string", "format": "int64"});
        property_becomes(true, text.clone(), &text);
    }

    #[test]
    fn an_optional_property_is_of_its_type() {
        let text = json!({"type": "string", "maxLength": 9});
        property_becomes(false, json!({"type": ["string", "null"], "maxLength": 9, "default": null}), &text);
        property_becomes(
            false,
            json!({"type": ["string", "null"], "enum": ["x", null]}),
            &json!({"type": "string", "enum": ["x"]}),
        );
        let reference = json!({"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "description": "An A"});
        property_becomes(false, reference, &json!({"description": "An A", "$ref": "#/$defs/A"}));
        let either = json!({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]});
        property_becomes(false, either, &json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}));
    }

    #[test]
    fn what_is_nullable_without_being_optional_has_two_alternatives() {
        let nullable = json!({"type": ["string", "null"], "maxLength": 9, "description": "Text"});
        let split =
            json!({"description": "Text", "anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]});
        property_becomes(true, nullable.clone(), &split);
        property_becomes(
            true,
            json!({"type": "array", "items": nullable}),
            &json!({"type": "array", "items": split}),
        );
    }

    #[test]
    fn any_json_is_described_by_its_types() {
        property_becomes(true, json!(true), &json!({"anyOf": any_json()}));
        property_becomes(
            false,
            json!({"description": "Any"}),
            &json!({"description": "Any", "anyOf": any_json()}),
        );
        let map = json!({"type": "object", "additionalProperties": true});
        property_becomes(true, map.clone(), &map);
    }

    #[test]
    fn values_are_no_schemas() {
        let values =
            json!({"type": "object", "default": {"type": ["a", "null"], "format": "int8"}, "const": true});
        property_becomes(true, values.clone(), &values);
    }
}
