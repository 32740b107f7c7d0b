//! The public names of the facade: those of the root, and one path for each.
//!
//! The source is read, not the compiled crate, so that the test sees the names of every feature.

use std::collections::BTreeMap;

const SOURCE: &str = include_str!("../../src/lib.rs");

/// The names that most servers use.
const ROOT: [&str; 27] = [
    "Authorization",
    "BuildError",
    "Client",
    "Completion",
    "CompletionRequest",
    "Context",
    "Json",
    "Messages",
    "Principal",
    "Prompt",
    "Resource",
    "Revision",
    "ServeError",
    "Server",
    "Service",
    "State",
    "Template",
    "Tool",
    "ToolError",
    "ToolResult",
    "prompt",
    "resource",
    "serve",
    "tool",
    "tools",
    "with_legacy_clients",
    // For the macros; hidden.
    "macros",
];

/// The modules, each one idea.
const MODULES: [&str; 19] = [
    "ask",
    "auth",
    "client",
    "error",
    "http",
    "layer",
    "memory",
    "metrics",
    "middleware",
    "protocol",
    "seal",
    "serve",
    "server",
    "service",
    "stack",
    "stdio",
    "types",
    "unix",
    "websocket",
];

/// Modules of our crates that the facade re-exports as they are.
const WHOLE: [&str; 11] = [
    "anyport_client::http",
    "anyport_client::websocket",
    "anyport_metrics",
    "anyport_protocol::types",
    "anyport_seal",
    "anyport_service::emit",
    "anyport_transport::http",
    "anyport_transport::memory",
    "anyport_transport::stdio",
    "anyport_transport::unix",
    "anyport_transport::websocket",
];

#[test]
fn the_root_has_the_names_that_most_servers_use() {
    let mut names: Vec<String> = SOURCE
        .lines()
        .filter_map(|line| line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub mod ")))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned())
        .chain(exports().into_iter().filter(|export| export.module.is_empty()).map(|export| export.name))
        .collect();
    names.sort_unstable();
    let mut expected: Vec<&str> = ROOT.into_iter().chain(MODULES).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn no_name_has_two_paths() {
    let mut paths: BTreeMap<(String, String), String> = BTreeMap::new();
    for Export { module, source, name } in exports() {
        assert!(name != "*" && name != "self", "{module}: {source} names what it exports");
        let package = source.split("::").next().unwrap().to_owned();
        let is_whole = WHOLE.contains(&&*source);
        for whole in WHOLE.iter().filter(|whole| **whole != source) {
            assert!(
                !source.starts_with(&format!("{whole}::")),
                "{source} is reachable through {whole} as well"
            );
        }
        // A whole crate has no name of its own: its names must not be exported anywhere else, which the loop holds.
        let key = (package, source.rsplit("::").next().unwrap().to_owned());
        let path = format!("{module}::{name}");
        if let Some(other) = paths.insert(key, path.clone()).filter(|_| !is_whole) {
            panic!("{source} is reachable as {other} and as {path}");
        }
    }
}

#[test]
fn every_module_that_is_exported_as_it_is_is_listed() {
    let exports: Vec<String> = exports().into_iter().map(|export| export.source).collect();
    for export in &exports {
        let last = export.rsplit("::").next().unwrap();
        let is_module = !export.contains("::") || ["http", "types", "emit", "memory"].contains(&last);
        assert!(!is_module || WHOLE.contains(&&**export), "{export} is not in the list of modules");
    }
    for whole in WHOLE {
        assert!(exports.iter().any(|export| export == whole), "{whole} is not exported");
    }
}

/// A name that the facade re-exports.
struct Export {
    /// The module of the facade; empty for the root.
    module: String,
    /// The path of what is exported.
    source: String,
    name: String,
}

/// Every `pub use` of the facade's root and of its modules.
fn exports() -> Vec<Export> {
    let (mut exports, mut module, mut lines) = (Vec::new(), String::new(), SOURCE.lines());
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(" {")) {
            module = name.to_owned();
        } else if line == "}" {
            module.clear();
        } else if let Some(first) = line.trim_start().strip_prefix("pub use ") {
            let mut tree = first.to_owned();
            while !tree.ends_with(';') {
                tree.push_str(lines.next().unwrap().trim());
            }
            leaves("", tree.trim_end_matches(';'), &mut |source: &str| {
                let (source, renamed) = source.split_once(" as ").unwrap_or((source, ""));
                let name = if renamed.is_empty() { source.rsplit("::").next().unwrap() } else { renamed };
                let (source, name) = (source.to_owned(), name.to_owned());
                exports.push(Export { module: module.clone(), source, name });
            });
        }
    }
    assert!(exports.len() > 100, "the source is not read as it should be");
    exports
}

/// Calls `leaf` with every path of a tree such as `a::{b, c::{d, e}}`.
fn leaves(prefix: &str, tree: &str, leaf: &mut dyn FnMut(&str)) {
    let (mut depth, mut start) = (0, 0);
    let ends = tree.char_indices().chain([(tree.len(), ',')]);
    for (at, c) in ends {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = tree[start..at].trim();
                start = at + 1;
                match part.split_once('{') {
                    Some((path, inner)) => {
                        leaves(&format!("{prefix}{path}"), inner.strip_suffix('}').unwrap(), leaf);
                    }
                    None if part.is_empty() => {}
                    None => leaf(&format!("{prefix}{part}")),
                }
            }
            _ => {}
        }
    }
}
