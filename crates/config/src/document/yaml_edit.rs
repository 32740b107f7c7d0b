//! Edits of YAML, line by line: the libraries that keep comments write only what they have read into a tree of their own, and
//! the one entry that is edited here is a block of lines.

use std::ops::Range;

use serde_json::{Map, Value};

use super::{error::EditError, value::lookup, yaml::parse};

/// Changes the block of an entry below `section`, which are keys of block mappings.
pub(super) fn edit(
    text: &str,
    section: &[&str],
    name: &str,
    entry: Option<&Map<String, Value>>,
) -> Result<String, EditError> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut block = Block { start: 0, end: lines.len(), indent: 0 };
    for (depth, key) in section.iter().enumerate() {
        block = match block.entry(&lines, key) {
            Some(line) => {
                let end = block.end_of(&lines, line);
                inside(&mut lines, line, key, end)?
            }
            None if entry.is_none() => return Ok(text.to_owned()),
            None => {
                let at = block.last(&lines);
                let indent = block.indent;
                for (more, key) in section[depth..].iter().enumerate() {
                    lines.insert(at + more, format!("{}{key}:", " ".repeat(indent + 2 * more)));
                }
                let start = at + section.len() - depth;
                let indent = indent + 2 * (section.len() - depth);
                lines.splice(start..start, written(name, entry, indent));
                return Ok(joined(&lines));
            }
        };
    }
    let range = match block.entry(&lines, name) {
        Some(line) => line..block.end_of(&lines, line),
        None => {
            let last = block.last(&lines);
            last..last
        }
    };
    let old = lookup(&parse(text)?, section, name).and_then(Value::as_object).cloned();
    if let (Some(old), Some(entry)) = (old, entry)
        && let Some(block) = Block::below(&lines, &range)
        && let Some(changes) = block.changes(&lines, &old, entry)
    {
        for (range, new) in changes {
            lines.splice(range, new);
        }
        return Ok(joined(&lines));
    }
    let removed = range.len();
    lines.splice(range, written(name, entry, block.indent));
    block.end -= removed.min(block.end);
    let is_empty = entry.is_none() && block.keys(&lines).next().is_none();
    if is_empty && block.start > 0 {
        // Before a comment.
        let line = &mut lines[block.start - 1];
        let colon = line.find(':').unwrap_or(line.len());
        line.insert_str((colon + 1).min(line.len()), " {}");
    }
    Ok(joined(&lines))
}

