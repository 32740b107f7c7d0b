//! JSON Schemas: made from types, bounded, compiled once, with faults of arguments as text.
//!
//! Supported dialects: 2020-12 (the default), 2019-09, draft-07, draft-06 and draft-04.

mod portable;

use std::fmt::Write as _;

pub use anyport_protocol::schema::{MAX_SCHEMA_DEPTH, MAX_SUBSCHEMAS};
use anyport_protocol::schema::{WalkError, check_references};
use jsonschema::{Draft, PatternOptions, Validator};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use crate::{error::Fault, validation};

/// The largest compiled regular expression of a `pattern`, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1 << 20;

/// How many values of another type are looked for.
const MAX_ILL_TYPED: usize = 1_000;
/// How long the words for what is wrong with a schema may be.
const MAX_FAULT_LENGTH: usize = 240;

/// Why a schema was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("a schema must be a JSON object")]
    NoObject,
    #[error("the dialect {0:?} is not supported; use 2020-12, 2019-09, draft-07, draft-06 or draft-04")]
    Dialect(String),
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error("no valid schema: {0}")]
    Invalid(String),
}

/// A compiled schema.
pub(crate) struct Schema {
    validator: Validator,
    /// Its text, to look into when something does not fit: as a tree it would take several times the room.
    source: Box<str>,
}

impl Schema {
    /// Compiles `schema` according to its dialect.
    ///
    /// 2026-07-28, basic §JSON Schema Usage: implementations "MUST validate schemas according to their declared
    /// or default dialect", "MUST NOT automatically dereference `$ref` values that resolve to a network URI" and
    /// "SHOULD apply reasonable bounds".
    pub(crate) fn compile(schema: &Value) -> Result<Self, SchemaError> {
        Self::build(schema, false)
    }

    /// Like [`Schema::compile`], but `format` is checked too.
    pub(crate) fn with_formats(schema: &Value) -> Result<Self, SchemaError> {
        Self::build(schema, true)
    }

    fn build(schema: &Value, formats: bool) -> Result<Self, SchemaError> {
        let root = schema.as_object().ok_or(SchemaError::NoObject)?;
        let draft = dialect(root)?;
        check_references(schema)?;
        // The `regex` engine runs in linear time, whatever the pattern and the text.
        let patterns =
            PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
        let mut options = jsonschema::options().with_draft(draft).offline().with_pattern_options(patterns);
        if formats {
            options = options.should_validate_formats(true);
        }
        let validator = options.build(schema);
        let validator = validator.map_err(|error| SchemaError::Invalid(bounded(&error.to_string())))?;
        Ok(Self { validator, source: schema.to_string().into() })
    }

    /// Checks `value`.
    ///
    /// # Errors
    /// Each fault: where, what was expected, and what was found. Bounded in number and length.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Vec<Fault>> {
        if self.fits(value) {
            return Ok(());
        }
        Err(self.faults(value))
    }

    /// Whether `value` is what the schema describes.
    pub(crate) fn fits(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// The faults of a `value` that does not fit.
    pub(crate) fn faults(&self, value: &Value) -> Vec<Fault> {
        let source: Value = serde_json::from_str(&self.source).unwrap_or_default();
        validation::of_schema(&source, value, self.validator.iter_errors(value))
    }

    /// Removes each `null` from `value` that stands for a member which the schema wants to be of another type. Returns
    /// whether there was one.
    pub(crate) fn remove_nulls(&self, value: &mut Value) -> bool {
        let places = self.ill_typed(value);
        let mut removed = false;
        for (parent, name) in places.iter().filter_map(|place| place.rsplit_once('/')) {
            let name = name.replace("~1", "/").replace("~0", "~");
            if let Some(Value::Object(members)) = value.pointer_mut(parent)
                && members.get(&name) == Some(&Value::Null)
            {
                members.shift_remove(&name);
                removed = true;
            }
        }
        removed
    }

    /// Where values stand that are of another type, or none of the values that are allowed, as JSON pointers.
    pub(crate) fn ill_typed(&self, value: &Value) -> Vec<String> {
        let mut places = Vec::new();
        for error in self.validator.iter_errors(value).take(MAX_ILL_TYPED) {
            validation::ill_typed(&error, &mut places);
        }
        places.dedup();
        places
    }
}

/// `text`, cut where it becomes too long.
fn bounded(text: &str) -> String {
    if text.len() <= MAX_FAULT_LENGTH {
        return text.into();
    }
    let start = text.floor_char_boundary(MAX_FAULT_LENGTH * 2 / 3);
    // What was expected stands at the end of a fault, behind the value that was found.
    let end = text.ceil_char_boundary(text.len() - MAX_FAULT_LENGTH / 3);
    let mut out = String::with_capacity(MAX_FAULT_LENGTH + 8);
    let _ = write!(out, "{} … {}", &text[..start], &text[end..]);
    out
}

