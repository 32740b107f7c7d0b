//! Where the repository is, what it contains, and where cargo puts what it builds.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{Failure, process};

/// The repository and its packages, as cargo sees them.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// A line of `cargo build --message-format=json`; other kinds of message lack these members.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

impl Workspace {
    /// Asks cargo about the workspace around the current folder.
    ///
    /// # Errors
    /// When cargo does not know it, for example for want of a lock file.
    pub(crate) fn find() -> Result<Self, Failure> {
        let mut cargo = cargo();
        cargo.args(["metadata", "--format-version", "1", "--no-deps"]);
        let Metadata { workspace_root: root, target_directory: target, packages } =
            serde_json::from_slice(&process::stdout(&mut cargo)?)?;
        Ok(Self { root, target, packages })
    }

    /// A path in the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The name of the package whose folder has the file, a path in the repository.
    pub(crate) fn package_of(&self, file: &Path) -> Option<&str> {
        let file = self.root.join(file);
        let folder =
            |package: &Package| package.manifest_path.parent().map_or(0, |folder| folder.as_os_str().len());
        let has = |package: &&Package| {
            package.manifest_path.parent().is_some_and(|folder| file.starts_with(folder))
        };
        // A package may stand in the folder of another one.
        self.packages
            .iter()
            .filter(has)
            .max_by_key(|package| folder(package))
            .map(|package| package.name.as_str())
    }

    /// A path below the target folder, where everything that is made lives.
    pub(crate) fn target(&self, relative: &str) -> PathBuf {
        self.target.join(relative)
    }

    /// A cargo command in the root of the repository.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(&self.root);
        cargo
    }

    /// Builds a program.
    ///
    /// # Errors
    /// When there is no such package or program, or it does not compile.
    pub(crate) fn build(&self, build: &Build<'_>) -> Result<PathBuf, Failure> {
        let Build { manifest, package, binary, features, profile } = *build;
        // Of another workspace cargo says so itself.
        if manifest == OURS && !self.packages.iter().any(|known| known.name == package) {
            return Err(format!(
                "the workspace has no package `{package}`, which has the program `{binary}`"
            )
            .into());
        }
        let mut cargo = self.cargo();
        cargo.args(["build", "--locked", "--manifest-path", manifest, "--bin", binary]);
        if manifest == OURS && features.is_empty() && profile == Profile::Dev {
            // With the features of the whole workspace, as its tests are built: for a package by itself everything that it
            // stands on would be compiled once more.
            cargo.arg("--workspace");
        } else {
            cargo.args(["--package", package]);
        }
        if manifest != OURS {
            // Below our own, since what is made lives there.
            cargo.arg("--target-dir").arg(self.target("peers"));
        }
        if !features.is_empty() {
            cargo.args(["--features", &features.join(",")]);
        }
        cargo.args(["--profile", profile.name()]);
        if profile == Profile::Static {
            // The flags are for the program alone, not for what runs while it is built, if the target is named.
            cargo.args(["--target", &host()?]).env("RUSTFLAGS", "-C target-feature=+crt-static");
        }
        // The path of a program depends on cargo's configuration, so cargo is queried.
        let messages = process::stdout(cargo.args(["--message-format", "json-render-diagnostics"]))?;
        executable(&String::from_utf8_lossy(&messages), binary)
            .ok_or_else(|| format!("cargo built `{package}` but named no program `{binary}`").into())
    }

    /// Builds several programs of ours at once, in the dev profile; returns their paths in the order of `binaries`.
    ///
    /// # Errors
    /// When there is no such program, or one does not compile.
    pub(crate) fn build_all(&self, binaries: &[&str]) -> Result<Vec<PathBuf>, Failure> {
        let mut cargo = self.cargo();
        // With the features of the whole workspace: see `build`.
        cargo.args(["build", "--locked", "--workspace", "--message-format", "json-render-diagnostics"]);
        cargo.args(binaries.iter().flat_map(|binary| ["--bin", binary]));
        let messages = process::stdout(&mut cargo)?;
        let messages = String::from_utf8_lossy(&messages);
        let find = |binary: &&str| {
            executable(&messages, binary).ok_or_else(|| format!("cargo named no program `{binary}`").into())
        };
        binaries.iter().map(find).collect()
    }

    /// `path` as a person in the root of the repository would write it.
    pub(crate) fn shorten<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// The manifest of the workspace.
const OURS: &str = "Cargo.toml";

/// A program to build.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Build<'a> {
    /// The manifest of its workspace, seen from the root of the repository.
    pub(crate) manifest: &'a str,
    pub(crate) package: &'a str,
    pub(crate) binary: &'a str,
    /// Features besides the default ones.
    pub(crate) features: &'a [&'a str],
    pub(crate) profile: Profile,
}

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    /// Optimized, but each crate by itself: soon built.
    Release,
    /// As it is published: optimized as a whole.
    Dist,
    /// The same, with all libraries linked into the program.
    Static,
}

impl Profile {
    /// Its name in the manifest.
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
            Self::Dist | Self::Static => "dist",
        }
    }
}

impl<'a> Build<'a> {
    /// The program `binary` of our own `package`, in the dev profile.
    pub(crate) fn of(package: &'a str, binary: &'a str) -> Self {
        Self { manifest: OURS, package, binary, features: &[], profile: Profile::Dev }
    }
}

/// The cargo that runs us, so that a toolchain chosen on the command line stays chosen.
fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.stdin(Stdio::null());
    cargo
}

/// The target triple of this machine, as rustc names it.
fn host() -> Result<String, Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = process::stdout(Command::new(rustc).arg("-vV"))?;
    let version = String::from_utf8_lossy(&version);
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("`rustc -vV` names no host")?.to_owned())
}

fn executable(messages: &str, binary: &str) -> Option<PathBuf> {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    artifacts
        .filter(|artifact| artifact.target.as_ref().is_some_and(|target| target.name == binary))
        .find_map(|artifact| artifact.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"other"},"executable":"t/other"}
{"reason":"compiler-artifact","target":{"name":"anyport"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"anyport"},"executable":"t/debug/anyport"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "anyport"), Some("t/debug/anyport".into()));
        assert_eq!(executable(messages, "nothing"), None);
    }

    fn workspace(packages: &[(&str, &str)]) -> Workspace {
        let package = |&(name, folder): &(&str, &str)| Package {
            name: name.into(),
            manifest_path: Path::new("/r").join(folder).join("Cargo.toml"),
        };
        Workspace {
            root: "/r".into(),
            target: "target".into(),
            packages: packages.iter().map(package).collect(),
        }
    }

    #[test]
    fn a_file_belongs_to_the_innermost_package() {
        let workspace =
            workspace(&[("tests", "tests"), ("interop", "tests/rust"), ("server", "crates/server")]);
        let package = |file: &str| workspace.package_of(Path::new(file));
        assert_eq!(package("tests/tests/all/main.rs"), Some("tests"));
        assert_eq!(package("tests/rust/src/main.rs"), Some("interop"));
        assert_eq!(package("crates/server/src/lib.rs"), Some("server"));
        assert_eq!(package("crates/README.md"), None);
    }

    #[test]
    fn a_missing_package_is_an_error() {
        let workspace = workspace(&[("xtask", "xtask")]);
        let failure = workspace.build(&Build::of("anyport-nowhere", "nothing")).unwrap_err();
        assert!(failure.to_string().contains("no package `anyport-nowhere`"));
    }
}
