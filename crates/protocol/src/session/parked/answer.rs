use serde_json::{Map, Value};

use crate::{
    Method, Raw,
    types::{CreateMessageResult, ElicitAction, ElicitResult, ListRootsResult},
};

/// The fault of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The answer is not a result of the request.
    #[error("{0}")]
    Malformed(String),
    /// The answer is a result, but its content does not fit the form.
    #[error("{0}")]
    Unfit(String),
}

/// Whether `answer` answers the question `method` with `params`.
///
/// 2026-07-28, client/elicitation §Form Mode Security: "Servers SHOULD validate received data matches the requested schema". What a `format` says is left to the server: JSON Schema has it as an annotation.
///
/// # Errors
/// What is wrong. It names fields, and tells nothing of what the user filled in.
pub fn check(method: Method, params: &Raw, answer: &Raw) -> Result<(), Fault> {
    let malformed = |error: serde_json::Error| {
        // The words of the error may repeat what was answered; where it stands is enough.
        Fault::Malformed(format!("is no result of {} (column {})", method.as_str(), error.column()))
    };
    match method {
        Method::CreateMessage => answer.decode::<CreateMessageResult>().map(drop).map_err(malformed),
        Method::ListRoots => answer.decode::<ListRootsResult>().map(drop).map_err(malformed),
        _ => {
            let answer: ElicitResult = answer.decode().map_err(malformed)?;
            let schema = params.member("requestedSchema").filter(|_| answer.action == ElicitAction::Accept);
            schema.map_or(Ok(()), |schema| form(&schema, &answer.content.unwrap_or_default()))
        }
    }
}

/// Whether `content` is what the form `schema` asks for. A schema that cannot be read asks for nothing.
fn form(schema: &Raw, content: &Map<String, Value>) -> Result<(), Fault> {
    let Ok(Value::Object(schema)) = schema.decode() else { return Ok(()) };
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if let Some(name) = name.as_str().filter(|name| !content.contains_key(*name)) {
            return Err(Fault::Unfit(format!("lacks the field {name:?}")));
        }
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(why) = content.get(name).and_then(|value| unfit(field, value)) {
            return Err(Fault::Unfit(format!("has a field {name:?} that {why}")));
        }
    }
    Ok(())
}

/// Why `value` is not what the field's `schema` allows.
fn unfit(schema: &Value, value: &Value) -> Option<String> {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    let fits = match text("type") {
        Some("string") => value.is_string(),
        Some("number") => value.is_number(),
        // JSON Schema: 1.0 is an integer.
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        _ => true,
    };
    if !fits {
        return Some(format!("is no {}", text("type").unwrap_or_default()));
    }
    if !is_choice(schema, value) {
        return Some("is none of its choices".into());
    }
    let (size, least, most, of) = match value {
        Value::String(text) => (length(text.chars().count()), "minLength", "maxLength", "characters"),
        Value::Array(items) => (length(items.len()), "minItems", "maxItems", "entries"),
        _ => (value.as_f64()?, "minimum", "maximum", ""),
    };
    if let Some(least) = number(least).filter(|least| size < *least) {
        return Some(format!("is less than {least} {of}").trim_end().into());
    }
    if let Some(most) = number(most).filter(|most| size > *most) {
        return Some(format!("is more than {most} {of}").trim_end().into());
    }
    let items = schema.get("items")?;
    value.as_array()?.iter().find_map(|item| unfit(items, item)).map(|why| format!("has an entry that {why}"))
}

/// Whether `value` is one of the values in `enum`, `oneOf` or `anyOf`, if there are such.
fn is_choice(schema: &Value, value: &Value) -> bool {
    let all = |key: &str| schema.get(key).and_then(Value::as_array);
    if let Some(values) = all("enum") {
        return values.contains(value);
    }
    let titled = all("oneOf").or_else(|| all("anyOf"));
    titled.is_none_or(|choices| {
        choices.iter().any(|choice| choice.get("const").is_none_or(|constant| constant == value))
    })
}

