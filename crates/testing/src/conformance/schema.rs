use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use anyport_protocol::{Method, Revision};
use anyport_service::sync::Lock;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::Heard;

/// The schema of a revision, and what was compiled of it.
#[derive(Debug)]
pub struct Schema {
    revision: Revision,
    root: Value,
    /// Where its definitions lie: `definitions` up to 2025-06-18, `$defs` since.
    key: &'static str,
    compiled: Lock<HashMap<String, Arc<Validator>>>,
}

impl Schema {
    /// The schema of `revision`, read once.
    ///
    /// # Errors
    /// When it is no JSON, which would be this crate's fault.
    pub fn of(revision: Revision) -> Result<Arc<Self>, serde_json::Error> {
        static ALL: OnceLock<Lock<HashMap<Revision, Arc<Schema>>>> = OnceLock::new();
        let mut all = ALL.get_or_init(Lock::default).lock();
        if let Some(known) = all.get(&revision) {
            return Ok(known.clone());
        }
        let root: Value = serde_json::from_str(text(revision))?;
        let key = if root.get("$defs").is_some() { "$defs" } else { "definitions" };
        let schema = Arc::new(Self { revision, root, key, compiled: Lock::default() });
        all.insert(revision, schema.clone());
        Ok(schema)
    }

    /// The faults of a server's message: as a message, and as a message of its method.
    pub fn faults(&self, heard: &Heard) -> Vec<String> {
        let message = &heard.message;
        // Up to 2025-06-18 the schemas have no words for an error about a request whose id could not be read;
        // JSON-RPC 2.0 §5 has: the id is null.
        if message.get("error").is_some() && message.get("id").is_none_or(Value::is_null) {
            return Vec::new();
        }
        let mut faults = self.check("JSONRPCMessage", message);
        let named = |value: &Value| value.as_str().and_then(Method::named);
        if let Some(method) = named(&message["method"]) {
            faults.extend(self.check(method.entry().schema, message));
        } else if let Some(result) = message.get("result") {
            let method = heard.answers.as_deref().and_then(Method::named);
            let definition = match result["resultType"].as_str() {
                Some("input_required") => Some("InputRequiredResult"),
                _ => method.and_then(|method| method.entry().result),
            };
            faults.extend(definition.map(|definition| self.check(definition, result)).into_iter().flatten());
        }
        faults
    }

    fn check(&self, definition: &str, value: &Value) -> Vec<String> {
        let validator = match self.validator(definition) {
            Ok(validator) => validator,
            Err(error) => return vec![format!("{definition} of {}: {error}", self.revision)],
        };
        let told = |error: jsonschema::ValidationError<'_>| {
            format!(
                "{definition} of {} at {:?}: {error}: {value}",
                self.revision,
                error.instance_path().to_string()
            )
        };
        validator.iter_errors(value).map(told).collect()
    }

    fn validator(&self, definition: &str) -> Result<Arc<Validator>, String> {
        let mut compiled = self.compiled.lock();
        if let Some(known) = compiled.get(definition) {
            return Ok(known.clone());
        }
        let definitions = &self.root[self.key];
        definitions.get(definition).ok_or("the schema has no such definition")?;
        let wrapper = json!({
            "$schema": self.root["$schema"],
            "$ref": format!("#/{}/{definition}", self.key),
            self.key: definitions,
        });
        let validator = Arc::new(jsonschema::validator_for(&wrapper).map_err(|error| error.to_string())?);
        compiled.insert(definition.to_owned(), validator.clone());
        Ok(validator)
    }
}

/// The schema that was published with `revision`.
fn text(revision: Revision) -> &'static str {
    match revision {
        Revision::V2024_11_05 => include_str!("../../schemas/2024-11-05.json"),
        Revision::V2025_03_26 => include_str!("../../schemas/2025-03-26.json"),
        Revision::V2025_06_18 => include_str!("../../schemas/2025-06-18.json"),
        Revision::V2025_11_25 => include_str!("../../schemas/2025-11-25.json"),
        Revision::V2026_07_28 => include_str!("../../schemas/2026-07-28.json"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_revision_does_not_allow_is_found() {
        let heard = |message: Value, answers: Option<&str>| {
            let text = message.to_string();
            Heard { message, text, answers: answers.map(str::to_owned) }
        };
        for revision in Revision::ALL {
            let schema = Schema::of(revision).unwrap();
            let wrong = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": 5}]}});
            assert_ne!(schema.faults(&heard(wrong, Some("tools/list"))), [""; 0], "{revision}");
            let wrong =
                json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": "x"}});
            assert_ne!(schema.faults(&heard(wrong, None)), [""; 0], "{revision}");
            let right = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}});
            assert_eq!(schema.faults(&heard(right, Some("tools/list"))), [""; 0], "{revision}");
        }
    }
}
