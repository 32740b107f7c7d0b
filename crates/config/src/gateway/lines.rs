use std::collections::HashMap;

use toml_edit::{Document, Item, TableLike, Value};

/// The line, from 1, of each key in `text`, an `anyport.toml`, by the keys that lead to it. Empty if the text cannot be parsed.
pub fn lines(text: &str) -> HashMap<Vec<String>, usize> {
    let mut lines = HashMap::new();
    if let Ok(document) = Document::parse(text) {
        walk(text, document.as_table(), &mut Vec::new(), &mut lines);
    }
    lines
}

fn walk(text: &str, table: &dyn TableLike, path: &mut Vec<String>, lines: &mut HashMap<Vec<String>, usize>) {
    for (name, item) in table.iter() {
        path.push(name.to_owned());
        let key = table.get_key_value(name).and_then(|(key, _)| key.span());
        if let Some(span) = key.or_else(|| item.span()) {
            lines.insert(path.clone(), text[..span.start].matches('\n').count() + 1);
        }
        match item {
            Item::Table(inner) => walk(text, inner, path, lines),
            Item::Value(Value::InlineTable(inner)) => walk(text, inner, path, lines),
            _ => {}
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn every_key_has_its_line() {
        let lines = lines(
            "[gateway]\nname = \"a\"\n\n[upstreams.b]\nenv = { K = \"v\" }\nargs = [\n  \"x\",\n]\nurl = \"u\"\n",
        );
        let line =
            |keys: &[&str]| lines.get(&keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>()).copied();
        assert_eq!(line(&["gateway", "name"]), Some(2));
        assert_eq!(line(&["upstreams", "b", "env", "K"]), Some(5));
        assert_eq!(line(&["upstreams", "b", "args"]), Some(6));
        assert_eq!(line(&["upstreams", "b", "url"]), Some(9));
        assert_eq!(line(&["limits"]), None);
    }
}
