//! Properties of a JSON Schema that need no compilation: its size, its references, its parts.

use serde_json::{Map, Value};

/// The deepest nesting of subschemas that a schema may have.
pub const MAX_SCHEMA_DEPTH: usize = 64;
/// The most subschemas that a schema may have.
pub const MAX_SUBSCHEMAS: usize = 5_000;

/// Why a schema is not looked into.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// A reference to something that would have to be fetched.
    #[error("the reference {0:?} points outside the schema; nothing is fetched, so put it into $defs")]
    External(String),
    /// Nested deeper than [`MAX_SCHEMA_DEPTH`].
    #[error("nested deeper than {MAX_SCHEMA_DEPTH} levels (MAX_SCHEMA_DEPTH)")]
    TooDeep,
    /// More than [`MAX_SUBSCHEMAS`].
    #[error("more than {MAX_SUBSCHEMAS} subschemas (MAX_SUBSCHEMAS)")]
    TooMany,
}

/// Bounds the schema, and refuses references that cannot be meant to stay inside it. What is left to resolve
/// against an `$id` fails when compiling, which must be done offline.
///
/// 2026-07-28, basic §JSON Schema Usage: implementations "MUST NOT automatically dereference `$ref` values that resolve
/// to a network URI" and "SHOULD apply reasonable bounds".
///
/// # Errors
/// The first reference that points outside, or that the schema is too large.
pub fn check_references(schema: &Value) -> Result<(), WalkError> {
    let mut outside = None;
    let mut has_id = false;
    walk(schema, &mut |subschema, _| {
        has_id |= subschema.contains_key("$id");
        let references = ["$ref", "$dynamicRef", "$recursiveRef"];
        let references = references.iter().filter_map(|keyword| subschema.get(*keyword)?.as_str());
        if let Some(reference) = references.into_iter().find(|reference| !reference.starts_with('#')) {
            outside.get_or_insert_with(|| reference.to_owned());
        }
    })?;
    match outside {
        Some(reference) if !has_id => Err(WalkError::External(reference)),
        _ => Ok(()),
    }
}

/// Visits every subschema that is an object. The path is that of `properties` keys from the root, where nothing
/// else lies between.
///
/// # Errors
/// When the schema is nested too deep, or has too many subschemas.
pub fn walk<'a>(
    schema: &'a Value,
    visit: &mut impl FnMut(&'a Map<String, Value>, Option<&[&'a str]>),
) -> Result<(), WalkError> {
    Walk { visit, left: MAX_SUBSCHEMAS }.step(schema, Some(&[]), MAX_SCHEMA_DEPTH)
}

struct Walk<'v, V> {
    visit: &'v mut V,
    left: usize,
}

impl<'a, V: FnMut(&'a Map<String, Value>, Option<&[&'a str]>)> Walk<'_, V> {
    fn step(&mut self, schema: &'a Value, path: Option<&[&'a str]>, depth: usize) -> Result<(), WalkError> {
        let depth = depth.checked_sub(1).ok_or(WalkError::TooDeep)?;
        self.left = self.left.checked_sub(1).ok_or(WalkError::TooMany)?;
        let Some(object) = schema.as_object() else { return Ok(()) };
        (self.visit)(object, path);
        for (keyword, value) in object {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        let path: Option<Vec<&str>> = path.map(|path| [path, &[name]].concat());
                        self.step(property, path.as_deref(), depth)?;
                    }
                }
                (
                    "patternProperties" | "$defs" | "definitions" | "dependentSchemas" | "dependencies",
                    Value::Object(schemas),
                ) => {
                    for schema in schemas.values() {
                        self.step(schema, None, depth)?;
                    }
                }
                ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Value::Array(schemas)) => {
                    for schema in schemas {
                        self.step(schema, None, depth)?;
                    }
                }
                (
                    "items"
                    | "additionalItems"
                    | "unevaluatedItems"
                    | "additionalProperties"
                    | "unevaluatedProperties"
                    | "not"
                    | "if"
                    | "then"
                    | "else"
                    | "contains"
                    | "propertyNames"
                    | "contentSchema",
                    schema,
                ) => self.step(schema, None, depth)?,
                _ => {}
            }
        }
        Ok(())
    }
}
