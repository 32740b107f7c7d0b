//! What clients and models' interfaces refuse in a schema.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    finding::Code,
    name::{LONGEST_NAME, is_plain},
};

/// The formats that JSON Schema knows (2020-12, Validation §7.3).
const FORMATS: &[&str] = &[
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

/// Deeper schemas are not looked at: a server chooses how deep they are.
const DEEPEST: usize = 64;

/// Problems of a schema, each with its place in it.
pub(super) fn problems(schema: &Map<String, Value>) -> Vec<(Code, Option<String>)> {
    let mut search = Search::default();
    search.object(schema, "", 0);
    if let Err(error) = jsonschema::meta::validate(&Value::Object(schema.clone())) {
        search.found.push((Code::SchemaInvalid, Some(format!("at {}: {error}", error.instance_path()))));
    }
    if leads_back(schema) {
        search.found.push((Code::RecursiveReference, None));
    }
    search.found
}

/// What was found on the way through a schema.
#[derive(Default)]
struct Search {
    found: Vec<(Code, Option<String>)>,
}

impl Search {
    fn value(&mut self, schema: &Value, place: &str, depth: usize) {
        if let (Some(schema), true) = (schema.as_object(), depth < DEEPEST) {
            self.object(schema, place, depth + 1);
        }
    }

    /// Looks at the schema of what stands at `place`: `a.b[]`, or nothing for the whole.
    fn object(&mut self, schema: &Map<String, Value>, place: &str, depth: usize) {
        self.itself(schema, place);
        for (key, inner) in schema {
            match (key.as_str(), inner) {
                ("properties" | "patternProperties", Value::Object(all)) => {
                    for (name, inner) in all {
                        let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                        if key == "properties" {
                            self.name(name, &place);
                        }
                        self.value(inner, &place, depth);
                    }
                }
                // What is defined may be used in several places.
                ("$defs" | "definitions", Value::Object(all)) => {
                    all.iter().for_each(|(name, inner)| self.value(inner, &format!("#{name}"), depth));
                }
                ("items" | "contains" | "additionalItems", inner) => {
                    self.value(inner, &format!("{place}[]"), depth)
                }
                ("prefixItems", Value::Array(all)) => {
                    all.iter().for_each(|inner| self.value(inner, &format!("{place}[]"), depth));
                }
                ("additionalProperties", inner) => self.value(inner, &format!("{place}.*"), depth),
                ("anyOf" | "oneOf" | "allOf", Value::Array(all)) => {
                    all.iter().for_each(|inner| self.value(inner, place, depth));
                }
                ("not" | "if" | "then" | "else", inner) => self.value(inner, place, depth),
                _ => {}
            }
        }
    }

    /// What a schema says of its own value.
    fn itself(&mut self, schema: &Map<String, Value>, place: &str) {
        let place = || Some(place.to_owned()).filter(|place| !place.is_empty());
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        if text("type") == Some("array")
            && !schema.contains_key("items")
            && !schema.contains_key("prefixItems")
        {
            self.found.push((Code::ItemsMissing, place()));
        }
        if is_nullable(schema) {
            self.found.push((Code::NullableUnion, place()));
        }
        if let Some(format) = text("format").filter(|format| !FORMATS.contains(format)) {
            let at = place().map(|place| format!("{place}: {format}"));
            self.found.push((Code::UnknownFormat, at.or_else(|| Some(format.to_owned()))));
        }
        if let Some(outside) = text("$ref").filter(|to| !to.starts_with('#')) {
            self.found.push((Code::OutsideReference, Some(outside.to_owned())));
        }
    }

    fn name(&mut self, name: &str, place: &str) {
        if !is_plain(name, ".") || name.chars().count() > LONGEST_NAME {
            self.found.push((Code::ArgumentName, Some(format!("{place:?}"))));
        }
    }
}

/// Whether `null` is one of several types that a value may have.
fn is_nullable(schema: &Map<String, Value>) -> bool {
    let types = schema.get("type").and_then(Value::as_array);
    let is_listed = types.is_some_and(|types| types.len() > 1 && types.iter().any(|kind| kind == "null"));
    let branches = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
    is_listed || branches.filter_map(|branch| branch.get("type")).any(|kind| kind == "null")
}

/// Whether a reference leads to a schema that it stands in.
fn leads_back(root: &Map<String, Value>) -> bool {
    let root = Value::Object(root.clone());
    let (mut done, mut path) = (HashSet::new(), Vec::new());
    returns(&root, &root, &mut path, &mut done, 0)
}

/// Whether something within `value` leads back to one of the references in `path`; `done` are those that lead nowhere.
fn returns<'a>(
    root: &'a Value,
    value: &'a Value,
    path: &mut Vec<&'a str>,
    done: &mut HashSet<&'a str>,
    depth: usize,
) -> bool {
    if depth > DEEPEST {
        return false;
    }
    match value {
        Value::Array(all) => all.iter().any(|inner| returns(root, inner, path, done, depth + 1)),
        Value::Object(all) => {
            if let Some(pointer) = all.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'))
            {
                if pointer.is_empty() || path.contains(&pointer) {
                    return true;
                }
                if let (true, Some(target)) = (done.insert(pointer), root.pointer(pointer)) {
                    path.push(pointer);
                    if returns(root, target, path, done, depth + 1) {
                        return true;
                    }
                    path.pop();
                }
            }
            // Definitions are looked at where they are used.
            let used = all.iter().filter(|(key, _)| !matches!(key.as_str(), "$defs" | "definitions"));
            used.map(|(_, inner)| inner).any(|inner| returns(root, inner, path, done, depth + 1))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(schema: Value) -> Vec<(Code, String)> {
        let found = problems(schema.as_object().unwrap());
        found.into_iter().map(|(code, place)| (code, place.unwrap_or_default())).collect()
    }

    #[test]
    fn problems_are_found_at_any_depth_with_their_place() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "object", "properties": {"list": {"type": "array"}}},
            "b": {"type": "array", "items": {"type": ["string", "null"]}},
            "c": {"anyOf": [{"type": "integer", "format": "uint8"}, {"type": "null"}]},
            "d e": {"$ref": "other.json"}}});
        let expected = [
            (Code::ItemsMissing, "a.list"),
            (Code::NullableUnion, "b[]"),
            (Code::NullableUnion, "c"),
            (Code::UnknownFormat, "c: uint8"),
            (Code::ArgumentName, "\"d e\""),
            (Code::OutsideReference, "other.json"),
        ];
        assert_eq!(found(schema), expected.map(|(code, place)| (code, place.to_owned())));
    }

    #[test]
    fn references_that_lead_back_are_found_and_others_are_not() {
        let tree = json!({"properties": {"a": {"$ref": "#/$defs/A"}},
            "$defs": {"A": {"properties": {"b": {"$ref": "#/$defs/B"}}}, "B": {"items": {"$ref": "#/$defs/A"}}}});
        assert_eq!(found(tree), [(Code::RecursiveReference, String::new())]);
        assert_eq!(
            found(json!({"properties": {"a": {"$ref": "#"}}})),
            [(Code::RecursiveReference, String::new())]
        );
        let twice = json!({"properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#/$defs/A"}},
            "$defs": {"A": {"type": "string"}}});
        assert_eq!(found(twice), []);
    }

    #[test]
    fn a_deep_schema_and_a_faulty_one_end() {
        let mut deep = json!({"type": "string"});
        for _ in 0..300 {
            deep = json!({"type": "array", "items": deep});
        }
        assert!(!leads_back(deep.as_object().unwrap()));
        let mut search = Search::default();
        search.object(deep.as_object().unwrap(), "", 0);
        assert_eq!(search.found, []);
        assert_eq!(found(json!({"type": "text"}))[0].0, Code::SchemaInvalid);
    }
}
