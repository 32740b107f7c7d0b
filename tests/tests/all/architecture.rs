//! The workspace as it is keeps to the rules of `anyport_tests::architecture`.

use std::{error::Error, fs, path::Path, process::Command};

use anyport_tests::architecture::{Package, check, forbids_unsafe};
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
