use serde_json::Value;

use crate::{
    secret_names::is_secret,
    target::{COVER, redact_json},
};

/// Hides what may be a secret: values that the configuration has from elsewhere, and texts under names such as `password`.
pub(super) fn redact(value: &mut Value) {
    redact_json(value);
    hide_named(value);
}

fn hide_named(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(hide_named),
        Value::Object(object) => {
            for (name, value) in object {
                match value {
                    Value::String(text) if is_secret(name) => COVER.clone_into(text),
                    value => hide_named(value),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_named_as_a_secret_is_hidden_wherever_it_stands() {
        let mut value = json!({"params": {"arguments": {"api_key": "k", "Authorization": "Bearer b", "depth": [{"userPassword": "p"}],
            "text": "stays", "max_tokens": 3}, "_meta": {"progressToken": "t1"}}, "properties": {"token": {"type": "string"}}});
        redact(&mut value);
        let expected = json!({"params": {"arguments": {"api_key": "<hidden>", "Authorization": "<hidden>",
            "depth": [{"userPassword": "<hidden>"}], "text": "stays", "max_tokens": 3}, "_meta": {"progressToken": "t1"}},
            "properties": {"token": {"type": "string"}}});
        assert_eq!(value, expected);
    }
}