fn joined(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// The block below the key on `line`, which ends before `end`.
fn inside(lines: &mut [String], line: usize, key: &str, end: usize) -> Result<Block, EditError> {
    let indent = indent(&lines[line]);
    let value = lines[line].trim_start().split_once(':').map_or("", |(_, value)| value.trim());
    let first = lines[line + 1..end].iter().find(|line| is_content(line)).map(|line| self::indent(line));
    match value.strip_prefix("{}") {
        Some(rest) if is_nothing(rest.trim_start()) => {
            if let Some(braces) = lines[line].find("{}") {
                let before = lines[line][..braces].trim_end().len();
                lines[line].replace_range(before..braces + 2, "");
            }
            Ok(Block { start: line + 1, end: line + 1, indent: indent + 2 })
        }
        _ if is_nothing(value) => Ok(Block { start: line + 1, end, indent: first.unwrap_or(indent + 2) }),
        _ => Err(EditError::Unsafe(format!("{key} is written on one line"))),
    }
}

/// Whether nothing but a comment stands there.
fn is_nothing(text: &str) -> bool {
    text.is_empty() || text.starts_with('#')
}

/// A block mapping: its lines, and the indentation of its keys.
struct Block {
    start: usize,
    end: usize,
    indent: usize,
}

impl Block {
    /// The block below the key on the first line of `range`; `None` if its value begins on that line.
    fn below(lines: &[String], range: &Range<usize>) -> Option<Self> {
        let (_, value) = lines.get(range.start)?.split_once(':')?;
        let first = lines[range.start + 1..range.end].iter().find(|line| is_content(line))?;
        is_nothing(value.trim()).then_some(Self {
            start: range.start + 1,
            end: range.end,
            indent: indent(first),
        })
    }

    /// The lines to replace so that the mapping `old` of this block becomes `new`, the last first. A key whose value is the same
    /// keeps its lines: a number may be written in more than one way. `None` if a key is not found.
    fn changes(
        &self,
        lines: &[String],
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) -> Option<Vec<(Range<usize>, Vec<String>)>> {
        let mut changes = Vec::new();
        let mut end = self.start;
        for (key, value) in old {
            let line = self.entry(lines, key)?;
            let range = line..self.end_of(lines, line);
            end = end.max(range.end);
            match new.get(key) {
                Some(new) if new == value => {}
                Some(new) => changes.push((range, vec![self.pair(key, new)])),
                None => changes.push((range, Vec::new())),
            }
        }
        let added = new.iter().filter(|(key, _)| !old.contains_key(*key));
        changes.push((end..end, added.map(|(key, value)| self.pair(key, value)).collect()));
        changes.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        Some(changes)
    }

    fn pair(&self, name: &str, value: &Value) -> String {
        format!("{}{}: {value}", " ".repeat(self.indent), key(name))
    }

    /// The lines with its keys. Lines have been removed or added since it was found.
    fn keys<'a>(&self, lines: &'a [String]) -> impl Iterator<Item = (usize, &'a str)> {
        let wanted = self.indent;
        let lines = lines.iter().enumerate().take(self.end).skip(self.start);
        lines
            .filter(move |(_, line)| is_content(line) && indent(line) == wanted)
            .map(|(at, line)| (at, line.trim()))
    }

    /// The line with `key`.
    fn entry(&self, lines: &[String], key: &str) -> Option<usize> {
        let forms = [format!("{key}:"), format!("\"{key}\":"), format!("'{key}':")];
        let found = self.keys(lines).find(|(_, line)| {
            forms.iter().any(|form| {
                line.strip_prefix(form.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            })
        });
        found.map(|(at, _)| at)
    }

    /// The end of the value of the key on `line`: comments and empty lines before the next key belong to that.
    fn end_of(&self, lines: &[String], line: usize) -> usize {
        let belongs = |at: &usize| {
            let text = &lines[*at];
            let continues = indent(text) > self.indent
                || (indent(text) == self.indent && text.trim_start().starts_with("- "));
            !text.trim().is_empty() && continues
        };
        let next = (line + 1..self.end.min(lines.len()))
            .find(|at| is_content(&lines[*at]) && !belongs(at))
            .unwrap_or(self.end.min(lines.len()));
        (line + 1..next).rev().find(belongs).map_or(line + 1, |last| last + 1)
    }

    /// The line after its last value.
    fn last(&self, lines: &[String]) -> usize {
        self.keys(lines).last().map_or_else(
            || if self.start == 0 { self.end.min(lines.len()) } else { self.start },
            |(line, _)| self.end_of(lines, line),
        )
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Whether a line is neither empty nor a comment, nor begins or ends a document.
fn is_content(line: &str) -> bool {
    let text = line.trim();
    !text.is_empty() && !text.starts_with('#') && !line.starts_with("---") && !line.starts_with("...")
}

/// The lines of an entry. JSON is YAML, so that values of more than one line need none.
fn written(name: &str, entry: Option<&Map<String, Value>>, indent: usize) -> Vec<String> {
    let Some(entry) = entry else { return Vec::new() };
    let padding = " ".repeat(indent);
    let mut lines = vec![format!("{padding}{}:", key(name))];
    lines.extend(entry.iter().map(|(name, value)| format!("{padding}  {}: {value}", key(name))));
    lines
}

/// A key, in quotes where it could be read as something else.
fn key(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        && !matches!(
            name.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::Language::Yaml;

    const TEXT: &str = "# mine\nGOOSE_MODEL: m # the model\nextensions:\n  # the first\n  developer:\n    type: builtin\n    name: developer\n\n  # files\n  files:\n    cmd: npx\n    args:\n    - -y\n    type: stdio # end\n\n# after\nother: 1\n";

    #[test]
    fn an_edit_keeps_comments_order_and_other_keys() {
        let new = json!({"type": "stdio", "cmd": "b", "args": ["x: y"], "envs": {"A": "1"}});
        let added = Yaml.edit(TEXT, &["extensions"], "b", new.as_object()).unwrap();
        let expected = TEXT.replace(
            "type: stdio # end\n",
            "type: stdio # end\n  b:\n    type: \"stdio\"\n    cmd: \"b\"\n    args: [\"x: y\"]\n    envs: {\"A\":\"1\"}\n",
        );
        assert_eq!(added, expected);
        assert_eq!(Yaml.edit(&added, &["extensions"], "b", None).unwrap(), TEXT);
        let replaced = Yaml.edit(TEXT, &["extensions"], "files", new.as_object()).unwrap();
        assert!(
            replaced.contains(
                "  # files\n  files:\n    cmd: \"b\"\n    args: [\"x: y\"]\n    type: stdio # end\n    envs: {\"A\":\"1\"}\n"
            ),
            "{replaced}"
        );
        assert!(replaced.ends_with("\n# after\nother: 1\n"), "{replaced}");
        let removed = Yaml.edit(TEXT, &["extensions"], "developer", None).unwrap();
        assert_eq!(removed, TEXT.replace("  developer:\n    type: builtin\n    name: developer\n", ""));
    }

    #[test]
    fn empty_files_and_sections_are_filled() {
        let new = json!({"cmd": "a"});
        let add = |text| Yaml.edit(text, &["extensions"], "a", new.as_object());
        let filled = "extensions:\n  a:\n    cmd: \"a\"\n";
        assert_eq!(add("").unwrap(), filled);
        assert_eq!(add("extensions: {}\n").unwrap(), filled);
        assert_eq!(add("extensions:\n").unwrap(), filled);
        assert_eq!(add("x: 1\n").unwrap(), format!("x: 1\n{filled}"));
        assert_eq!(
            add("extensions:\n    b:\n        cmd: c\n").unwrap(),
            "extensions:\n    b:\n        cmd: c\n    a:\n      cmd: \"a\"\n"
        );
        assert_eq!(Yaml.edit(filled, &["extensions"], "a", None).unwrap(), "extensions: {}\n");
        assert!(add("extensions: {b: {cmd: c}}\n").is_err());
        assert!(add("extensions: [b]\n").is_err());
        assert!(add("extensions:\n\t- b\n").is_err());
    }

    #[test]
    fn what_stays_of_an_entry_keeps_its_form() {
        let text = "extensions:\n  a:\n    cmd: a # old\n    timeout: 1.10 # seconds\n    mode: 0x1F\n    args:\n    - -y\n    'other': 007\n# end\n";
        let new = json!({"cmd": "b", "timeout": 1.1, "mode": "0x1F", "other": 7, "envs": {}});
        let replaced = Yaml.edit(text, &["extensions"], "a", new.as_object()).unwrap();
        assert_eq!(
            replaced,
            "extensions:\n  a:\n    cmd: \"b\"\n    timeout: 1.10 # seconds\n    mode: 0x1F\n    'other': 007\n    envs: {}\n# end\n"
        );
    }

    #[test]
    fn an_empty_section_keeps_its_comment() {
        let text = "extensions: # words\n  a:\n    cmd: \"a\"\n";
        let removed = Yaml.edit(text, &["extensions"], "a", None).unwrap();
        assert_eq!(removed, "extensions: {} # words\n");
        let new = json!({"cmd": "a"});
        assert_eq!(Yaml.edit(&removed, &["extensions"], "a", new.as_object()).unwrap(), text);
    }
}
