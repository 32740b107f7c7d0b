//! One tool, with all that is known of it.

use anyport_protocol::types::{Tool, ToolAnnotations};
use serde_json::{Map, Value};

use super::{Screen, safe, signature, table};
use crate::schema::followed;

/// A tool: its signature, what it does, its arguments, its annotations, its result, and how it is called. `server` are the words
/// that name the server on a command line.
pub(crate) fn tool(tool: &Tool, server: &ServerWords, screen: Screen) -> String {
    let mut out = screen.strong(safe::line(&tool.name)) + "\n";
    let about = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
    for line in safe::text(about.trim()).lines() {
        out += &format!("    {}\n", line.trim_end());
    }
    out += &members("arguments", &tool.input_schema, screen);
    if let Some(schema) = &tool.output_schema {
        out += &members("result", schema, screen);
    }
    let hints = tool.annotations.as_ref().map(hints).unwrap_or_default();
    if !hints.is_empty() {
        out += &format!("\n{}  {}\n", screen.faint("annotations"), hints.join(", "));
    }
    // A name that reads like an option would be one.
    if !tool.name.starts_with('-') {
        let line = server.call(&tool.name, &example(&tool.input_schema));
        out += &format!("\n{}\n    {line}\n", screen.faint("call"));
    }
    out
}

/// The words of a command line that name a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerWords {
    /// The first word.
    First(String),
    /// A command after `--`.
    Command(Vec<String>),
}

impl ServerWords {
    /// The command line that calls a tool, quoted for a shell.
    fn call(&self, tool: &str, arguments: &[String]) -> String {
        let named = std::iter::once(tool).chain(arguments.iter().map(String::as_str));
        let words: Vec<&str> = match self {
            Self::First(server) => ["anyport", "call", server].into_iter().chain(named).collect(),
            Self::Command(command) => {
                let command = std::iter::once("--").chain(command.iter().map(String::as_str));
                ["anyport", "call"].into_iter().chain(named).chain(command).collect()
            }
        };
        words.into_iter().map(safe::word).collect::<Vec<_>>().join(" ")
    }
}

/// A table of an object's members: name, type, default, limits, and what they are.
fn members(heading: &str, schema: &Map<String, Value>, screen: Screen) -> String {
    let rows: Vec<Vec<String>> = signature::members(schema)
        .into_iter()
        .map(|(name, member, required)| {
            let mark = if required { "" } else { "?" };
            let text = |key: &str| member.get(key).filter(|value| !value.is_null());
            vec![
                format!("{name}{mark}"),
                signature::kind(member, schema, 0),
                text("default").map(Value::to_string).unwrap_or_default(),
                limits(member, schema).join(", "),
                text("description").and_then(Value::as_str).unwrap_or_default().trim().to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        let kind = signature::kind(&Value::Object(schema.clone()), schema, 0);
        let kind = if heading == "arguments" { "none".to_owned() } else { safe::line(&kind) };
        return format!("\n{}  {kind}\n", screen.faint(heading));
    }
    let headings = [heading, "type", "default", "limits", "what it is"];
    // A column that nothing stands in says nothing.
    let is_used = |column: &usize| *column < 2 || rows.iter().any(|row| !row[*column].is_empty());
    let columns: Vec<usize> = (0..headings.len()).filter(is_used).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|&column| row[column].clone()).collect()).collect();
    let headings: Vec<&str> = columns.iter().map(|&column| headings[column]).collect();
    format!("\n{}", table::table(&headings, &rows, screen))
}

