use proptest::prelude::*;

use super::*;

const STANDARD: &str = "\
---
title: Python MCP Protocol Standards
description: 'How to: standards'
tags:
  - mcp
  - json-rpc
createdAt: '2025-06-27T15:39:08.522Z'
updatedAt: 2025-06-28
language: python
domain: mcp
reviewers: {lead: [a, b], at: {x: 1}}
---

# Heading

---
";

fn lines(text: &str) -> Vec<usize> {
    split(text).faults.iter().map(|fault| fault.line).collect()
}

#[test]
fn every_field_is_read_and_others_are_ignored() {
    let found = split(STANDARD);
    let expected = FrontMatter {
        title: Some("Python MCP Protocol Standards".into()),
        description: Some("How to: standards".into()),
        tags: vec!["mcp".into(), "json-rpc".into()],
        created_at: Some("2025-06-27T15:39:08.522Z".into()),
        updated_at: Some("2025-06-28".into()),
        language: Some("python".into()),
        domain: Some("mcp".into()),
    };
    assert_eq!(found.front_matter, expected);
    assert_eq!(found.content, "# Heading\n\n---\n");
    assert_eq!(found.faults, []);
}

#[test]
fn line_ends_and_byte_order_mark_are_tolerated() {
    let windows = format!("\u{feff}{}", STANDARD.replace('\n', "\r\n"));
    let found = split(&windows);
    assert_eq!(found.front_matter, split(STANDARD).front_matter);
    assert_eq!(found.content, "# Heading\r\n\r\n---\r\n");
    assert_eq!(found.faults, []);
    assert_eq!(split("\u{feff}# A").content, "# A");
}

#[test]
fn a_text_without_front_matter_is_no_fault() {
    for text in ["", "# Title\n---\n", "text", " ---\ntitle: a\n---\n", "----\ntitle: a\n----\n"] {
        let found = split(text);
        assert_eq!((found.content, found.faults), (text, vec![]));
    }
    assert_eq!(split("---\n---\ntext").content, "text");
    assert_eq!(split("---\n# only a comment\n---\ntext").faults, []);
    assert_eq!(split("---\ntitle: a\n---").content, "");
}

#[test]
fn tags_are_a_list_or_words_with_commas() {
    let tags = |tags: &str| split(&format!("---\ntags: {tags}\n---\n")).front_matter.tags;
    assert_eq!(tags("[a, 1.10, ' b ', on]"), ["a", "1.10", "b", "on"]);
    assert_eq!(tags("a, b c,, d"), ["a", "b c", "d"]);
    assert_eq!(tags("one"), ["one"]);
    assert!(tags("").is_empty());
    assert!(tags("[]").is_empty());
}

#[test]
fn scalars_keep_their_spelling_and_null_is_absent() {
    let found = split("---\ntitle: 1.10\ndomain: no\nlanguage: ~\ndescription: 'null'\n---\n").front_matter;
    assert_eq!(found.title.unwrap(), "1.10");
    assert_eq!(found.domain.unwrap(), "no");
    assert_eq!(found.language, None);
    assert_eq!(found.description.unwrap(), "null");
    assert_eq!(split("---\ntitle: >\n  a\n  b\n---\n").front_matter.title.unwrap(), "a b");
}

#[test]
fn a_field_of_another_shape_loses_only_itself() {
    let found = split("---\ntitle: [a]\ntags: [x, [y], {z: 1}, w]\ndomain: {a: b}\nlanguage: go\n---\ntext");
    assert_eq!(found.front_matter.title, None);
    assert_eq!(found.front_matter.tags, ["x", "w"]);
    assert_eq!(found.front_matter.language.unwrap(), "go");
    assert_eq!(found.faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 3, 3, 4]);
    assert!(found.faults[0].reason.starts_with("`title` is a list"), "{:?}", found.faults);
    assert_eq!(found.content, "text");
}

#[test]
fn the_first_of_two_equal_fields_counts() {
    let found = split("---\ntitle: a\ntitle: b\n---\n");
    assert_eq!(found.front_matter.title.unwrap(), "a");
    assert_eq!(found.faults[0].line, 3);
}

