//! Edits of JSON with comments and trailing commas. An entry is added behind others and removed from among them as text: the
//! library changes white space beside them.

use std::ops::Range;

use jsonc_parser::{
    CollectOptions, CommentCollectionStrategy, ast,
    cst::{CstInputValue, CstObject, CstRootNode},
    parse_to_ast,
    tokens::{Token, TokenAndRange},
};
use serde_json::{Map, Value};

use super::{
    error::EditError,
    json::{OPTIONS, syntax},
};

/// Changes the entry `name` below `section`.
pub(super) fn edit(
    text: &str,
    section: &[&str],
    name: &str,
    entry: Option<&Map<String, Value>>,
) -> Result<String, EditError> {
    let collect = CollectOptions { comments: CommentCollectionStrategy::AsTokens, tokens: true };
    let parsed = parse_to_ast(text, &collect, &OPTIONS).map_err(|error| syntax(&error))?;
    let tokens = parsed.tokens.as_deref().unwrap_or_default();
    let object = section.iter().fold(parsed.value.as_ref(), |value, key| {
        value.and_then(ast::Value::as_object).and_then(|object| object.get(key)).map(|found| &found.value)
    });
    if let Some(object) = object.and_then(ast::Value::as_object) {
        let lines = Lines { text, object, tokens };
        let at = object.properties.iter().position(|property| property.name.as_str() == name);
        let edited = match (entry, at) {
            (Some(entry), None) => lines.with(name, entry),
            (None, Some(at)) => lines.without(at),
            _ => None,
        };
        if let Some(edited) = edited {
            return Ok(edited);
        }
    }
    in_tree(text, section, name, entry)
}

/// An object, as a part of a text.
struct Lines<'a> {
    text: &'a str,
    object: &'a ast::Object<'a>,
    tokens: &'a [TokenAndRange<'a>],
}

impl Lines<'_> {
    /// The text with another property behind the last one; `None` if there is none.
    fn with(&self, name: &str, entry: &Map<String, Value>) -> Option<String> {
        let (first, last) = (self.object.properties.first()?, self.object.properties.last()?);
        let end = last.range.end;
        let comma = self.comma(end, self.object.range.end);
        let at = comma.as_ref().map_or(end, |comma| comma.end);
        let (between, behind) = if comma.is_some() { ("", ",") } else { (",", "") };
        let name = Value::from(name);
        if !self.text[self.object.range.start..first.range.start].contains('\n') {
            let value = Value::Object(entry.clone());
            return Some(format!(
                "{}{between} {name}: {value}{behind}{}",
                &self.text[..at],
                &self.text[at..]
            ));
        }
        let indent = self.indent(last.range.start);
        let step = indent.strip_prefix(self.indent(self.object.range.start)).filter(|step| !step.is_empty());
        let value = pretty(entry, indent, step.unwrap_or("  "));
        let to = self.rest_of_line(at).unwrap_or(at);
        let (before, comment, after) = (&self.text[..at], &self.text[at..to], &self.text[to..]);
        Some(format!("{before}{between}{comment}\n{indent}{name}: {value}{behind}{after}"))
    }

    /// The text without a property; `None` if it is the only one.
    fn without(&self, at: usize) -> Option<String> {
        let properties = &self.object.properties;
        let property = properties.get(at).filter(|_| properties.len() > 1)?;
        let (start, end) = (property.range.start, property.range.end);
        let next = properties.get(at + 1).map_or(self.object.range.end, |next| next.range.start);
        let comma = self.comma(end, next);
        let end = comma.as_ref().map_or(end, |comma| comma.end);
        let line = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let has_line = self.text[line..start].trim().is_empty();
        let mut cut = match self.rest_of_line(end).filter(|_| has_line) {
            Some(rest) => line..(rest + 1).min(self.text.len()),
            // What follows on its line belongs to what is before it.
            None if has_line && !self.ends_in_comment(line) => line.saturating_sub(1)..end,
            None => {
                let spaces = self.text[end..].len() - self.text[end..].trim_start_matches(' ').len();
                start..end + if comma.is_some() { spaces } else { 0 }
            }
        };
        // The one before it is the last now.
        let before = at.checked_sub(1).filter(|_| comma.is_none()).and_then(|at| properties.get(at));
        let Some(before) = before.and_then(|before| self.comma(before.range.end, start)) else {
            return Some(format!("{}{}", &self.text[..cut.start], &self.text[cut.end..]));
        };
        if self.text[before.end..cut.start].trim().is_empty() && !has_line {
            cut.start = before.end;
        }
        let (head, tail) = (&self.text[..before.start], &self.text[cut.end..]);
        Some(format!("{head}{}{tail}", &self.text[before.end..cut.start]))
    }

    /// The comma between two places.
    fn comma(&self, from: usize, to: usize) -> Option<Range<usize>> {
        let is_there = |token: &&TokenAndRange<'_>| token.range.start >= from && token.range.end <= to;
        let found = self.tokens.iter().filter(is_there).find(|token| matches!(token.token, Token::Comma));
        found.map(|comma| comma.range.start..comma.range.end)
    }

    /// Whether the line before the one that begins at a place ends in a comment of its own.
    fn ends_in_comment(&self, line: usize) -> bool {
        let is_one = |token: &TokenAndRange<'_>| matches!(token.token, Token::CommentLine(_));
        self.tokens.iter().any(|token| is_one(token) && token.range.end + 1 == line)
    }

    /// The end of the line of a place, if nothing but comments stands between.
    fn rest_of_line(&self, from: usize) -> Option<usize> {
        let end = self.text[from..].find('\n').map_or(self.text.len(), |length| from + length);
        let is_comment = |token: &TokenAndRange<'_>| {
            matches!(token.token, Token::CommentLine(_) | Token::CommentBlock(_)) && token.range.end <= end
        };
        let mut rest = self.tokens.iter().filter(|token| (from..end).contains(&token.range.start));
        rest.all(is_comment).then_some(end)
    }

    /// The indentation of the line of a place.
    fn indent(&self, at: usize) -> &str {
        let line = self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        let line = &self.text[line..];
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }
}

