//! TOML.

use serde_json::{Map, Number, Value};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TomlError, value};

use super::error::{EditError, SyntaxError};

pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    let document: DocumentMut = text.parse().map_err(|error| syntax(text, &error))?;
    Ok(table(document.as_table().iter().collect::<Vec<_>>()))
}

fn syntax(text: &str, error: &TomlError) -> SyntaxError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    SyntaxError { line, column, reason: error.message().lines().collect::<Vec<_>>().join(", ") }
}

fn table(entries: Vec<(&str, &Item)>) -> Value {
    Value::Object(entries.into_iter().map(|(key, item)| (key.to_owned(), item_value(item))).collect())
}

fn item_value(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => plain(value),
        Item::Table(inner) => table(inner.iter().collect()),
        Item::ArrayOfTables(tables) => {
            Value::Array(tables.iter().map(|inner| table(inner.iter().collect())).collect())
        }
    }
}

fn plain(value: &toml_edit::Value) -> Value {
    use toml_edit::Value as Toml;
    match value {
        Toml::String(text) => Value::String(text.value().clone()),
        Toml::Integer(number) => Value::Number((*number.value()).into()),
        Toml::Float(number) => Number::from_f64(*number.value()).map_or(Value::Null, Value::Number),
        Toml::Boolean(flag) => Value::Bool(*flag.value()),
        Toml::Datetime(time) => Value::String(time.value().to_string()),
        Toml::Array(list) => Value::Array(list.iter().map(plain).collect()),
        Toml::InlineTable(inner) => {
            Value::Object(inner.iter().map(|(key, value)| (key.to_owned(), plain(value))).collect())
        }
    }
}

pub(super) fn edit(
    text: &str,
    section: &[&str],
    name: &str,
    entry: Option<&Map<String, Value>>,
) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|error| syntax(text, &error))?;
    let mut parent: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for key in section {
        if parent.get(key).is_none() {
            if entry.is_none() {
                return Ok(text.to_owned());
            }
            // Only the tables below it have a heading.
            let mut table = Table::new();
            table.set_implicit(true);
            parent.insert(key, Item::Table(table));
        }
        let inner = parent.get_mut(key).and_then(Item::as_table_like_mut);
        parent = inner.ok_or_else(|| EditError::Unsafe(format!("{key} is no table")))?;
    }
    let Some(entry) = entry else {
        parent.remove(name);
        return Ok(document.to_string());
    };
    match parent.get_mut(name).and_then(Item::as_table_like_mut) {
        Some(old) => replace(old, entry),
        None => {
            let mut table = Table::new();
            replace(&mut table, entry);
            parent.insert(name, Item::Table(table));
        }
    }
    Ok(document.to_string())
}

/// Changes the keys that differ, so that comments beside the others stay.
fn replace(old: &mut dyn toml_edit::TableLike, entry: &Map<String, Value>) {
    let gone: Vec<String> =
        old.iter().map(|(key, _)| key.to_owned()).filter(|key| !entry.contains_key(key)).collect();
    for key in gone {
        old.remove(&key);
    }
    for (key, new) in entry {
        if old.get(key).map(item_value).as_ref() != Some(new) {
            let Some(new) = toml(new) else { continue };
            old.insert(key, value(new));
        }
    }
}

/// The value in TOML, which has no null.
fn toml(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(list) => list.iter().filter_map(toml).collect::<Array>().into(),
        Value::Object(map) => {
            let mut inner = InlineTable::new();
            for (key, value) in map {
                inner.insert(key, toml(value)?);
            }
            inner.into()
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::Language::Toml;

    const TEXT: &str = "# mine\nmodel = \"m\" # the model\n\n[mcp_servers.a]\ncommand = \"a\" # first\nenv = { K = \"v\" }\n\n[tui]\nx = 1\n";

    #[test]
    fn an_edit_keeps_comments_order_and_other_keys() {
        let b = json!({"url": "https://b/mcp", "http_headers": {"X-A": "1"}});
        let added = Toml.edit(TEXT, &["mcp_servers"], "b", b.as_object()).unwrap();
        for kept in [
            "# mine\nmodel = \"m\" # the model\n",
            "command = \"a\" # first\nenv = { K = \"v\" }",
            "[tui]\nx = 1\n",
        ] {
            assert!(added.contains(kept), "{added}");
        }
        assert!(
            added.contains("[mcp_servers.b]\nurl = \"https://b/mcp\"\nhttp_headers = { X-A = \"1\" }\n"),
            "{added}"
        );
        assert!(!added.contains("[mcp_servers]\n"), "{added}");
        assert_eq!(Toml.edit(&added, &["mcp_servers"], "b", None).unwrap(), TEXT);
        let new = json!({"command": "a", "args": ["x"]});
        let replaced = Toml.edit(TEXT, &["mcp_servers"], "a", new.as_object()).unwrap();
        assert!(replaced.contains("command = \"a\" # first\nargs = [\"x\"]\n"), "{replaced}");
    }

    #[test]
    fn an_empty_file_gets_one_table() {
        let a = json!({"command": "a"});
        assert_eq!(
            Toml.edit("", &["mcp_servers"], "a", a.as_object()).unwrap(),
            "[mcp_servers.a]\ncommand = \"a\"\n"
        );
    }

    #[test]
    fn a_fault_is_said_with_its_place() {
        let error = super::parse("a = 1\n[b\n").unwrap_err();
        assert_eq!(error.line, 2, "{error:?}");
    }
}
