//! Which crate may use which.
//!
//! ```text
//! proving   testing  conformance  bench  fuzz  examples                see everything; nothing sees them, but `tests`
//! program   cli
//! product   console* -> gateway    knowledge    contexts    mesh*
//! facade    anyport                                                    re-exports, and assembly of library parts
//! library   client -> upstream, adapters, transport    upstream -> transport, adapters    transport -> adapters    server -> macros, layers
//!           auth -> transport    telemetry -> transport    policy    audit    guards
//! ground    service -> protocol    seal -> protocol    store -> metrics    config    ranking
//! ```
//!
//! Allowed is any arrow downwards, and the sideways arrows drawn. [`check`] holds a workspace against this; it sees
//! only [`Package`]s, so that it can be shown packages that break the rules.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

/// A package as `cargo metadata` describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// What its manifest says it is.
    pub description: Option<String>,
    /// Its licence, as SPDX writes it.
    pub license: Option<String>,
    /// Where its manifest stands.
    pub manifest_path: PathBuf,
    /// What it depends on, for whatever purpose.
    pub dependencies: Vec<Dependency>,
}

/// A dependency as its package declares it.
#[derive(Clone, Debug, Deserialize)]
pub struct Dependency {
    /// The name of the package depended on.
    pub name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub kind: Option<String>,
    /// Whether only a feature brings it in.
    pub optional: bool,
}

impl Dependency {
    fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

/// The rings, innermost first. A crate may use every crate of a ring further in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ring {
    Ground,
    Library,
    /// Over the library, below the product: re-exports, and the assembly of library parts into a program.
    Facade,
    Product,
    /// Over the product: names concrete parts and runs them.
    Program,
    Proving,
    /// The package `anyport-tests`: the only one that may use what proves.
    Tests,
    /// Apart: the project's own commands use none of our crates, and none uses them.
    Apart,
}

const CRATES: &[(&str, Ring)] = &[
    ("anyport-config", Ring::Ground),
    ("anyport-metrics", Ring::Ground),
    ("anyport-protocol", Ring::Ground),
    ("anyport-ranking", Ring::Ground),
    ("anyport-seal", Ring::Ground),
    ("anyport-service", Ring::Ground),
    ("anyport-store", Ring::Ground),
    ("anyport-adapters", Ring::Library),
    ("anyport-audit", Ring::Library),
    ("anyport-auth", Ring::Library),
    ("anyport-client", Ring::Library),
    ("anyport-guards", Ring::Library),
    ("anyport-layers", Ring::Library),
    ("anyport-macros", Ring::Library),
    ("anyport-policy", Ring::Library),
    ("anyport-server", Ring::Library),
    ("anyport-telemetry", Ring::Library),
    ("anyport-transport", Ring::Library),
    ("anyport-upstream", Ring::Library),
    ("anyport", Ring::Facade),
    ("anyport-console", Ring::Product),
    ("anyport-gateway", Ring::Product),
    ("anyport-contexts", Ring::Product),
    ("anyport-knowledge", Ring::Product),
    ("anyport-mesh", Ring::Product),
    ("anyport-cli", Ring::Program),
    ("anyport-bench", Ring::Proving),
    ("anyport-bench-knowledge", Ring::Proving),
    ("anyport-conformance", Ring::Proving),
    ("anyport-examples", Ring::Proving),
    ("anyport-interop", Ring::Proving),
    ("anyport-testing", Ring::Proving),
    ("anyport-fuzz", Ring::Tests),
    ("anyport-tests", Ring::Tests),
    ("xtask", Ring::Apart),
];

/// The arrows within a ring.
const SIDEWAYS: &[(&str, &str)] = &[
    ("anyport-service", "anyport-protocol"),
    ("anyport-seal", "anyport-protocol"),
    ("anyport-store", "anyport-metrics"),
    ("anyport-server", "anyport-macros"),
    ("anyport-server", "anyport-layers"),
    ("anyport-auth", "anyport-transport"),
    ("anyport-telemetry", "anyport-transport"),
    ("anyport-upstream", "anyport-adapters"),
    ("anyport-transport", "anyport-adapters"),
    ("anyport-upstream", "anyport-transport"),
    ("anyport-client", "anyport-adapters"),
    ("anyport-client", "anyport-transport"),
    ("anyport-client", "anyport-upstream"),
    ("anyport-console", "anyport-gateway"),
];