/// What a schema demands of a value beside its type, in words.
fn limits(schema: &Value, root: &Map<String, Value>) -> Vec<String> {
    let Some(schema) = schema.as_object().map(|schema| the_one(followed(root, schema), root)) else {
        return Vec::new();
    };
    let number = |key: &str| schema.get(key).filter(|value| value.is_number());
    let range = |least: &str, most: &str, of: &str| match (number(least), number(most)) {
        (Some(least), Some(most)) if least == most => Some(format!("{least}{of}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}{of}")),
        (Some(least), None) => Some(format!("at least {least}{of}")),
        (None, Some(most)) => Some(format!("at most {most}{of}")),
        (None, None) => None,
    };
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    let all = [
        range("minimum", "maximum", ""),
        number("exclusiveMinimum").map(|least| format!("more than {least}")),
        number("exclusiveMaximum").map(|most| format!("less than {most}")),
        number("multipleOf").map(|step| format!("a multiple of {step}")),
        range("minLength", "maxLength", " characters"),
        range("minItems", "maxItems", " items"),
        text("format").map(str::to_owned),
        text("pattern").map(|pattern| format!("matches {pattern}")),
    ];
    all.into_iter().flatten().collect()
}

/// The only schema but `null` of one that allows several: so optional values are written.
fn the_one<'a>(schema: &'a Map<String, Value>, root: &'a Map<String, Value>) -> &'a Map<String, Value> {
    let several = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
    let mut others = several
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .map(|one| followed(root, one))
        .filter(|one| one.get("type").and_then(Value::as_str) != Some("null"));
    match (others.next(), others.next()) {
        (Some(only), None) => only,
        _ => schema,
    }
}

/// The arguments that must be given, each with a value of its kind.
fn example(schema: &Map<String, Value>) -> Vec<String> {
    let required = signature::members(schema).into_iter().filter(|(.., required)| *required);
    let all: Vec<(&str, Value)> =
        required.map(|(name, member, _)| (name.as_str(), value(member, schema))).collect();
    if all.iter().all(|(name, _)| is_word(name)) {
        return all.iter().map(|(name, value)| word(name, value)).collect();
    }
    let object: Map<String, Value> = all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    vec![Value::Object(object).to_string()]
}

/// Whether `name=value` is an argument. Other names, which a server chooses, could be options or files.
fn is_word(name: &str) -> bool {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | '.');
    name.starts_with(|sign: char| sign.is_ascii_alphanumeric() || sign == '_') && name.chars().all(is_plain)
}

/// `key=value`, or `key:=json` for what is written as JSON.
fn word(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => format!("{name}={text}"),
        Value::Array(_) | Value::Object(_) => format!("{name}:={value}"),
        value => format!("{name}={value}"),
    }
}

/// A value that a schema suggests, or one of its kind.
fn value(schema: &Value, root: &Map<String, Value>) -> Value {
    let open = || Value::String("...".to_owned());
    let Some(schema) = schema.as_object().map(|schema| the_one(followed(root, schema), root)) else {
        return open();
    };
    let first = |key: &str| schema.get(key)?.as_array()?.first();
    let given = schema
        .get("const")
        .or_else(|| schema.get("default"))
        .or_else(|| first("examples"))
        .or_else(|| first("enum"));
    if let Some(given) = given.filter(|given| !given.is_null()) {
        return given.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("integer" | "number") => {
            schema.get("minimum").filter(|least| least.is_number()).cloned().unwrap_or_else(|| 1.into())
        }
        Some("boolean") => true.into(),
        Some("array") => Value::Array(Vec::new()),
        Some("object") => Value::Object(Map::new()),
        _ => open(),
    }
}

