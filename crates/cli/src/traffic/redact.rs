use serde_json::{Map, Value};

use crate::{
    secret_names::is_secret,
    target::{COVER, redact_json},
};

/// Hides what may be a secret: values that the configuration has from elsewhere, and texts under names such as `password`.
pub(super) fn redact(value: &mut Value) {
    redact_json(value);
    hide_named(value, false);
}

/// Hides the texts under names of secrets; all texts, if the value `is_within` a secret.
fn hide_named(value: &mut Value, is_within: bool) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| hide_named(value, is_within)),
        Value::Object(object) => {
            for (name, value) in object {
                match value {
                    Value::Object(schema) if !is_within && is_secret(name) && is_schema(schema) => {
                        schema
                            .iter_mut()
                            .filter(|(keyword, _)| !DESCRIBING.contains(&keyword.as_str()))
                            .for_each(|(_, value)| hide_named(value, true));
                    }
                    value => hide_named(value, is_within || is_secret(name)),
                }
            }
        }
        Value::String(text) if is_within => COVER.clone_into(text),
        _ => {}
    }
}

/// The keywords of a schema whose texts say what a secret looks like. Others may have one, such as `default` and `examples`, and so may what
/// only looks like a schema.
const DESCRIBING: [&str; 5] = ["$ref", "description", "format", "title", "type"];

/// Whether an object is the schema of an argument.
fn is_schema(object: &Map<String, Value>) -> bool {
    const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
    let text = |keyword| object.get(keyword).and_then(Value::as_str);
    text("type").is_some_and(|kind| TYPES.contains(&kind)) || text("$ref").is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_named_as_a_secret_is_hidden_wherever_it_stands() {
        let mut value = json!({"params": {"arguments": {"api_key": "k", "Authorization": "Bearer b", "depth": [{"userPassword": "p"}],
            "password": {"value": "p", "list": ["q", 1]}, "text": "stays", "max_tokens": 3}, "_meta": {"progressToken": "t1"}}, "properties": {"token": {"type": "string"}}});
        redact(&mut value);
        let expected = json!({"params": {"arguments": {"api_key": "<hidden>", "Authorization": "<hidden>",
            "depth": [{"userPassword": "<hidden>"}], "password": {"value": "<hidden>", "list": ["<hidden>", 1]}, "text": "stays", "max_tokens": 3}, "_meta": {"progressToken": "t1"}},
            "properties": {"token": {"type": "string"}}});
        assert_eq!(value, expected);
    }

    #[test]
    fn what_looks_like_a_schema_hides_nothing_but_what_describes() {
        let mut value = json!({
            "password": {"type": "string", "value": "p", "description": "said", "default": "p", "enum": ["p"]},
            "token": {"type": "p"},
        });
        redact(&mut value);
        let expected = json!({
            "password": {"type": "string", "value": "<hidden>", "description": "said", "default": "<hidden>", "enum": ["<hidden>"]},
            "token": {"type": "<hidden>"},
        });
        assert_eq!(value, expected);
    }
}
