//! Code that is no Rust. What is Rust, is compiled in `main.rs`; what is to be typed into a shell, is run by
//! `crates/cli/tests/all/book.rs`.

use std::{fs, path::Path};

use anyport_tests::book::{Code, pages};

#[test]
fn every_block_says_its_language_and_is_checked() {
    for page in pages().unwrap() {
        for Code { language, line, text } in &page.code {
            let place = format!("docs/{}:{line}", page.file);
            match language.as_str() {
                "rust" | "console" | "text" => {}
                // What starts in a container is started by `crates/cli/tests/all/coming_from.rs`.
                "dockerfile" | "yaml" if page.file == "coming-from.md" => {}
                "json" => drop(
                    serde_json::from_str::<serde_json::Value>(text)
                        .unwrap_or_else(|error| panic!("{place}: {error}")),
                ),
                "toml" => dependencies(&place, text),
                other => panic!("{place}: nothing checks {other:?}"),
            }
        }
    }
}

/// A manifest asks our crates only for features that they have.
fn dependencies(place: &str, text: &str) {
    let manifest: toml::Table = text.parse().unwrap_or_else(|error| panic!("{place}: {error}"));
    for (name, dependency) in manifest.iter().filter_map(|(_, section)| section.as_table()).flatten() {
        let Some(folder) = (match name.as_str() {
            "anyport" => Some("anyport"),
            "anyport-testing" => Some("testing"),
            _ => None,
        }) else {
            continue;
        };
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
        let ours: toml::Table =
            fs::read_to_string(crates.join(folder).join("Cargo.toml")).unwrap().parse().unwrap();
        let asked = dependency.get("features").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        for feature in asked {
            let known = ours["features"].get(feature.as_str().unwrap());
            assert!(known.is_some(), "{place}: {name} has no feature {feature:?}");
        }
    }
}
