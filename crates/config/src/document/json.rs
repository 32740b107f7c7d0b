//! JSON with comments and trailing commas.

use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstObject, CstRootNode},
    errors::ParseError,
    parse_to_serde_value,
};
use serde_json::{Map, Value};

use super::error::{EditError, SyntaxError};

/// JSON as it stands in the standard, with comments and trailing commas: what editors write.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Some editors begin files with a byte order mark.
const MARK: char = '\u{feff}';

pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    let value: Option<Value> =
        parse_to_serde_value(text.trim_start_matches(MARK), &OPTIONS).map_err(|error| syntax(&error))?;
    Ok(value.unwrap_or_default())
}

fn syntax(error: &ParseError) -> SyntaxError {
    let reason = error.kind().to_string();
    SyntaxError { line: error.line_display(), column: error.column_display(), reason }
}

pub(super) fn edit(
    text: &str,
    section: &[&str],
    name: &str,
    entry: Option<&Map<String, Value>>,
) -> Result<String, EditError> {
    let body = text.trim_start_matches(MARK);
    let mark = &text[..text.len() - body.len()];
    let root = CstRootNode::parse(body, &OPTIONS).map_err(|error| syntax(&error))?;
    let mut parent = root.object_value_or_set();
    for key in section {
        let inner = match entry {
            Some(_) => Some(parent.object_value_or_set(key)),
            None => parent.object_value(key),
        };
        let Some(inner) = inner else { return Ok(text.to_owned()) };
        parent = inner;
    }
    match (entry, parent.get(name)) {
        (Some(entry), None) => {
            parent.append(name, object(entry));
        }
        (Some(entry), Some(property)) => match property.object_value() {
            Some(old) => replace(&old, entry),
            None => property.set_value(object(entry)),
        },
        (None, Some(property)) => property.remove(),
        (None, None) => {}
    }
    let mut edited = format!("{mark}{root}");
    if text.trim().is_empty() && !edited.ends_with('\n') {
        edited.push('\n');
    }
    Ok(edited)
}

/// Changes the properties that differ, so that comments beside the others stay.
fn replace(old: &CstObject, entry: &Map<String, Value>) {
    for property in old.properties() {
        if !property.decoded_name().is_some_and(|name| entry.contains_key(&name)) {
            property.remove();
        }
    }
    for (key, value) in entry {
        match old.get(key) {
            Some(property) if property.to_serde_value().as_ref() == Some(value) => {}
            Some(property) => property.set_value(input(value)),
            None => {
                old.append(key, input(value));
            }
        }
    }
}

fn object(entry: &Map<String, Value>) -> CstInputValue {
    CstInputValue::Object(entry.iter().map(|(key, value)| (key.clone(), input(value))).collect())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(list) => CstInputValue::Array(list.iter().map(input).collect()),
        Value::Object(map) => object(map),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::Language::Json;

    fn entry(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn an_edit_keeps_comments_order_and_other_keys() {
        let text = "{\n  // mine\n  \"z\": 1, /* here */\n  \"mcpServers\": {\n    \"a\": {\"command\": \"a\"}, // the first\n  },\n  \"b\": [1,2]\n}\n";
        let b = entry(json!({"command": "b", "args": ["-y"]}));
        let added = Json.edit(text, &["mcpServers"], "b", Some(&b)).unwrap();
        for kept in
            ["// mine", "\"z\": 1, /* here */", "{\"command\": \"a\"}, // the first", "\"b\": [1,2]\n}\n"]
        {
            assert!(added.contains(kept), "{added}");
        }
        assert!(added.contains("    \"b\": {\n      \"command\": \"b\""), "{added}");
        assert_eq!(Json.edit(&added, &["mcpServers"], "b", None).unwrap(), text);
    }

    #[test]
    fn a_replaced_entry_keeps_the_comments_of_what_stays() {
        let text = "{\"s\": {\"a\": {\n  \"command\": \"a\", // the program\n  \"env\": {\"A\": \"1\"},\n  \"mine\": true // kept\n}}}";
        let new = entry(json!({"command": "a", "mine": true, "args": ["x"]}));
        let replaced = Json.edit(text, &["s"], "a", Some(&new)).unwrap();
        assert!(replaced.contains("// the program") && replaced.contains("// kept"), "{replaced}");
        assert!(!replaced.contains("env"), "{replaced}");
    }

    #[test]
    fn an_empty_file_becomes_an_object() {
        let new = entry(json!({"url": "http://a"}));
        let made = Json.edit("", &["mcp", "servers"], "a", Some(&new)).unwrap();
        assert_eq!(
            made,
            "{\n  \"mcp\": {\n    \"servers\": {\n      \"a\": {\n        \"url\": \"http://a\"\n      }\n    }\n  }\n}\n"
        );
        assert!(Json.edit("[]", &["mcpServers"], "a", Some(&new)).is_err());
        assert!(Json.edit("{\"mcpServers\": []}", &["mcpServers"], "a", Some(&new)).is_err());
        assert!(Json.edit("{ broken", &["mcpServers"], "a", Some(&new)).is_err());
    }
}
