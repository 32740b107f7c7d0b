//! A Python with other people's clients.

use std::{fs, path::PathBuf, process::Command};

use super::{ask, keep};
use crate::{Failure, process, workspace::Workspace};

/// The oldest Python that the pinned packages run on.
const OLDEST: (u32, u32) = (3, 11);

const HOW: &str = "install Python 3.11 or newer with its `venv` module (`apt install python3 python3-venv`, \
                   `brew install python`, or from python.org)";

/// An environment of its own with the packages that `tests/python/requirements.txt` pins.
pub(crate) struct Python {
    program: PathBuf,
}

impl Python {
    /// Makes the environment, unless that was done.
    ///
    /// # Errors
    /// When there is no Python that is new enough, or pip cannot reach its registry.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let (system, version) = system()?;
        let pins = workspace.path("tests/python/requirements.txt");
        let wanted = fs::read_to_string(&pins)
            .map_err(|error| format!("cannot read {}: {error}", workspace.shorten(&pins)))?;
        let folder = workspace.target("tools/python");
        let program = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        keep(&folder, &format!("python {version}\n{wanted}"), &program, |folder| {
            println!("installing the clients in Python into {}", workspace.shorten(folder));
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
}

/// The system's Python and its version, if it is new enough.
fn system() -> Result<(&'static str, String), Failure> {
    let program = if cfg!(windows) { "python" } else { "python3" };
    let version = ask(program, &["-c", "import platform; print(platform.python_version())"])?
        .ok_or_else(|| format!("{program} is missing: it runs clients in Python; {HOW}"))?;
    if is_enough(&version) {
        Ok((program, version))
    } else {
        Err(format!(
            "{program} is {version}, the clients as they are pinned need {}.{}: {HOW}",
            OLDEST.0, OLDEST.1
        )
        .into())
    }
}

fn is_enough(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_python_is_refused() {
        assert!(is_enough("3.11.0") && is_enough("3.14.0rc1") && is_enough("4.0"));
        assert!(!is_enough("3.10.13") && !is_enough("2.7.18") && !is_enough("three"));
    }
}