/// Crates of others that are heavy, and the only crates of ours that may depend on them.
const HEAVY: &[(&str, &[&str])] = &[
    ("ammonia", &["anyport-guards"]),
    ("async-nats", &["anyport-store", "anyport-transport"]),
    ("axum", &["anyport-console", "anyport-transport"]),
    ("hyper", &["anyport-client", "anyport-transport"]),
    ("hyper-util", &["anyport-client", "anyport-transport"]),
    ("cel", &["anyport-policy"]),
    ("chacha20poly1305", &["anyport-seal"]),
    ("governor", &["anyport-layers"]),
    ("jsonc-parser", &["anyport-config"]),
    ("jsonwebtoken", &["anyport-auth"]),
    ("opentelemetry-proto", &["anyport-telemetry"]),
    ("prometheus-client", &["anyport-metrics"]),
    ("async-nats", &["anyport-store"]),
    ("rusqlite", &["anyport-store"]),
    ("rustls", &["anyport-transport"]),
    ("sqlparser", &["anyport-guards"]),
    ("tantivy", &["anyport-knowledge"]),
    ("toml_edit", &["anyport-config"]),
    ("tokio-tungstenite", &["anyport-client", "anyport-transport"]),
    ("tower", &["anyport"]),
    ("tower-layer", &["anyport-adapters", "anyport-audit", "anyport-layers", "anyport-telemetry"]),
];

/// Heavy crates that must be behind a feature where they are allowed at all.
const BEHIND_A_FEATURE: &[(&str, &str)] = &[("anyport-transport", "axum"), ("anyport-transport", "rustls")];

/// Whose tests may use the testing kit, beside those that see everything.
const KIT_USERS: &[&str] = &["anyport-cli", "anyport-examples"];

/// What a crate must never use, not even in its tests.
const NEVER: &[(&str, &str)] = &[("anyport-protocol", "tokio")];

