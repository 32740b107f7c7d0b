//! A tool as a function is written: `read(path: string, lines?: integer = 20)`.

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr as _;

use super::safe;
use crate::schema::followed;

/// How the tool called `name` is called, by the schema of its arguments: those that must be given come first.
pub(crate) fn of(name: &str, schema: &Map<String, Value>) -> String {
    within(name, &arguments(schema), None)
}

/// The arguments of a tool, each with its type and default.
pub(super) fn arguments(schema: &Map<String, Value>) -> Vec<String> {
    members(schema)
        .into_iter()
        .map(|(name, argument, required)| {
            let mark = if required { "" } else { "?" };
            let default = argument.get("default").filter(|default| !default.is_null());
            let default = default.map(|default| format!(" = {default}")).unwrap_or_default();
            format!("{name}{mark}: {}{default}", kind(argument, schema, 0))
        })
        .collect()
}

/// A call in lines of at most `width` columns. Lines break between arguments, and within one only if it fits on no line; nothing
/// is left out.
pub(super) fn within(name: &str, arguments: &[String], width: Option<usize>) -> String {
    let last = arguments.len().saturating_sub(1);
    let piece = |(at, argument): (usize, &String)| {
        let end = if at == last { ")" } else { "," };
        safe::line(&format!("{argument}{end}"))
    };
    let pieces: Vec<String> = arguments.iter().enumerate().map(piece).collect();
    let name = safe::line(name);
    if pieces.is_empty() {
        return format!("{name}()");
    }
    let mut out = format!("{name}(");
    let Some(width) = width else { return out + &pieces.join(" ") };
    let mut column = out.width();
    let mut put = |text: &str, needs: usize, gap: &str| {
        if column + gap.width() + needs > width && column > INDENT.len() {
            out += &format!("\n{INDENT}{text}");
            column = INDENT.len() + text.width();
        } else {
            out += gap;
            out += text;
            column += gap.width() + text.width();
        }
    };
    for (at, piece) in pieces.iter().enumerate() {
        let gap = if at == 0 { "" } else { " " };
        if INDENT.len() + piece.width() <= width {
            put(piece, piece.width(), gap);
            continue;
        }
        // Its first word begins a line.
        for (at, word) in piece.split(' ').enumerate() {
            match at {
                0 => put(word, width, gap),
                _ => put(word, word.width(), " "),
            }
        }
    }
    out
}

/// Before the further lines of a call: deeper than the description below it.
const INDENT: &str = "        ";

/// The members of the object that `schema` describes, with their schemas and whether they must be given; those that must come
/// first.
pub(super) fn members(schema: &Map<String, Value>) -> Vec<(&String, &Value, bool)> {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|all| all.iter().any(|other| other.as_str() == Some(name)));
    let all = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let mut all: Vec<_> = all.map(|(name, member)| (name, member, is_required(name))).collect();
    all.sort_by_key(|(.., required)| !required);
    all
}

/// More words to choose from are not written out.
const WORDS: usize = 6;

/// Deeper levels are omitted.
const DEEP: usize = 3;

/// The type of a value, in as few words as tell it.
pub(super) fn kind(schema: &Value, root: &Map<String, Value>, depth: usize) -> String {
    let Some(schema) = schema.as_object().filter(|_| depth < DEEP) else { return "any".into() };
    let schema = followed(root, schema);
    if schema.contains_key("$ref") {
        return "any".into();
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let mut shown: Vec<String> = words.iter().take(WORDS).map(Value::to_string).collect();
        if words.len() > WORDS {
            shown.push("...".into());
        }
        return shown.join(" | ");
    }
    if let Some(only) = schema.get("const") {
        return only.to_string();
    }
    let several = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
    if let Some(several) = several {
        // Only so many, since each may have as many itself.
        let mut kinds: Vec<String> =
            several.iter().take(WORDS).map(|one| kind(one, root, depth + 1)).collect();
        kinds.dedup();
        if several.len() > WORDS {
            kinds.push("...".into());
        }
        return kinds.join(" | ");
    }
    match schema.get("type") {
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ")
        }
        Some(Value::String(one)) if one == "array" => match schema.get("items") {
            Some(items) => {
                let items = kind(items, root, depth + 1);
                if items.contains(' ') { format!("({items})[]") } else { format!("{items}[]") }
            }
            None => "any[]".into(),
        },
        Some(Value::String(one)) => one.clone(),
        _ if schema.contains_key("properties") => "object".into(),
        _ => "any".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{arguments, of, within};

    #[test]
    fn a_tool_reads_like_a_function() {
        let schema = json!({
            "type": "object", "required": ["path", "at"],
            "properties": {
                "lines": {"type": "integer", "default": 20},
                "path": {"type": "string"},
                "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
                "at": {"$ref": "#/$defs/At"},
                "maybe": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": null},
                "free": {}
            },
            "$defs": {"At": {"type": "object"}}
        });
        assert_eq!(
            of("read", schema.as_object().unwrap()),
            "read(path: string, at: object, lines?: integer = 20, tags?: (\"a\" | \"b\")[], maybe?: number | null, free?: any)"
        );
        assert_eq!(of("now", json!({"type": "object"}).as_object().unwrap()), "now()");
    }

    #[test]
    fn a_call_wraps_between_its_arguments_and_nothing_of_it_is_cut() {
        let schema = json!({"properties": {"path": {"type": "string"}, "lines": {"type": "integer", "default": 20},
            "kind": {"enum": ["first", "second", "third", "fourth"]}}});
        let arguments = arguments(schema.as_object().unwrap());
        assert_eq!(
            within("read", &arguments, Some(40)),
            "read(path?: string,\n        lines?: integer = 20,\n        \
             kind?: \"first\" | \"second\" |\n        \"third\" | \"fourth\")"
        );
        assert_eq!(within("read", &arguments, None), of("read", schema.as_object().unwrap()));
        assert_eq!(
            within("a_name_that_is_wider_than_that", &[], Some(20)),
            "a_name_that_is_wider_than_that()"
        );
        let long = within("name_of_nineteen_ch", &["argument".into()], Some(20));
        assert_eq!(long, "name_of_nineteen_ch(\n        argument)");
    }

    #[test]
    fn a_schema_in_a_circle_ends_and_signs_that_command_a_terminal_do_not_reach_it() {
        let schema = json!({"properties": {"a\u{1b}[2J": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}});
        assert_eq!(of("t", schema.as_object().unwrap()), "t(a\\u{1b}[2J?: any)");
    }
}
