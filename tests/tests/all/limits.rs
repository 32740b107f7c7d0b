//! Limits as they are declared, as tests hit them, as they are counted, and as the book lists them: the lists agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyport::Server;
use anyport_adapters::{LegacyServerAdapter, ParkLimits, StateSealer};
use anyport_metrics::Metrics;
use anyport_seal::{Key, Sealer};

/// Limits that refuse and are counted as another one, of which they are a part: `buffer_wait` as `buffered_bytes`, and
/// `call_burst` as `calls_per_second`. The list only shrinks.
const COUNTED_AS_ANOTHER: &[&str] = &["buffer_wait", "call_burst"];

/// Names of refusals that `--limit` does not set: the book lists them without a declaration.
const NOT_DECLARED: &[&str] = &[
    "call_timeout",
    "http2_floods",
    "max_background",
    "max_blocking_waiting",
    "max_call_depth",
    "max_connections",
    "max_pins",
    "max_replays",
    "store_bytes",
    "tool_timeout",
];

/// The declaration of a limit.
struct Declared {
    field: String,
    beyond: String,
}

/// The source files below `folder`, with their text.
fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The code of the crates, and the code of all tests.
fn code_and_tests() -> (Vec<String>, Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    sources(&root.join("crates"), &mut files);
    sources(&root.join("tests/tests"), &mut files);
    let (mut code, mut tests) = (Vec::new(), Vec::new());
    for (path, text) in files {
        let below = path.strip_prefix(root).unwrap();
        let is_test =
            below.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        match text.split_once("#[cfg(test)]\nmod tests {") {
            _ if path.ends_with("all/limits.rs") && path.starts_with(root.join("tests")) => {}
            _ if is_test => tests.push(text),
            Some((before, inside)) => {
                code.push(before.to_owned());
                tests.push(inside.to_owned());
            }
            None => code.push(text),
        }
    }
    (code, tests)
}

/// What stands between the quotes that follow `mark`, at each of its places.
fn quoted<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.split(mark).skip(1).filter_map(|rest| {
        let mut parts = rest.splitn(3, '"').skip(1);
        Some((parts.next()?, parts.next()?))
    })
}

fn declared(code: &[String]) -> BTreeMap<String, Declared> {
    let mut limits = BTreeMap::new();
    for text in code {
        for (name, rest) in quoted(text, "#[limit(") {
            let Some((beyond, rest)) = quoted(rest, "beyond =").next() else { continue };
            let field = rest.split("pub").nth(1).and_then(|rest| rest.split_once(':'));
            let field = field.map_or("", |(field, _)| field.trim_start_matches("(crate)").trim());
            let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            if is_name && !field.is_empty() {
                let (field, beyond) = (field.to_owned(), beyond.to_owned());
                limits.insert(name.to_owned(), Declared { field, beyond });
            }
        }
    }
    // An example in the documentation of the macro.
    limits.remove("max_stitches");
    limits
}

/// The names under which refusals are counted: those in the code, and those that parked calls take from their declarations.
fn counted(code: &[String]) -> BTreeSet<String> {
    let names = code.iter().flat_map(|text| text.split(".refusals(\"").skip(1));
    let names = names.filter_map(|rest| rest.split('"').next()).map(str::to_owned);
    names.chain(counted_of_parked_calls()).collect()
}

fn counted_of_parked_calls() -> impl Iterator<Item = String> {
    let metrics = Metrics::new();
    let sealer = Sealer::new(&Key::from_bytes([7; 32]));
    let nothing = Server::builder("nothing", "1").build().unwrap();
    let seals = StateSealer::new(sealer, "node", "server");
    drop(LegacyServerAdapter::new(nothing, seals, ParkLimits::default()).metrics(&metrics));
    let labels = metrics.snapshot().into_iter().filter_map(|sample| sample.label);
    labels.map(|(_, limit)| limit.to_owned())
}

#[test]
fn each_limit_is_hit_by_a_test() {
    let (code, tests) = code_and_tests();
    let limits = declared(&code);
    assert!(limits.len() > 50, "{}", limits.len());
    for (name, Declared { field, .. }) in limits {
        // A test names it, as refusals do, or sets it.
        let is_hit = |text: &String| {
            text.contains(&name)
                || text.contains(&format!(".{field}("))
                || text.contains(&format!("{field}:"))
        };
        assert!(tests.iter().any(is_hit), "no test names or sets {name}");
    }
}

#[test]
fn each_limit_that_refuses_calls_is_counted() {
    let (code, _) = code_and_tests();
    let counted = counted(&code);
    let refuses = |beyond: &str| beyond.contains("overloaded") || beyond.contains("rate_limited");
    let uncounted: Vec<String> = declared(&code)
        .into_iter()
        .filter(|(name, limit)| refuses(&limit.beyond) && !counted.contains(name))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(uncounted, COUNTED_AS_ANOTHER, "count them, or take them off the list");
}

#[test]
fn each_counted_refusal_is_in_the_book() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/limits.md")).unwrap();
    let (code, _) = code_and_tests();
    let limits = declared(&code);
    let counted = counted(&code);
    assert!(counted.len() > 10, "{counted:?}");
    for name in &counted {
        assert!(page.contains(&format!("`{name}`")), "{name} is counted and not in the book");
    }
    let others: Vec<&String> = counted.iter().filter(|name| !limits.contains_key(*name)).collect();
    assert_eq!(others, NOT_DECLARED);
}