/// The annotations that were given, as the specification names them.
fn hints(annotations: &ToolAnnotations) -> Vec<&'static str> {
    let ToolAnnotations { read_only_hint, destructive_hint, idempotent_hint, open_world_hint, .. } =
        annotations;
    let words = [
        (read_only_hint, "read-only", "not read-only"),
        (destructive_hint, "destructive", "not destructive"),
        (idempotent_hint, "idempotent", "not idempotent"),
        (open_world_hint, "open-world", "not open-world"),
    ];
    words.into_iter().filter_map(|(hint, yes, no)| hint.map(|hint| if hint { yes } else { no })).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn shown(value: Value, server: &ServerWords) -> String {
        tool(&from_value(value).unwrap(), server, Screen::PLAIN)
    }

    #[test]
    fn a_tool_is_shown_with_all_that_is_known_of_it() {
        let value = json!({
            "name": "book", "description": "Books seats.\nAt once.",
            "annotations": {"readOnlyHint": false, "idempotentHint": true},
            "inputSchema": {"type": "object", "required": ["seats", "from"], "properties": {
                "note": {"anyOf": [{"type": "string", "maxLength": 80, "pattern": "^a"}, {"type": "null"}], "default": null},
                "seats": {"type": "integer", "minimum": 2, "maximum": 9, "description": "How many."},
                "from": {"$ref": "#/$defs/City"},
                "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "default": ["x"]}},
                "$defs": {"City": {"type": "string", "minLength": 3}}},
            "outputSchema": {"type": "object", "properties": {"id": {"type": "string", "format": "uuid"}}},
        });
        let expected = "\
book
    Books seats.
    At once.

arguments  type           default  limits                           what it is
seats      integer                 2 to 9                           How many.
from       string                  at least 3 characters
note?      string | null           at most 80 characters, matches ^a
tags?      string[]       [\"x\"]    at least 1 items

result  type    limits
id?     string  uuid

annotations  not read-only, idempotent

call
    anyport call shop book seats=2 from=...
";
        let found = shown(value, &ServerWords::First("shop".into()));
        let trimmed: Vec<&str> = expected.lines().collect();
        for (line, wanted) in found.lines().zip(&trimmed) {
            let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(line), words(wanted), "{found}");
        }
        assert_eq!(found.lines().count(), trimmed.len());
    }

    #[test]
    fn the_line_that_calls_it_is_quoted_and_has_values_of_each_kind() {
        let value = json!({"name": "do it", "inputSchema": {"type": "object",
            "required": ["a", "b", "c", "d", "e", "f"], "properties": {
                "a": {"enum": ["one two", "x"]}, "b": {"type": "boolean"}, "c": {"type": "array"}, "d": {"type": "object"},
                "e": {"type": "number"}, "f": {"default": {"g": 1}}}}});
        let command = ServerWords::Command(vec!["my server".into(), "--fast".into()]);
        let found = shown(value, &command);
        let line = found.lines().last().unwrap().trim();
        assert_eq!(
            line,
            "anyport call 'do it' 'a=one two' b=true 'c:=[]' 'd:={}' e=1 'f:={\"g\":1}' -- 'my server' --fast"
        );
        let none =
            shown(json!({"name": "now", "inputSchema": {"type": "object"}}), &ServerWords::First("s".into()));
        assert_eq!(none, "now\n\narguments  none\n\ncall\n    anyport call s now\n");
    }

    #[test]
    fn a_server_makes_no_options_commands_or_escapes_of_the_line() {
        let server = ServerWords::First("s".into());
        let line = |value: Value| {
            let shown = shown(value, &server);
            assert!(!shown.chars().any(|sign| sign.is_control() && sign != '\n'), "{shown:?}");
            shown.lines().last().unwrap().trim().to_owned()
        };
        let with = |name: &str, default: &str| {
            json!({"name": "t", "inputSchema": {"type": "object", "required": [name],
                "properties": {name: {"type": "string", "default": default}}}})
        };
        assert_eq!(line(with("--bearer", "file:/a")), "anyport call s t '{\"--bearer\":\"file:/a\"}'");
        assert_eq!(line(with("@file", "x")), "anyport call s t '{\"@file\":\"x\"}'");
        assert_eq!(line(with("a", "x\0;touch y $(id)")), "anyport call s t \"a=x\\\\u{0};touch y \"'$(id)'");
        assert_eq!(line(with("a", "it's")), "anyport call s t \"a=it's\"");
        let option = json!({"name": "--record", "inputSchema": {"type": "object"}});
        assert_eq!(line(option), "arguments  none");
        let escape = json!({"name": "t", "inputSchema": {"type": "object"},
            "outputSchema": {"type": "\u{1b}[2J\nfake"}});
        assert!(
            shown(escape.clone(), &server).contains("result  \\u{1b}[2J\\nfake"),
            "{}",
            shown(escape, &server)
        );
    }
}