/// An object on several lines, the last of which has this indentation.
fn pretty(entry: &Map<String, Value>, indent: &str, step: &str) -> String {
    // It indents by two spaces, and texts of JSON have no line breaks.
    let text = format!("{:#}", Value::Object(entry.clone()));
    let lines = text.lines().map(|line| {
        let inner = line.trim_start_matches(' ');
        step.repeat((line.len() - inner.len()) / 2) + inner
    });
    lines.collect::<Vec<_>>().join(&format!("\n{indent}"))
}

/// The text after a change of its tree, which may change the white space inside of the object.
fn in_tree(
    text: &str,
    section: &[&str],
    name: &str,
    entry: Option<&Map<String, Value>>,
) -> Result<String, EditError> {
    let root = CstRootNode::parse(text, &OPTIONS).map_err(|error| syntax(&error))?;
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
    let mut edited = root.to_string();
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

    #[test]
    fn what_was_added_goes_without_a_trace() {
        let new = entry(json!({"command": "b", "args": ["-y"]}));
        for text in [
            r#"{"s": {"a": {"command": "a"}}}"#,
            r#"{"s": {"a": {"command": "a"}, }, "x": 1}"#,
            "{\n\t\"s\": {\n\n\t\t\"a\": {} // last, with words\n\n\t}\n}",
            "{\n  \"s\": {\n    \"a\": {}, /* of\n two lines */\n  }\n}\n",
            "{ \"s\": {\n    \"a\": {} }\n}\n",
        ] {
            let added = Json.edit(text, &["s"], "b", Some(&new)).unwrap_or_else(|e| panic!("{e:?} {text}"));
            assert_eq!(
                Json.edit(&added, &["s"], "b", None).unwrap_or_else(|e| panic!("{e:?} {added}")),
                text,
                "{added}"
            );
        }
        let two = "{\n  \"s\": {\n    \"a\": {}, // first\n    \"b\": {} // last\n  }\n}\n";
        let removed = Json.edit(two, &["s"], "b", None).unwrap();
        assert_eq!(removed, "{\n  \"s\": {\n    \"a\": {} // first\n  }\n}\n");
        let removed = Json.edit(r#"{"s": {"a": {}, "b": {}}}"#, &["s"], "a", None).unwrap();
        assert_eq!(removed, r#"{"s": {"b": {}}}"#);
    }
}