fn dialect(root: &Map<String, Value>) -> Result<Draft, SchemaError> {
    let Some(declared) = root.get("$schema") else { return Ok(Draft::Draft202012) };
    let name = declared.as_str().map(|name| name.trim_end_matches('#')).unwrap_or_default();
    let name = name.strip_prefix("http://").or_else(|| name.strip_prefix("https://")).unwrap_or(name);
    match name {
        "json-schema.org/draft/2020-12/schema" => Ok(Draft::Draft202012),
        "json-schema.org/draft/2019-09/schema" => Ok(Draft::Draft201909),
        "json-schema.org/draft-07/schema" => Ok(Draft::Draft7),
        "json-schema.org/draft-06/schema" => Ok(Draft::Draft6),
        "json-schema.org/draft-04/schema" => Ok(Draft::Draft4),
        _ => Err(SchemaError::Dialect(declared.as_str().map_or_else(|| declared.to_string(), Into::into))),
    }
}

/// The JSON Schema of the arguments `A`, as a [`Tool`](crate::Tool) has it unless it is given another: in the default
/// dialect, and closed against unknown members unless the type says otherwise.
///
/// The base of schemas that are only known at run time.
pub fn arguments_schema<A: JsonSchema>() -> Value {
    let mut schema = of::<A>(SchemaSettings::draft2020_12().for_deserialize());
    if let Value::Object(root) = &mut schema
        && !root.contains_key("additionalProperties")
        && !root.contains_key("unevaluatedProperties")
    {
        // Beside an applicator, `additionalProperties` would refuse the properties that only the applicator names.
        let applicators = ["$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"];
        let composed = applicators.iter().any(|keyword| root.contains_key(*keyword));
        let keyword = if composed { "unevaluatedProperties" } else { "additionalProperties" };
        root.insert(keyword.into(), Value::Bool(false));
    }
    schema
}

/// The schema of the output `T`.
pub(crate) fn of_output<T: JsonSchema>() -> Value {
    of::<T>(SchemaSettings::draft2020_12().for_serialize())
}

/// The schema of a form's fields `T`, with everything in its place.
pub(crate) fn of_fields<T: JsonSchema>() -> Value {
    of::<T>(
        SchemaSettings::draft2020_12().for_deserialize().with(|settings| settings.inline_subschemas = true),
    )
}

/// The default dialect needs no name, and the Rust type's name is useless to a model. The rest is portable: see
/// [`portable`].
fn of<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Value::Object(root) = &mut schema {
        root.shift_remove("$schema");
        if root.get("title").and_then(Value::as_str) == Some(&*T::schema_name()) {
            root.shift_remove("title");
        }
    }
    portable::make_portable(&mut schema);
    schema
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde_json::json;

    use super::*;

    fn refused(schema: &Value) -> String {
        Schema::compile(schema).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_schema_is_read_in_its_own_dialect() {
        let draft7 = json!({"$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"n": {"type": "integer"}}, "items": [{"$ref": "#/definitions/n"}]});
        let schema = Schema::compile(&draft7).unwrap();
        assert!(schema.check(&json!([1, "rest"])).is_ok() && schema.check(&json!(["x"])).is_err());
        assert!(refused(&json!({"$schema": "https://example.com/own"})).contains("https://example.com/own"));
    }

    #[test]
    fn nothing_is_fetched() {
        for reference in ["https://example.com/schema.json", "file:///etc/passwd", "other.json"] {
            assert!(refused(&json!({"properties": {"a": {"$ref": reference}}})).contains(reference));
        }
        let with_id = json!({"$id": "https://example.com/root", "$ref": "https://example.com/other"});
        assert!(!refused(&with_id).is_empty());
        let local = json!({"$defs": {"a": {"$anchor": "here", "type": "string"}}, "$ref": "#here"});
        assert!(Schema::compile(&local).unwrap().check(&json!(1)).is_err());
    }

    #[test]
    fn schema_bombs_are_refused() {
        let mut deep = json!({});
        for _ in 0..=MAX_SCHEMA_DEPTH {
            deep = json!({"not": deep});
        }
        assert!(refused(&deep).contains("MAX_SCHEMA_DEPTH"));
        assert!(refused(&json!({"anyOf": vec![json!({}); MAX_SUBSCHEMAS]})).contains("MAX_SUBSCHEMAS"));
        assert!(!refused(&json!({"pattern": "(a{1000}){1000}"})).is_empty());
        assert!(!refused(&json!({"pattern": "^(?=a)"})).is_empty());
    }

    #[test]
    fn arguments_are_closed_unless_the_type_says_otherwise() {
        #[derive(JsonSchema)]
        #[allow(dead_code, reason = "only its schema is used")]
        struct Plain {
            a: i64,
        }
        #[derive(JsonSchema)]
        #[allow(dead_code, reason = "only its schema is used")]
        struct Open {
            #[serde(flatten)]
            rest: std::collections::HashMap<String, i64>,
        }
        assert_eq!(
            arguments_schema::<Plain>(),
            json!({"type": "object", "properties": {"a": {"type": "integer"}},
                   "required": ["a"], "additionalProperties": false})
        );
        assert_ne!(arguments_schema::<Open>()["additionalProperties"], json!(false));
    }
}