/// How many, as JSON Schema compares numbers.
#[expect(clippy::cast_precision_loss, reason = "no message has 2^53 characters")]
fn length(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn raw(text: &str) -> Raw {
        Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
    }

    fn told(field: &str, value: &str) -> Result<(), Fault> {
        let params = format!(
            r#"{{"requestedSchema":{{"type":"object","properties":{{"f":{field}}},"required":["f"]}}}}"#
        );
        let answer = format!(r#"{{"action":"accept","content":{{"f":{value}}}}}"#);
        check(Method::Elicit, &raw(&params), &raw(&answer))
    }

    #[test]
    fn every_kind_of_field_is_checked() {
        for (field, good, bad) in [
            (r#"{"type":"string","minLength":2,"maxLength":3}"#, r#""\u00e4b""#, r#""a""#),
            (r#"{"type":"string","maxLength":3}"#, r#""abc""#, r#""abcd""#),
            (r#"{"type":"string"}"#, r#""1""#, "1"),
            (r#"{"type":"integer","minimum":1,"maximum":9}"#, "9.0", "10"),
            (r#"{"type":"integer"}"#, "1", "1.5"),
            (r#"{"type":"number","minimum":0.5}"#, "0.5", "0.4"),
            (r#"{"type":"boolean"}"#, "false", r#""false""#),
            (r#"{"type":"string","enum":["a","b"]}"#, r#""a""#, r#""c""#),
            (r#"{"type":"string","enum":["a"],"enumNames":["A"]}"#, r#""a""#, r#""A""#),
            (r#"{"type":"string","oneOf":[{"const":"a","title":"A"}]}"#, r#""a""#, r#""A""#),
            (r#"{"type":"array","items":{"type":"string","enum":["a","b"]}}"#, r#"["a","b"]"#, r#"["c"]"#),
            (r#"{"type":"array","items":{"anyOf":[{"const":"a","title":"A"}]}}"#, r#"["a"]"#, r#"["b"]"#),
            (r#"{"type":"array","minItems":1,"maxItems":1}"#, r#"["a"]"#, "[]"),
            (r#"{"type":"array","minItems":1,"maxItems":1}"#, r#"["a"]"#, r#"["a","b"]"#),
        ] {
            assert_eq!(told(field, good), Ok(()), "{field} {good}");
            assert!(matches!(told(field, bad), Err(Fault::Unfit(_))), "{field} {bad}");
        }
    }

    #[test]
    fn what_a_user_may_leave_out_or_add_is_no_fault() {
        let params = raw(
            r#"{"requestedSchema":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a"]}}"#,
        );
        let fits = |text: &str| check(Method::Elicit, &params, &raw(text));
        assert_eq!(fits(r#"{"action":"accept","content":{"a":"x","more":[1]}}"#), Ok(()));
        assert_eq!(fits(r#"{"action":"decline"}"#), Ok(()));
        assert_eq!(fits(r#"{"action":"cancel"}"#), Ok(()));
        assert_eq!(fits(r#"{"action":"accept"}"#), Err(Fault::Unfit(r#"lacks the field "a""#.into())));
    }

    #[test]
    fn what_is_no_answer_at_all_is_malformed_and_not_repeated() {
        for (method, answer) in [
            (Method::Elicit, r#"{"action":"secret"}"#),
            (Method::Elicit, r#""secret""#),
            (Method::Elicit, r#"{"action":"accept","content":["secret"]}"#),
            (Method::CreateMessage, r#"{"role":"assistant","content":"secret"}"#),
            (Method::ListRoots, r#"{"roots":"secret"}"#),
        ] {
            let Err(Fault::Malformed(why)) = check(method, &Raw::EMPTY_OBJECT, &raw(answer)) else {
                panic!("{answer}")
            };
            assert!(!why.contains("secret"), "{why}");
        }
        let message = r#"{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}"#;
        assert_eq!(check(Method::CreateMessage, &Raw::EMPTY_OBJECT, &raw(message)), Ok(()));
        assert_eq!(check(Method::ListRoots, &Raw::EMPTY_OBJECT, &raw(r#"{"roots":[]}"#)), Ok(()));
    }
}
