//! The difference of two definitions, value by value.

use std::collections::BTreeMap;

use serde_json::Value;

/// Which definition has a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Old,
    New,
}

/// The values that only one of two definitions has, each with its path; both in JSON. Without an old one, all of the new.
pub(super) fn differences(old: Option<&str>, new: &str) -> Vec<(Sign, String)> {
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    if let Some(old) = old {
        add(String::new(), &parsed(old), &mut before);
    }
    add(String::new(), &parsed(new), &mut after);
    let mut lines = Vec::new();
    let mut paths: Vec<&String> = before.keys().chain(after.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths.into_iter().filter(|path| before.get(*path) != after.get(*path)) {
        for (sign, of) in [(Sign::Old, &before), (Sign::New, &after)] {
            if let Some(value) = of.get(path) {
                lines.push((sign, format!("{path}: {value}")));
            }
        }
    }
    lines
}

/// Adds the values below `value` that have none below them, as JSON, by their paths.
fn add(path: String, value: &Value, found: &mut BTreeMap<String, String>) {
    let member = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, value)| add(member(name), value, found));
        }
        Value::Array(elements) if !elements.is_empty() => {
            elements.iter().enumerate().for_each(|(at, value)| add(format!("{path}[{at}]"), value, found));
        }
        _ => _ = found.insert(path, value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_with_its_path_and_the_rest_is_not() {
        let old = r#"{"name":"x","description":"reads","inputSchema":{"required":["a"],"properties":{}}}"#;
        let new =
            r#"{"name":"x","description":"reads\nall","inputSchema":{"required":["a","b"],"properties":{}}}"#;
        let lines = differences(Some(old), new);
        let expected = [
            (Sign::Old, "description: \"reads\""),
            (Sign::New, "description: \"reads\\nall\""),
            (Sign::New, "inputSchema.required[1]: \"b\""),
        ];
        assert_eq!(lines, expected.map(|(sign, line)| (sign, line.to_owned())));
        assert_eq!(differences(None, new).len(), 5);
        assert_eq!(differences(Some(new), new), []);
    }
}