#[test]
fn what_stands_before_a_syntax_error_counts() {
    let found = split("---\ntitle: Kept\nlanguage: go\ndescription: a: b\n---\ntext");
    assert_eq!(found.front_matter.title.unwrap(), "Kept");
    assert_eq!(found.front_matter.language.unwrap(), "go");
    assert_eq!(found.faults.len(), 1);
    assert_eq!(found.faults[0].line, 4);
    assert!(found.faults[0].reason.starts_with("not YAML: "), "{:?}", found.faults);
    assert_eq!(found.content, "text");
    assert_eq!(lines("---\ntitle: \"open\nx: y\n---\n").len(), 1);
    assert_eq!(lines("---\ntitle: a\n...\nmore: b\n---\n").len(), 1);
}

#[test]
fn what_is_no_front_matter_stays_in_the_text() {
    for (text, line) in [
        ("---\ntitle: a\n", 1),
        ("---", 1),
        ("---\n\nProse, not fields.\n\n---\nmore\n", 3),
        ("---\n- a\n- b\n---\n", 2),
    ] {
        let found = split(text);
        assert_eq!(found.content, text);
        assert_eq!(found.front_matter, FrontMatter::default());
        assert_eq!(found.faults[0].line, line, "{text}");
    }
    let long = format!("---\ntitle: {}\n---\ntext", "a".repeat(MAX_FRONT_MATTER_BYTES));
    assert_eq!(split(&long).content, long);
    assert_eq!(lines(&long), [1]);
}

#[test]
fn hostile_yaml_is_refused_early() {
    for (yaml, reason) in [
        (format!("x: {}", "[".repeat(30_000)), "nested deeper than 16 levels"),
        (format!("x: {}", "{a: ".repeat(10_000)), "nested deeper than 16 levels"),
        (format!("x:\n  {}a", "- ".repeat(20_000)), "nested deeper than 16 levels"),
        (format!("x: [{}]", "a, ".repeat(20_000)), "more than 4000 keys and values"),
    ] {
        let text = format!("---\ntitle: Kept\n{yaml}\n---\ntext");
        let found = split(&text);
        assert_eq!(found.faults.len(), 1);
        assert!(found.faults[0].reason.contains(reason), "{:?}", found.faults);
        assert_eq!(found.front_matter.title.as_deref(), Some("Kept"));
    }
    let bomb = (0..9).fold("a0: &a0 [x, x, x]\n".to_owned(), |bomb, level| {
        let alias = format!("*a{level}, ").repeat(9);
        format!("{bomb}a{}: &a{} [{alias}]\n", level + 1, level + 1)
    });
    let text = format!("---\n{bomb}title: *a9\nlanguage: go\n---\n");
    let found = split(&text);
    assert_eq!(found.front_matter.title, None);
    assert_eq!(found.front_matter.language.unwrap(), "go");
    assert!(found.faults[0].reason.contains("an alias"));
}

#[test]
fn reasons_are_one_line_without_control_characters() {
    for text in ["---\ntitle: \"a\u{1b}[31m\\q\"\n---\n", "---\na: !\u{7}x y: z\n---\n"] {
        for fault in split(text).faults {
            assert!(!fault.reason.contains(char::is_control), "{fault:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_stops_the_reader(text in any::<String>()) {
        let text = format!("---\n{text}\n---\nend");
        prop_assert!(text.ends_with(split(&text).content));
    }

    #[test]
    fn no_yaml_stops_the_reader(yaml in "(title|tags|x|[ \\-\\[\\]{}:,&*!|>'\"#%@`?~a1]|\r?\n|: |- ){0,60}") {
        let text = format!("---\ntitle: a\n{yaml}\n---\nend");
        let found = split(&text);
        prop_assert!(text.ends_with(found.content));
        let last = text.lines().count() + 1;
        prop_assert!(found.faults.iter().all(|fault| (1..=last).contains(&fault.line)));
    }
}
