//! Few test programs are linked: each links all that its crate stands on, which takes longer than most tests.

use serde::Deserialize;

use super::architecture::packages;

/// How many test programs the workspace may have. A new crate adds one for its own tests and one for its folder `tests/`.
const MOST: usize = 48;

/// The programs beside `all`: each counts what its process has, and so must be alone in it.
const ALONE: [(&str, &str); 8] = [
    ("anyport-bench", "allocations"),
    ("anyport-bench", "idle_sessions"),
    ("anyport-bench", "bridged"),
    ("anyport-bench", "verified_tokens"),
    ("anyport-server", "allocations"),
    ("anyport-tests", "abandoned_sessions"),
    ("anyport-transport", "child_cycles"),
    ("anyport-upstream", "failing_children"),
];

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    /// Whether `cargo test` makes a program of it.
    test: bool,
}

#[test]
fn few_test_programs_are_linked() {
    let packages: Vec<Package> = packages().unwrap();
    let programs: Vec<String> = packages
        .iter()
        .flat_map(|package| {
            let programs =
                package.targets.iter().filter(|target| target.test && target.kind != ["custom-build"]);
            programs.map(|target| format!("{} {}: {}", package.name, target.kind.concat(), target.name))
        })
        .collect();
    assert!(
        programs.len() <= MOST,
        "{} test programs, more than {MOST}:\n{}",
        programs.len(),
        programs.join("\n")
    );
}

#[test]
fn the_tests_of_a_crate_are_one_program() {
    for package in packages::<Package>().unwrap() {
        for target in package.targets.iter().filter(|target| target.kind == ["test"]) {
            let name = target.name.as_str();
            assert!(
                name == "all" || ALONE.contains(&(&package.name, name)),
                "{} has the test program `{name}`: make it a module of `tests/all/`, or say in this table that it must be alone",
                package.name
            );
        }
    }
}
