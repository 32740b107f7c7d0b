//! TOML, as a value.

use ::toml_edit::{DocumentMut, Item, TomlError};
use serde_json::{Number, Value};

use super::error::SyntaxError;

pub(super) fn parse(text: &str) -> Result<Value, SyntaxError> {
    let document: DocumentMut = text.parse().map_err(|error| syntax(text, &error))?;
    Ok(table(document.as_table().iter().collect::<Vec<_>>()))
}

pub(super) fn syntax(text: &str, error: &TomlError) -> SyntaxError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    SyntaxError { line, column, reason: error.message().lines().collect::<Vec<_>>().join(", ") }
}

fn table(entries: Vec<(&str, &Item)>) -> Value {
    Value::Object(entries.into_iter().map(|(key, item)| (key.to_owned(), item_value(item))).collect())
}

pub(super) fn item_value(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => plain(value),
        Item::Table(inner) => table(inner.iter().collect()),
        Item::ArrayOfTables(tables) => {
            Value::Array(tables.iter().map(|inner| table(inner.iter().collect())).collect())
        }
    }
}

fn plain(value: &::toml_edit::Value) -> Value {
    use ::toml_edit::Value as Toml;
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

#[cfg(test)]
mod tests {
    #[test]
    fn a_fault_is_said_with_its_place() {
        let error = super::parse("a = 1\n[b\n").unwrap_err();
        assert_eq!(error.line, 2, "{error:?}");
    }
}
