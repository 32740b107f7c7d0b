//! Schemas of servers: compiled offline, with faults as one line of text.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use anyport_protocol::{schema::check_references, types::Tool};
use anyport_service::sync::Lock;
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::{CallResult, Error};

/// The output schemas of the listed tools, by the name of the tool.
#[derive(Default)]
pub(crate) struct OutputSchemas(Lock<HashMap<String, Arc<OutputSchema>>>);

struct OutputSchema {
    schema: Value,
    /// Compiled when a result first needs it, since most tools that are listed are not called. `None` if it cannot be.
    validator: OnceLock<Option<Validator>>,
}

/// The most output schemas that are remembered: a server chooses how many tools there are.
const MAX_SCHEMAS: usize = 100_000;

impl OutputSchemas {
    /// Remembers the schema of a listed tool. One that has not changed stays compiled.
    pub(crate) fn learn(&self, tool: &Tool) {
        let mut schemas = self.0.lock();
        let Some(schema) = tool.output_schema.clone().map(Value::Object) else {
            schemas.remove(&tool.name);
            return;
        };
        let known = schemas.get(&tool.name);
        let is_new = known.is_none_or(|known| known.schema != schema);
        if is_new && (known.is_some() || schemas.len() < MAX_SCHEMAS) {
            let schema = OutputSchema { schema, validator: OnceLock::new() };
            schemas.insert(tool.name.clone(), Arc::new(schema));
        }
    }

    /// Checks the result of the tool `name`. A schema that cannot be compiled checks nothing.
    ///
    /// 2026-07-28, tools §Output Schema: "Servers MUST provide structured results that conform to this schema", "Clients
    /// SHOULD validate structured results against this schema".
    ///
    /// # Errors
    /// [`Error::Output`].
    pub(crate) fn check(&self, name: &str, result: CallResult) -> Result<CallResult, Error> {
        let known = self.0.lock().get(name).filter(|_| !result.is_error()).cloned();
        let Some(known) = known else { return Ok(result) };
        let compiled = known.validator.get_or_init(|| {
            let compiled = compile(&known.schema, false);
            let compiled = compiled.inspect_err(|fault| {
                tracing::warn!(
                    tool = name,
                    fault,
                    "results are not checked: the output schema cannot be used"
                );
            });
            compiled.ok()
        });
        let Some(validator) = compiled else { return Ok(result) };
        let fault = match result.structured_content() {
            Some(content) => fault(validator, content),
            None => Some("there is no structured content".into()),
        };
        match fault {
            None => Ok(result),
            Some(fault) => Err(Error::Output { tool: name.into(), fault, result: Box::new(result) }),
        }
    }
}

/// The largest compiled regular expression of a `pattern`, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// The largest number of reported faults.
const MAX_FAULTS: usize = 4;
/// How long each of them may be.
const MAX_FAULT: usize = 240;

/// Checks `arguments` of a tool against its `inputSchema`, as a server does: types, limits, patterns and what must be given.
///
/// Arguments are not checked by a schema that is invalid or refers to another document: the server checks them.
///
/// # Errors
/// What does not fit, each with its place, in words.
pub fn check_arguments(schema: &Map<String, Value>, arguments: &Map<String, Value>) -> Result<(), String> {
    let Ok(validator) = compile(&Value::Object(schema.clone()), false) else { return Ok(()) };
    fault(&validator, &Value::Object(arguments.clone())).map_or(Ok(()), Err)
}

/// Compiles `schema` in its dialect; `format` is checked if `formats`.
///
/// 2026-07-28, basic §JSON Schema Usage: implementations "MUST NOT automatically dereference `$ref` values that resolve
/// to a network URI".
///
/// # Errors
/// Why it cannot be.
pub(crate) fn compile(schema: &Value, formats: bool) -> Result<Validator, String> {
    check_references(schema).map_err(|error| error.to_string())?;
    // The `regex` engine runs in linear time, whatever the pattern and the text.
    let patterns = PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
    let options = jsonschema::options().offline().with_pattern_options(patterns);
    options.should_validate_formats(formats).build(schema).map_err(|error| cut(&error.to_string()))
}

/// Returns the faults of `value`, or `None` if it fits.
pub(crate) fn fault(validator: &Validator, value: &Value) -> Option<String> {
    let faults = validator.iter_errors(value).take(MAX_FAULTS).map(|error| {
        let place = error.instance_path().to_string();
        let place = place.trim_start_matches('/').replace('/', ".");
        match place.is_empty() {
            true => cut(&error.to_string()),
            false => format!("{place}: {}", cut(&error.to_string())),
        }
    });
    let faults: Vec<String> = faults.collect();
    (!faults.is_empty()).then(|| faults.join("; "))
}

/// `text`, cut where it becomes too long: the value that it repeats may be of any size.
fn cut(text: &str) -> String {
    if text.len() <= MAX_FAULT {
        return text.into();
    }
    // What was expected stands at the end.
    let (start, end) =
        (text.floor_char_boundary(MAX_FAULT / 2), text.ceil_char_boundary(text.len() - MAX_FAULT / 2));
    format!("{} … {}", &text[..start], &text[end..])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_fetched() {
        for reference in ["https://example.com/schema.json", "file:///etc/passwd", "other.json"] {
            let told = compile(&json!({"properties": {"a": {"$ref": reference}}}), false).unwrap_err();
            assert!(told.contains(reference), "{told}");
        }
        let with_id = json!({"$id": "https://example.com/root", "$ref": "https://example.com/other"});
        assert!(compile(&with_id, false).is_err());
        assert!(compile(&json!({"$schema": "https://example.com/own"}), false).is_err());
    }

    #[test]
    fn faults_name_their_place_and_are_short() {
        let schema = json!({"properties": {"a": {"items": {"type": "string"}}}});
        let validator = compile(&schema, false).unwrap();
        assert_eq!(fault(&validator, &json!({"a": ["x"]})), None);
        let told = fault(&validator, &json!({"a": ["x", 5]})).unwrap();
        assert_eq!(told, "a.1: 5 is not of type \"string\"");
        let long = json!({"a": [vec!["y".repeat(5_000)]]});
        assert!(fault(&validator, &long).unwrap().len() < 300);
    }
}
