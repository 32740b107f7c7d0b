//! Whatever a file looks like, an edit changes the bytes of its entry and no others.

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};

use super::Language::{self, Json, Toml, Yaml};

/// How the lines of a file end, and what stands before and after them.
#[derive(Clone, Copy, Debug)]
struct Layout {
    mark: bool,
    /// The ending of each line: all `\n`, all `\r\n`, or in turns.
    endings: usize,
    is_open: bool,
}

impl Layout {
    fn any() -> impl Strategy<Value = Self> {
        (any::<bool>(), 0..3_usize, any::<bool>()).prop_map(|(mark, endings, is_open)| Self {
            mark,
            endings,
            is_open,
        })
    }

    /// The file with these lines.
    fn file(self, lines: &[String]) -> String {
        let mut text = String::from(if self.mark { "\u{feff}" } else { "" });
        for (at, line) in lines.iter().enumerate() {
            let ending = if [false, true, at % 2 == 0][self.endings] { "\r\n" } else { "\n" };
            text += line;
            text += if self.is_open && at + 1 == lines.len() { "" } else { ending };
        }
        text
    }
}

/// A file with the servers `a` and `b`, between lines that belong to none of them. Each line of `a` has `of_a` in it.
#[derive(Clone, Debug)]
struct File {
    language: Language,
    section: &'static [&'static str],
    layout: Layout,
    lines: Vec<String>,
}

/// The parts of which files of a language are made.
struct Pieces {
    /// Lines that belong to no server.
    others: &'static [&'static [&'static str]],
    a: &'static [&'static str],
    b: &'static [&'static str],
    /// What begins and ends the section of servers.
    frame: [&'static [&'static str]; 2],
    section: &'static [&'static str],
}

impl File {
    fn any(language: Language) -> impl Strategy<Value = Self> {
        let others = || vec(0..4_usize, 0..4);
        (Layout::any(), others(), others(), others(), others(), any::<bool>()).prop_map(
            move |(layout, head, first, second, tail, a_is_first)| {
                let Pieces { others, a, b, frame, section } = match language {
                    Json => Pieces {
                        others: &[
                            &["  // a comment"],
                            &[""],
                            &["  \"key\": [1,  2], // kept"],
                            &["  /* of", "  two lines */"],
                        ],
                        a: &["    \"a\": {\"command\": \"of_a\"},"],
                        b: &["    \"b\": {\"command\": \"b\"}, // the other"],
                        frame: [&["  \"mcpServers\": {"], &["  },"]],
                        section: &["mcpServers"],
                    },
                    Toml => Pieces {
                        others: &[
                            &["# a comment"],
                            &[""],
                            &["[table]", "key = 1 # kept"],
                            &["[[list]]", "text = \"\"\"", "# no comment", "\"\"\""],
                        ],
                        a: &[
                            "[mcp_servers.a] # of_a",
                            "command = \"of_a\"",
                            "[mcp_servers.a.env] # of_a",
                            "K = \"of_a\"",
                        ],
                        b: &["[mcp_servers.b]", "command = \"b\" # the other"],
                        frame: [&[], &[]],
                        section: &["mcp_servers"],
                    },
                    Yaml => Pieces {
                        others: &[
                            &["# a comment"],
                            &[""],
                            &["key: 1.10 # kept"],
                            &["text: |", "  # no comment", "  text"],
                        ],
                        a: &["  a: # of_a", "    cmd: of_a"],
                        b: &["  b:", "    cmd: b # the other", "    timeout: 1.10"],
                        frame: [&["extensions: # words"], &[]],
                        section: &["extensions"],
                    },
                };
                let mut lines = Vec::new();
                let mut add = |text: &[&str], at: usize| {
                    let numbered = |line: &&str| match language {
                        Toml => line.replace("[table]", &format!("[table{at}]")),
                        Json => line.replace("\"key\"", &format!("\"key{at}\"")),
                        Yaml => {
                            line.replace("key:", &format!("key{at}:")).replace("text:", &format!("text{at}:"))
                        }
                    };
                    lines.extend(text.iter().map(numbered));
                };
                // Inside of a section of JSON and YAML, only comments and empty lines.
                let inner = |kind: usize| if language == Toml { kind } else { kind % 2 };
                if language == Json {
                    add(&["{"], 0);
                }
                head.iter().enumerate().for_each(|(at, kind)| add(others[*kind], at));
                add(frame[0], 0);
                let pair = if a_is_first { [a, b] } else { [b, a] };
                first.iter().enumerate().for_each(|(at, kind)| add(others[inner(*kind)], 10 + at));
                add(pair[0], 0);
                second.iter().enumerate().for_each(|(at, kind)| add(others[inner(*kind)], 20 + at));
                add(pair[1], 0);
                add(frame[1], 0);
                tail.iter().enumerate().for_each(|(at, kind)| add(others[*kind], 30 + at));
                if language == Json {
                    add(&["}"], 0);
                }
                Self { language, section, layout, lines }
            },
        )
    }

    fn text(&self) -> String {
        self.layout.file(&self.lines)
    }

    fn edit(&self, text: &str, name: &str, entry: Option<&Value>) -> String {
        let entry: Option<&Map<String, Value>> = entry.and_then(Value::as_object);
        self.language.edit(text, self.section, name, entry).unwrap()
    }
}

/// The lines of a text with their endings, without those that `drop` names.
fn lines(text: &str, drop: impl Fn(&str) -> bool) -> Vec<&str> {
    text.split_inclusive('\n').filter(|line| !drop(line)).collect()
}

/// The same for an entry that was removed: an empty line before a table goes with it, and the last line may be another one.
fn rest_of(text: &str) -> Vec<&str> {
    lines(text.trim_start_matches('\u{feff}'), |line| line.contains("of_a") || line.trim().is_empty())
}

fn check(file: &File) {
    let text = file.text();
    let command = if file.language == Yaml { "cmd" } else { "command" };
    let new = json!({command: "new", "args": ["x"]});
    let added = file.edit(&text, "new", Some(&new));
    assert_eq!(file.edit(&added, "new", None), text, "added: {added:?}");

    let removed = file.edit(&text, "a", None);
    let (mut left, mut expected) = (rest_of(&removed), rest_of(&text));
    for last in [left.last_mut(), expected.last_mut()].into_iter().flatten() {
        *last = last.trim_end();
    }
    assert_eq!(left, expected, "removed: {removed:?}");
    assert_eq!(removed.starts_with('\u{feff}'), text.starts_with('\u{feff}'));

    let replaced = file.edit(&text, "a", Some(&new));
    let is_new = |line: &str| ["of_a", "new", "\"x\"", "\"a\": {"].iter().any(|part| line.contains(part));
    let others = |text| -> Vec<String> {
        lines(text, |line| is_new(line) || ["", "},"].contains(&line.trim()))
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let (mut left, mut expected) = (others(&replaced), others(&text));
    if file.layout.is_open {
        for last in [left.last_mut(), expected.last_mut()].into_iter().flatten() {
            *last = last.trim_end().to_owned();
        }
    }
    assert_eq!(left, expected, "replaced: {replaced:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_of_json_changes_nothing_but_its_entry(file in File::any(Json)) {
        check(&file);
    }

    #[test]
    fn an_edit_of_toml_changes_nothing_but_its_entry(file in File::any(Toml)) {
        check(&file);
    }

    #[test]
    fn an_edit_of_yaml_changes_nothing_but_its_entry(file in File::any(Yaml)) {
        check(&file);
    }
}
