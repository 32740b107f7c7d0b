//! The workspace as it is keeps to the rules of `anyport_tests::architecture`.

use std::{error::Error, fs, path::Path, process::Command};

use anyport_tests::architecture::{Package, check, forbids_unsafe, revision_comparisons};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
struct Metadata<P> {
    packages: Vec<P>,
}

/// The packages of the workspace, as `cargo metadata` describes them.
pub(crate) fn packages<P: DeserializeOwned>() -> Result<Vec<P>, Box<dyn Error>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"]);
    let output = command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml")).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice::<Metadata<P>>(&output.stdout)?.packages)
}

/// Invariant: Crates use each other only along the arrows of `crates/README.md`, and a heavy dependency only
/// where it is allowed.
#[test]
fn every_arrow_is_allowed() {
    let packages: Vec<Package> = packages().unwrap();
    assert!(
        packages.iter().any(|package| package.name == "anyport-protocol"),
        "cargo described another workspace"
    );
    let broken = check(&packages, |package| fs::read_to_string(&package.manifest_path).unwrap());
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Invariant: No crate of the workspace has unsafe code.
#[test]
fn unsafe_code_is_forbidden() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    assert!(forbids_unsafe(&fs::read_to_string(manifest).unwrap()));
}

/// The files outside of `protocol` that have something for each revision: the kit has their schemas.
const OF_EVERY_REVISION: [&str; 1] = ["testing/src/conformance/schema.rs"];

/// Invariant: Revisions are compared in `protocol` alone. Everything else asks for a property by its name.
#[test]
fn revisions_are_compared_in_protocol_alone() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut comparisons = Vec::new();
    for folder in fs::read_dir(&crates).unwrap().map(|folder| folder.unwrap().path()) {
        if !folder.ends_with("protocol") {
            sources(&folder.join("src"), &mut |path, source| {
                let name = path.strip_prefix(&crates).unwrap().to_string_lossy().replace('\\', "/");
                let found = revision_comparisons(source).into_iter();
                comparisons.extend(
                    found
                        .filter(|_| !OF_EVERY_REVISION.contains(&&*name))
                        .map(|(line, text)| format!("{name}:{line}: {text}")),
                );
            });
        }
    }
    assert!(comparisons.is_empty(), "\n{}", comparisons.join("\n"));
}

/// Calls `each` with every source file in `folder` that is not a test.
fn sources(folder: &Path, each: &mut dyn FnMut(&Path, &str)) {
    for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        let name = path.file_stem().unwrap_or_default();
        if name == "tests" || name == "stress" {
            continue;
        }
        match path.extension() {
            Some(extension) if extension == "rs" => each(&path, &fs::read_to_string(&path).unwrap()),
            _ if path.is_dir() => sources(&path, each),
            _ => {}
        }
    }
}
