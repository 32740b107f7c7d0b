use proptest::prelude::*;

use super::*;

const GUIDE: &str = "\
# Guide

Intro.

## Setup ##

Run `make`:

```sh
# not a heading
## nor this
```

### Details

Small print.

Usage
-----

> ## Quoted

- # Listed

    # indented code

<!--
# commented
-->

Last
====
The end.
";

fn titles(text: &str) -> Vec<(u8, String)> {
    outline(text).into_iter().map(|heading| (heading.level, heading.title)).collect()
}

fn slugs(text: &str) -> Vec<String> {
    outline(text).into_iter().map(|heading| heading.slug).collect()
}

#[test]
fn atx_and_setext_headings_are_found_and_nothing_else() {
    let expected = [(1, "Guide"), (2, "Setup"), (3, "Details"), (2, "Usage"), (1, "Last")];
    assert_eq!(titles(GUIDE), expected.map(|(level, title)| (level, title.to_owned())));
    assert_eq!(titles(&GUIDE.replace('\n', "\r\n")), titles(GUIDE));
}

#[test]
fn a_section_ends_at_the_next_heading_of_its_level_or_higher() {
    let setup = section(GUIDE, "Setup").unwrap();
    assert!(setup.starts_with("## Setup ##\n"));
    assert!(setup.ends_with("Small print.\n\n"));
    assert_eq!(section(GUIDE, "details").unwrap(), "### Details\n\nSmall print.\n\n");
    assert_eq!(section(GUIDE, "last").unwrap(), "Last\n====\nThe end.\n");
    assert!(section(GUIDE, "#guide").unwrap().ends_with("-->\n\n"));
    assert_eq!(section(GUIDE, "not a heading"), None);
    assert_eq!(section(GUIDE, "Quoted"), None);
    assert_eq!(section(GUIDE, ""), None);
    assert_eq!(section("", "x"), None);
}

#[test]
fn a_heading_is_found_by_title_slug_and_near_title() {
    let text = "## What's new?\na\n## whats-new\nb\n   ## Indented\nc\n";
    assert_eq!(section(text, "What's new?").unwrap(), "## What's new?\na\n");
    assert_eq!(section(text, "whats-new").unwrap(), "## whats-new\nb\n");
    assert_eq!(section(text, "WHAT'S NEW").unwrap(), "## What's new?\na\n");
    assert_eq!(section(text, "#whats-new-1").unwrap(), "## whats-new\nb\n");
    assert_eq!(section(text, "indented").unwrap(), "   ## Indented\nc\n");
}

#[test]
fn titles_are_plain_text() {
    let text = "# A `b` *c* [d](e) ![f](g)\n\nTwo\nlines\n===\n";
    assert_eq!(titles(text), [(1, "A b c d".to_owned()), (1, "Two lines".to_owned())]);
}

#[test]
fn slugs_are_those_of_github() {
    for (title, expected) in [
        ("JSON-RPC 2.0 Foundation", "json-rpc-20-foundation"),
        ("1. Basic MCP Server Structure", "1-basic-mcp-server-structure"),
        ("Type Safety & Errors", "type-safety--errors"),
        ("snake_case `code`", "snake_case-code"),
        ("Überblick: Größe", "überblick-größe"),
        ("日本語 テスト", "日本語-テスト"),
    ] {
        assert_eq!(slugs(&format!("# {title}\n")), [expected]);
    }
}

#[test]
fn equal_titles_have_slugs_of_their_own() {
    assert_eq!(slugs("# a\n# a-1\n# a\n# a\n> # b\n\n# b\n"), ["a", "a-1", "a-2", "a-3", "b-1"]);
}

#[test]
fn the_opening_is_the_first_heading_and_paragraph_with_text() {
    let text =
        "By *me*.\n\n## Title\n\n[![badge](b.svg)](c)\n\n> quoted\n\n- item\n\nFirst\n`words`.\n\n# Later\n";
    assert_eq!(opening(text), (Some("Title".into()), Some("First words.".into())));
    assert_eq!(opening("By *me*.\n\n# Title\n"), (Some("Title".into()), Some("By me.".into())));
    assert_eq!(opening("Only\ntext.\n\nMore.\n"), (None, Some("Only text.".into())));
    assert_eq!(opening("```\n# x\n```\n"), (None, None));
}

proptest! {
    #[test]
    fn every_heading_leads_to_its_section(text in "([#>` a=-]{0,6}[ab]{0,2}\r?\n){0,12}") {
        let headings = outline(&text);
        for heading in headings.iter().filter(|heading| !heading.slug.is_empty()) {
            let found = section(&text, &heading.slug).unwrap();
            prop_assert!(text.contains(found));
        }
        let unique: std::collections::HashSet<_> = headings.iter().map(|heading| &heading.slug).collect();
        prop_assert_eq!(unique.len(), headings.len());
    }

    #[test]
    fn no_text_stops_the_outline(text in any::<String>()) {
        outline(&text);
        opening(&text);
    }
}

#[test]
fn headings_in_html_are_headings() {
    let text = "<div>\n<h1 align=\"center\">A <b>b</b></h1>\n\nIntro.\n\n</div>\n\n<h2><a name=\"x\"></a>Setup\n</h2>\n\nDo.\n\n\
        <h2>\n\nMore\n\n</h2>\n\n> <h2>Quoted</h2>\n\n<h3><img src=\"x\"></h3>\n\n## Last\n\nThe end.\n";
    let expected = [(1, "A b"), (2, "Setup"), (2, "More"), (2, "Last")];
    assert_eq!(titles(text), expected.map(|(level, title)| (level, title.to_owned())));
    assert_eq!(section(text, "Setup").unwrap(), "<h2><a name=\"x\"></a>Setup\n</h2>\n\nDo.\n\n");
    assert_eq!(section(text, "last").unwrap(), "## Last\n\nThe end.\n");
}

#[test]
fn headings_in_one_line_are_many_but_not_endless() {
    let line = "<h1>a</h1>".repeat(200_000);
    let headings = outline(&format!("Before.\n\n{line}\n\n# Last\n"));
    assert_eq!(headings.len(), super::outline::MAX_HTML_HEADINGS + 1);
    let (last, others) = headings.split_last().unwrap();
    assert!(others.iter().all(|heading| heading.start == "Before.\n\n".len()));
    assert_eq!((last.title.as_str(), headings[1].slug.as_str()), ("Last", "a-1"));
}
