use serde_json::Value;

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
                let is_named = is_secret(name) && !is_schema(value);
                hide_named(value, is_within || is_named);
            }
        }
        Value::String(text) if is_within => COVER.clone_into(text),
        _ => {}
    }
}

/// Whether a value is the schema of an argument: it says what a secret looks like, and has none.
fn is_schema(value: &Value) -> bool {
    const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
    value["type"].as_str().is_some_and(|kind| TYPES.contains(&kind)) || value["$ref"].is_string()
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
}
