//! The page of checklists names tests that exist.

use std::{fs, path::Path};

/// The lines of the page's tables: a number, and what holds it.
fn lines(page: &str) -> Vec<(usize, Vec<&str>)> {
    page.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(usize, Vec<&str>)> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
    let number = cells.first()?.trim().parse().ok()?;
    Some((number, cells.last()?.split('`').skip(1).step_by(2).collect()))
}

/// Whether `reference`, `FILE` or `FILE: TEST`, is there.
fn exists(reference: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (file, test) =
        reference.split_once(": ").map_or((reference, None), |(file, test)| (file, Some(test)));
    let Ok(text) = fs::read_to_string(root.join(file)) else { return false };
    test.is_none_or(|test| {
        let function = format!("fn {test}(");
        let before = text.find(&function).map(|at| &text[..at]).unwrap_or_default();
        // Of its attributes, `#[test]` or `#[tokio::test]` is one.
        let attributes = before.trim_end().rsplit("\n\n").next().unwrap_or_default();
        attributes.contains("test]") || attributes.contains("test(") || attributes.contains("proptest!")
    })
}

/// Invariant: Each line of the checklists names tests that exist.
#[test]
fn every_line_of_the_checklists_is_held_by_a_test_that_exists() {
    are_held(include_str!("../../../../docs/checklists.md"), 36);
}

/// Invariant: Each promise of the threat model names tests that exist.
#[test]
fn every_promise_of_the_threat_model_is_held_by_a_test_that_exists() {
    are_held(THREAT_MODEL, 36);
}

const THREAT_MODEL: &str = include_str!("../../../../THREAT-MODEL.md");

/// Invariant: Each failure of other projects and each requirement of the specification in the threat model names tests that exist.
#[test]
fn every_known_failure_and_requirement_is_held_by_a_test_that_exists() {
    for (section, count) in
        [("## Known failures elsewhere", 23), ("## Requirements of the specification", 63)]
    {
        let (_, rest) = THREAT_MODEL.split_once(section).unwrap();
        let rows = rest.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| "));
        // The first one is the head of the table.
        let rows: Vec<&str> = rows.skip(1).collect();
        assert_eq!(rows.len(), count, "{section}");
        for row in rows {
            let references: Vec<&str> =
                row.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2).collect();
            assert!(!references.is_empty(), "nothing holds {row}");
            for reference in references {
                assert!(exists(reference), "{row} names `{reference}`, and there is no such test");
            }
        }
    }
}

/// Checks that the lines 1 to `count` of a page are all that it has, and are held by tests.
fn are_held(page: &str, count: usize) {
    let lines = lines(page);
    let numbers: Vec<usize> = lines.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
    for (number, references) in lines {
        assert!(!references.is_empty(), "nothing holds line {number}");
        for reference in references {
            assert!(exists(reference), "line {number} names `{reference}`, and there is no such test");
        }
    }
}

#[test]
fn a_test_that_does_not_exist_is_noticed() {
    assert!(exists("tests/tests/all/book/checklists.rs: a_test_that_does_not_exist_is_noticed"));
    assert!(!exists("tests/tests/all/book/checklists.rs: exists"));
    assert!(!exists("tests/tests/all/book/checklists.rs: no_such_test"));
    assert!(!exists("tests/tests/book/nowhere.rs"));
}
