//! Edits of TOML. A table with a heading is added and removed as lines of text: the library keeps the comments before a heading as
//! a part of its table, and would remove them with it.

use ::toml_edit::{Array, Document, DocumentMut, InlineTable, Item, Table, TableLike, value};
use serde_json::{Map, Value};

use super::{
    error::EditError,
    toml::{item_value, syntax},
};

/// Changes the entry `name` below `section`.
pub(super) fn edit(
    text: &str,
    section: &[&str],
    name: &str,
    entry: Option<&Map<String, Value>>,
) -> Result<String, EditError> {
    let document = Document::parse(text).map_err(|error| syntax(text, &error))?;
    let found = section.iter().try_fold(document.as_item(), |item, key| item.get(*key));
    let has_headings = found.is_none_or(has_heading);
    let old = found.and_then(|item| item.get(name));
    match (entry, old) {
        (None, None) => Ok(text.to_owned()),
        (None, Some(old)) if has_headings && has_heading(old) => Ok(without(text, &tables(old))),
        (Some(entry), None) if has_headings => {
            let siblings = found.map(tables).unwrap_or_default();
            Ok(with(text, &siblings, &edited("", section, name, Some(entry))?))
        }
        (entry, _) => edited(text, section, name, entry),
    }
}

/// Whether an item is a table of its own, or one that consists of such tables.
fn has_heading(item: &Item) -> bool {
    item.as_table().is_some_and(|table| !table.is_dotted())
}

/// The bytes of a table: from its heading to the end of its last value.
#[derive(Clone, Copy, Debug)]
struct Extent {
    start: usize,
    end: usize,
}

/// The tables with headings that an item consists of.
fn tables(item: &Item) -> Vec<Extent> {
    match item {
        Item::Table(table) => of_table(table),
        Item::ArrayOfTables(tables) => tables.iter().flat_map(of_table).collect(),
        Item::None | Item::Value(_) => Vec::new(),
    }
}

fn of_table(table: &Table) -> Vec<Extent> {
    let own = table.span().filter(|_| !table.is_implicit() && !table.is_dotted());
    let own = own.map(|heading| Extent { start: heading.start, end: heading.end.max(end_of_values(table)) });
    own.into_iter().chain(table.iter().flat_map(|(_, item)| tables(item))).collect()
}

fn end_of_values(table: &Table) -> usize {
    let end = |item: &Item| match item {
        Item::Value(value) => value.span().map_or(0, |span| span.end),
        Item::Table(inner) if inner.is_dotted() => end_of_values(inner),
        _ => 0,
    };
    table.iter().map(|(_, item)| end(item)).max().unwrap_or_default()
}

/// `text` without the lines of `tables`, and without the empty line before each. Comments stay.
fn without(text: &str, tables: &[Extent]) -> String {
    let mut tables = tables.to_vec();
    tables.sort_unstable_by_key(|table| table.start);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for table in tables {
        let start = text[..table.start].rfind('\n').map_or(0, |at| at + 1);
        out.push_str(&text[from..start]);
        if out.ends_with("\n\n") || out == "\n" {
            out.pop();
        }
        from = end_of_line(text, table.end);
    }
    let rest = &text[from..];
    let rest = if out.is_empty() { rest.strip_prefix('\n').unwrap_or(rest) } else { rest };
    out + rest
}

/// `text` with `table` after the last of `siblings`, or at the end.
fn with(text: &str, siblings: &[Extent], table: &str) -> String {
    let last = siblings.iter().map(|sibling| sibling.end).max();
    let (before, after) = text.split_at(last.map_or(text.len(), |end| end_of_line(text, end)));
    let empty = if before.is_empty() { "" } else { "\n" };
    format!("{before}{empty}{table}{after}")
}

/// The end of the line that has the byte before `at`.
fn end_of_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |length| at + length + 1)
}

/// The text after a change of its tree.
fn edited(
    text: &str,
    section: &[&str],
    name: &str,
    entry: Option<&Map<String, Value>>,
) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|error| syntax(text, &error))?;
    let mut parent: &mut dyn TableLike = document.as_table_mut();
    for key in section {
        if parent.get(key).is_none() {
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
fn replace(old: &mut dyn TableLike, entry: &Map<String, Value>) {
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
fn toml(value: &Value) -> Option<::toml_edit::Value> {
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
    fn comments_before_a_table_outlive_it() {
        let remove = |text: &str| Toml.edit(text, &["mcp_servers"], "a", None).unwrap();
        let tui = "[tui]\nx = 1\n";
        let a = "[mcp_servers.a]\ncommand = \"\"\"\na\n\"\"\" # first\n";
        assert_eq!(remove(&format!("# mine\n# all\n\n{a}\n{tui}")), format!("# mine\n# all\n\n{tui}"));
        assert_eq!(remove(&format!("# mine\n{a}# of tui\n{tui}")), format!("# mine\n# of tui\n{tui}"));
        assert_eq!(remove(&format!("{a}\n{tui}")), tui);
        assert_eq!(remove(&format!("# mine\n\n{a}")), "# mine\n");
        let parts = "[mcp_servers.a]\ncommand = \"a\"\n\n# its variables\n[mcp_servers.a.env]\nK.x = \"v\"\n\n[mcp_servers.b]\n";
        assert_eq!(remove(parts), "\n# its variables\n\n[mcp_servers.b]\n");
    }

    #[test]
    fn a_table_is_added_behind_what_is_there() {
        let entry = json!({"command": "b"});
        let add = |text: &str| Toml.edit(text, &["mcp_servers"], "b", entry.as_object()).unwrap();
        let b = "[mcp_servers.b]\ncommand = \"b\"\n";
        assert_eq!(add("# mine\n"), format!("# mine\n\n{b}"));
        assert_eq!(add("# mine\n\n[tui]\nx = 1\n# end\n"), format!("# mine\n\n[tui]\nx = 1\n# end\n\n{b}"));
        assert_eq!(add("[mcp_servers]\n# none\n"), format!("[mcp_servers]\n\n{b}# none\n"));
        // A table on one line and keys with dots have no lines of their own.
        assert!(
            add("mcp_servers = {}\n").starts_with("mcp_servers = { b = "),
            "{}",
            add("mcp_servers = {}\n")
        );
    }
}
