//! A Python with other people's clients and servers.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{ask, keep};
use crate::{Failure, process, workspace::Workspace};

/// The oldest Python that the pinned packages run on.
const OLDEST: (u32, u32) = (3, 11);

const HOW: &str = "install Python 3.11 or newer with its `venv` module (`apt install python3 python3-venv`, \
                   `brew install python`, or from python.org)";

/// Which packages an environment has. Versions 1 and 2 of the official one exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packages {
    /// `tests/python/requirements.txt`.
    Newest,
    /// `tests/python/requirements-1.txt`.
    First,
}

impl Packages {
    /// The file that pins them.
    pub(crate) fn pins(self) -> &'static str {
        match self {
            Self::Newest => "tests/python/requirements.txt",
            Self::First => "tests/python/requirements-1.txt",
        }
    }

    fn environment(self) -> Environment {
        let folder = match self {
            Self::Newest => "tools/python",
            Self::First => "tools/python-1",
        };
        Environment { pins: self.pins(), folder, versions: [OLDEST, (4, 99)] }
    }
}

/// What an environment is made of.
struct Environment {
    /// The file that pins its packages.
    pins: &'static str,
    /// Its folder below the target folder.
    folder: &'static str,
    /// The versions of Python that the packages run on: from the first one, and before the second.
    versions: [(u32, u32); 2],
}

const CONTEXT_FORGE: Environment = Environment {
    pins: "bench/peers/contextforge/requirements.txt",
    folder: "tools/contextforge",
    versions: [(3, 12), (3, 14)],
};

const NATS_SERVER: Environment = Environment {
    pins: "tests/nats/requirements.txt",
    folder: "tools/nats-new",
    versions: [OLDEST, (4, 99)],
};

/// An environment of its own with pinned packages.
pub(crate) struct Python {
    program: PathBuf,
}

impl Python {
    /// Makes the environment, unless that was done.
    ///
    /// # Errors
    /// When there is no Python that is new enough, or pip cannot reach its registry.
    pub(crate) fn install(workspace: &Workspace, packages: Packages) -> Result<Self, Failure> {
        Self::make(workspace, &packages.environment())
    }

    /// Makes the environment of ContextForge, unless that was done.
    ///
    /// # Errors
    /// As of [`Python::install`].
    pub(crate) fn context_forge(workspace: &Workspace) -> Result<Self, Failure> {
        Self::make(workspace, &CONTEXT_FORGE)
    }

    /// Makes the environment with the newest server of NATS, unless that was done.
    ///
    /// # Errors
    /// As of [`Python::install`].
    pub(crate) fn nats_server(workspace: &Workspace) -> Result<Self, Failure> {
        Self::make(workspace, &NATS_SERVER)
    }

    fn make(workspace: &Workspace, environment: &Environment) -> Result<Self, Failure> {
        let (system, version) = system(environment)?;
        let pins = workspace.path(environment.pins);
        let wanted = fs::read_to_string(&pins)
            .map_err(|error| format!("cannot read {}: {error}", workspace.shorten(&pins)))?;
        let folder = workspace.target(environment.folder);
        let program = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        keep(&folder, &format!("python {version}\n{wanted}"), &program, |folder| {
            println!("installing clients and servers in Python into {}", workspace.shorten(folder));
            process::run(Command::new(system).args(["-m", "venv"]).arg(folder))
                .map_err(|failure| format!("cannot make a Python environment ({failure}): {HOW}"))?;
            let options = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
            process::run(Command::new(&program).args(options).arg("--requirement").arg(&pins))
        })?;
        Ok(Self { program })
    }

    /// A command that runs a script in the environment.
    pub(crate) fn script(&self, path: PathBuf) -> Command {
        let mut command = Command::new(&self.program);
        // The repository's folders stay free of `__pycache__`.
        command.arg("-B").arg(path);
        command
    }

    /// The words that run a script in the environment.
    pub(crate) fn words(&self, path: &Path) -> Vec<String> {
        vec![self.program.display().to_string(), "-B".into(), path.display().to_string()]
    }

    /// A program that one of the packages brings.
    pub(crate) fn installed(&self, name: &str) -> String {
        let ending = std::env::consts::EXE_SUFFIX;
        self.program.with_file_name(format!("{name}{ending}")).display().to_string()
    }
}

/// A Python of the system for an environment, and its version.
fn system(environment: &Environment) -> Result<(&'static str, String), Failure> {
    let programs: &[&str] =
        if cfg!(windows) { &["python"] } else { &["python3", "python3.13", "python3.12"] };
    let mut found = Vec::new();
    for &program in programs {
        // A program that does not run is as good as none.
        let version = ask(program, &["-c", "import platform; print(platform.python_version())"]);
        match version.ok().flatten() {
            Some(version) if environment.suits(&version) => return Ok((program, version)),
            Some(version) => found.push(format!("{program} is {version}")),
            None => {}
        }
    }
    let [(major, minor), _] = environment.versions;
    let found = if found.is_empty() { "Python is missing".to_owned() } else { found.join(", ") };
    Err(format!("{found}, the packages as they are pinned need {major}.{minor}: {HOW}").into())
}

impl Environment {
    /// Whether its packages run on this version of Python.
    fn suits(&self, version: &str) -> bool {
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let [oldest, after] = self.versions;
        (oldest..after).contains(&version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_python_is_refused() {
        let is_enough = |version| Packages::Newest.environment().suits(version);
        assert!(is_enough("3.11.0") && is_enough("3.14.0rc1") && is_enough("4.0"));
        assert!(!is_enough("3.10.13") && !is_enough("2.7.18") && !is_enough("three"));
        assert!(CONTEXT_FORGE.suits("3.13.1") && !CONTEXT_FORGE.suits("3.14.0"));
    }
}
