use proptest::prelude::*;

use super::*;

fn excerpt(text: &str, wanted: Option<&str>, max: usize) -> Excerpt {
    let path = DocumentPath::new("a b.md").unwrap();
    let headings = section::outline(text);
    let section = wanted.map(|wanted| section::find(&headings, wanted).unwrap());
    Source { path: &path, text, headings: &headings, section }.excerpt(max, Long::Outline)
}

/// A title, and two chapters of two sections, each of `words` words.
fn book(words: usize) -> String {
    let text = "word ".repeat(words);
    let section = |title: &str| format!("### {title}\n\n{text}\n\n");
    let chapter = |title: &str| format!("## {title}\n\n{}{}", section("Übung [1]"), section("What for"));
    format!("# Title\n\nFirst.\n\n{}{}", chapter("One"), chapter("Two"))
}

#[test]
fn what_fits_is_given_whole() {
    let text = "# A\n\nÄÄÄ\n";
    for max in [9, 10, 1_000] {
        let excerpt = excerpt(text, None, max);
        assert_eq!((excerpt.content.as_str(), excerpt.note), (text, None));
    }
    assert!(excerpt(text, None, 8).note.is_some(), "characters are counted, not bytes");
}

#[test]
fn an_outline_has_a_link_for_each_section() {
    let text = book(100);
    let outlined = excerpt(&text, None, 1_000);
    let first = "- [One](docs:///a%20b.md#one): 1041 characters\n  - [Übung \\[1\\]](docs:///a%20b.md#%C3%BCbung-1): 517 \
                 characters\n";
    assert!(outlined.content.starts_with(first), "{}", outlined.content);
    assert_eq!(outlined.content.lines().count(), 6, "the title is all of it, and leads nowhere");
    let names: Vec<&str> = outlined.sections.iter().map(|section| section.section.as_str()).collect();
    assert_eq!(names, ["one", "übung-1", "what-for", "two", "übung-1-1", "what-for-1"]);
    for section in &outlined.sections {
        let part = excerpt(&text, Some(&section.section), 10_000);
        assert_eq!(part.content.chars().count(), section.chars);
    }
    let note = outlined.note.unwrap();
    assert!(note.contains("outline of 2099 characters") && note.contains("the 1000 of an answer"), "{note}");
}

#[test]
fn a_section_that_is_too_long_has_an_outline_of_its_own() {
    let outlined = excerpt(&book(100), Some("Two"), 300);
    assert_eq!(outlined.content.lines().count(), 2);
    assert_eq!(outlined.sections[0].section, "übung-1-1");
}

#[test]
fn an_outline_has_as_many_levels_as_fit() {
    let outlined = excerpt(&book(100), None, 120);
    assert_eq!(outlined.content.lines().count(), 2, "{}", outlined.content);
    let many: String = (0..1_000).map(|index| format!("# Chapter {index}\n\ntext\n\n")).collect();
    let outlined = excerpt(&many, None, 500);
    assert!(outlined.content.chars().count() <= 500);
    assert!(outlined.content.ends_with(" more"), "{}", outlined.content);
    assert_eq!(outlined.sections.len(), MAX_SECTIONS);
}

#[test]
fn a_beginning_is_one_though_there_are_sections() {
    let path = DocumentPath::new("a.md").unwrap();
    let text = book(10);
    let source = Source { path: &path, text: &text, headings: &section::outline(&text), section: None };
    let cut = source.excerpt(100, Long::Beginning);
    assert!(cut.content.starts_with("# Title\n\nFirst.\n\n## One") && cut.sections.is_empty());
    assert!(cut.note.unwrap().starts_with("These are the first "));
}

#[test]
fn what_has_no_sections_is_cut_at_a_paragraph() {
    let text = format!("# Only\n\n{}", "Some words here.\n\n".repeat(100));
    let cut = excerpt(&text, None, 200);
    assert!(cut.content.ends_with("Some words here.") && cut.content.chars().count() <= 200);
    assert!(cut.content.chars().count() > 150);
    let note = cut.note.unwrap();
    assert!(note.contains("max_chars 1808") && note.contains("docs:///a%20b.md"), "{note}");
    // A block of code has empty lines, and is one block.
    let code = format!("text\n\n{}\n```\na\n\nb\n\n{}```\n", "more ".repeat(30), "c\n\n".repeat(100));
    assert!(excerpt(&code, None, 200).content.ends_with("more"));
    // A paragraph that is too long is cut between lines, then between words, then anywhere.
    assert!(excerpt(&"one line\n".repeat(100), None, 100).content.ends_with("line"));
    assert!(excerpt(&"word ".repeat(100), None, 102).content.ends_with("word"));
    assert_eq!(excerpt(&"ö".repeat(1_000), None, 100).content, "ö".repeat(100));
}

proptest! {
    /// Invariant: The document tools give the same answers in every revision, in text and structure, and
    /// never more of a document than requested.
    #[test]
    fn no_excerpt_is_longer_than_was_asked_for(
        text in "([#>`a-cö \\-\\[\\]]{0,12}\n){0,40}", max in 1usize..300,
    ) {
        let excerpt = excerpt(&text, None, max);
        prop_assert!(excerpt.content.chars().count() <= max);
        prop_assert_eq!(excerpt.note.is_none(), text.chars().count() <= max);
    }
}