/// Holds the packages of the workspace against the rules, and says in a sentence each where they break one.
///
/// `manifest` returns the text of a package's manifest.
pub fn check(packages: &[Package], manifest: impl Fn(&Package) -> String) -> Vec<String> {
    let rings: BTreeMap<_, _> = CRATES.iter().copied().collect();
    let mut broken = Vec::new();
    for package in packages {
        let Some(&ring) = rings.get(package.name.as_str()) else {
            broken.push(format!("{} stands in no ring: add it to tests/src/architecture.rs", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(&other) = rings.get(dependency.name.as_str()) {
                broken.extend(arrow((&package.name, ring), (&dependency.name, other), dependency.is_dev()));
            } else {
                broken.extend(heavy(&package.name, ring, dependency));
            }
        }
        broken.extend(words(package));
        if !inherits_lints(&manifest(package)) {
            broken.push(format!(
                "{} does not inherit the workspace's lints, which forbid unsafe code",
                package.name
            ));
        }
    }
    broken
}

/// Whether the manifest of a workspace forbids unsafe code in the packages that inherit its lints.
pub fn forbids_unsafe(manifest: &str) -> bool {
    let lint = |manifest: toml::Table| {
        let lints = manifest.get("workspace")?.get("lints")?.get("rust")?;
        lints.get("unsafe_code")?.as_str().map(str::to_owned)
    };
    manifest.parse().ok().and_then(lint).as_deref() == Some("forbid")
}

/// The lines of a source file that compare revisions of the protocol, with their numbers. Tests, which stand at the end of a
/// file, and comments are left out.
///
/// A property has a name, and its row in `protocol/src/revision/property.rs` says which revisions have it; a comparison says
/// neither what is meant nor what a further revision does.
pub fn revision_comparisons(source: &str) -> Vec<(usize, &str)> {
    let code = source.lines().take_while(|line| *line != "#[cfg(test)]");
    let lines = code.zip(1..).map(|(line, number)| (number, line.trim()));
    lines.filter(|(_, line)| !line.starts_with("//") && compares_revisions(line)).collect()
}

fn compares_revisions(line: &str) -> bool {
    const ORDER: [&str; 4] = ["<", ">", "<=", ">="];
    const PATTERN: [&str; 2] = ["|", "=>"];
    let is_operator = |word: &str| ORDER.contains(&word) || matches!(word, "==" | "!=");
    let words: Vec<&str> = line.split_whitespace().collect();
    words.iter().enumerate().any(|(index, word)| {
        let (before, after) = (words[..index].last().copied(), words.get(index + 1).copied());
        let is_constant = word.rsplit("::").next().is_some_and(|name| {
            let name = name.trim_start_matches(['(', '&', '*']);
            name.starts_with("V20") || (word.contains("Revision::") && name.starts_with("NEWEST"))
        });
        let is_value = word.ends_with("revision") || word.ends_with("revision()");
        (is_constant
            && (before.is_some_and(is_operator)
                || after.is_some_and(|after| is_operator(after) || PATTERN.contains(&after))
                || word.contains("..")
                || line.contains("matches!(")))
            || (is_value && after.is_some_and(|after| ORDER.contains(&after)))
    })
}

fn arrow((from, outer): (&str, Ring), (to, inner): (&str, Ring), dev: bool) -> Option<String> {
    let proving = inner >= Ring::Proving;
    let allowed = match outer {
        Ring::Apart => false,
        Ring::Tests => inner != Ring::Apart,
        // The tests of a crate may use crates further out, but not those that prove: a crate below the testing kit
        // would meet its own types twice, as its own and as those that the kit was compiled with. The program and the
        // examples are above the kit: those of the examples show how to use it.
        _ if dev => !proving || (KIT_USERS.contains(&from) && to == "anyport-testing"),
        _ => (inner < outer && !proving) || SIDEWAYS.contains(&(from, to)),
    };
    let purpose = if dev { " in its tests" } else { "" };
    (!allowed).then(|| format!("{from} may not use {to}{purpose}"))
}

fn heavy(from: &str, ring: Ring, dependency: &Dependency) -> Option<String> {
    let to = dependency.name.as_str();
    if NEVER.contains(&(from, to)) {
        return Some(format!("{from} may never use {to}"));
    }
    if dependency.is_dev() || ring >= Ring::Proving {
        return None;
    }
    if BEHIND_A_FEATURE.contains(&(from, to)) && !dependency.optional {
        return Some(format!("{from} may use {to} only behind a feature"));
    }
    let (_, users) = HEAVY.iter().find(|(name, _)| *name == to)?;
    (!users.contains(&from))
        .then(|| format!("{from} may not use {to}, which is for {} only", users.join(" and ")))
}

fn words(package: &Package) -> Vec<String> {
    let lacks = |word: &Option<String>, what| {
        word.as_deref().is_none_or(str::is_empty).then(|| format!("{} has no {what}", package.name))
    };
    let (description, license) =
        (lacks(&package.description, "description"), lacks(&package.license, "license"));
    description.into_iter().chain(license).collect()
}

fn inherits_lints(manifest: &str) -> bool {
    let inherits = |manifest: toml::Table| manifest.get("lints")?.get("workspace")?.as_bool();
    manifest.parse().ok().and_then(inherits).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependency = |&(name, kind): &(&str, Option<&str>)| Dependency {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            optional: false,
        };
        Package {
            name: name.to_owned(),
            description: Some("What it is.".to_owned()),
            license: Some("MIT".to_owned()),
            manifest_path: PathBuf::new(),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    /// What is broken when `from` uses `to`.
    fn uses(from: &str, to: &str, kind: Option<&str>) -> Vec<String> {
        check(&[package(from, &[(to, kind)])], |_| LINTS.to_owned())
    }

    #[test]
    fn arrows_go_down_and_as_drawn() {
        for (from, to) in [
            ("anyport-service", "anyport-protocol"),
            ("anyport-server", "anyport-macros"),
            ("anyport-server", "anyport-store"),
            ("anyport", "anyport-server"),
            ("anyport-knowledge", "anyport"),
            ("anyport-console", "anyport-gateway"),
            ("anyport-client", "anyport-transport"),
            ("anyport-cli", "anyport-knowledge"),
            ("anyport-conformance", "anyport-cli"),
            ("anyport-tests", "anyport-testing"),
        ] {
            assert_eq!(uses(from, to, None), [""; 0], "{from} -> {to}");
        }
    }

    #[test]
    fn no_arrow_goes_up_or_sideways() {
        for (from, to) in [
            ("anyport-protocol", "anyport-service"),
            ("anyport-store", "anyport-protocol"),
            ("anyport-macros", "anyport-server"),
            ("anyport-transport", "anyport-client"),
            ("anyport-server", "anyport"),
            ("anyport-gateway", "anyport-console"),
            ("anyport-gateway", "anyport-knowledge"),
            ("anyport-knowledge", "anyport-cli"),
            ("anyport-bench", "anyport-testing"),
            ("anyport-cli", "anyport-tests"),
            ("anyport-tests", "xtask"),
            ("xtask", "anyport-protocol"),
        ] {
            assert_eq!(uses(from, to, None), [format!("{from} may not use {to}")]);
            assert_eq!(uses(from, to, Some("build")), [format!("{from} may not use {to}")]);
        }
    }

    #[test]
    fn the_testing_kit_is_for_tests_only() {
        assert_eq!(uses("anyport-tests", "anyport-testing", Some("dev")), [""; 0]);
        assert_eq!(uses("anyport-examples", "anyport-testing", Some("dev")), [""; 0]);
        assert_eq!(uses("anyport-cli", "anyport-testing", Some("dev")), [""; 0]);
        let broken = uses("anyport-server", "anyport-testing", Some("dev"));
        assert_eq!(broken, ["anyport-server may not use anyport-testing in its tests"]);
        assert_eq!(uses("anyport-server", "anyport-transport", Some("dev")), [""; 0]);
    }

    #[test]
    fn heavy_crates_have_their_users() {
        assert_eq!(uses("anyport-store", "rusqlite", None), [""; 0]);
        assert_eq!(uses("anyport-bench", "hyper", None), [""; 0]);
        assert_eq!(
            uses("anyport-server", "rusqlite", None),
            ["anyport-server may not use rusqlite, which is for anyport-store only"]
        );
        assert_eq!(uses("anyport-cli", "hyper", None).len(), 1);
        assert_eq!(uses("anyport", "tower", None), [""; 0]);
        assert_eq!(uses("anyport-layers", "tower", None).len(), 1);
        assert_eq!(uses("anyport-layers", "tower-layer", None), [""; 0]);
        assert_eq!(uses("anyport-transport", "tower-layer", None).len(), 1);
        assert_eq!(uses("anyport-protocol", "tokio", Some("dev")), ["anyport-protocol may never use tokio"]);
        assert_eq!(uses("anyport-service", "tokio", None), [""; 0]);
    }

    #[test]
    fn axum_is_behind_a_feature_of_the_transport() {
        let mut transport = package("anyport-transport", &[("axum", None)]);
        let broken = check(&[transport.clone()], |_| LINTS.to_owned());
        assert_eq!(broken, ["anyport-transport may use axum only behind a feature"]);
        transport.dependencies[0].optional = true;
        assert_eq!(check(&[transport], |_| LINTS.to_owned()), [""; 0]);
    }

    #[test]
    fn a_crate_says_what_it_is_and_inherits_the_lints() {
        let mut silent = package("anyport-protocol", &[]);
        silent.description = None;
        silent.license = Some(String::new());
        assert_eq!(
            check(&[silent], |_| LINTS.to_owned()),
            ["anyport-protocol has no description", "anyport-protocol has no license"]
        );
        for manifest in
            ["[package]\n", "[lints]\nworkspace = false\n", "[lints.rust]\nunsafe_code = \"allow\"\n"]
        {
            let broken = check(&[package("anyport-protocol", &[])], |_| manifest.to_owned());
            assert_eq!(broken.len(), 1, "{manifest}");
        }
    }

    #[test]
    fn a_comparison_of_revisions_is_found() {
        for line in [
            "if revision >= Revision::V2025_11_25 {",
            "    Revision::V2024_11_05 => 1,",
            "    V2025_03_26 | V2025_06_18 => 2,",
            "let old = wanted != Some(1) && revision < other;",
            "matches!(revision, anyport_protocol::Revision::V2026_07_28)",
            "assert(self.revision() == Revision::NEWEST)",
        ] {
            assert_eq!(revision_comparisons(line), [(1, line.trim())], "{line}");
        }
        for line in [
            "let context = Context::new(principal, Revision::NEWEST);",
            "if revision.has_sessions() {",
            "// before Revision::V2025_06_18 | after",
            "_ => Revision::V2025_03_26,",
            "#[cfg(test)]\nif revision < Revision::V2025_06_18 {",
        ] {
            assert_eq!(revision_comparisons(line), [], "{line}");
        }
    }

    #[test]
    fn a_crate_that_nobody_placed_is_an_error() {
        assert_eq!(check(&[package("anyport-surprise", &[])], |_| LINTS.to_owned()).len(), 1);
    }

    #[test]
    fn the_workspace_must_forbid_not_deny() {
        assert!(forbids_unsafe("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
        assert!(!forbids_unsafe("[workspace.lints.rust]\nunsafe_code = \"deny\"\n"));
        assert!(!forbids_unsafe("[workspace]\n"));
    }
}
