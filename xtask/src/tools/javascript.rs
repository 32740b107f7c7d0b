//! The clients and servers in JavaScript, and the scripts that drive the clients.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::node;
use crate::{Failure, workspace::Workspace};

/// The files that must exist after the installation.
const PROGRAM: &str = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js";

/// A folder with the packages that `tests/typescript/package-lock.json` pins.
pub(crate) struct JavaScript {
    node: PathBuf,
    folder: PathBuf,
}

impl JavaScript {
    /// Installs the packages, unless that was done.
    ///
    /// # Errors
    /// When npm is missing, or cannot reach its registry.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let node = node::program(workspace)?;
        let scripts = workspace.path("tests/typescript");
        let folder = node::packages(
            workspace,
            "clients and servers in JavaScript",
            &scripts,
            "tools/typescript",
            PROGRAM,
        )?;
        copy_scripts(&scripts, &folder)?;
        Ok(Self { node, folder })
    }

    /// The Node that runs all of it.
    pub(crate) fn node(&self) -> &Path {
        &self.node
    }

    /// The folder of the scripts and packages.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The words that start one of the protocol's own servers, such as `server-everything`.
    pub(crate) fn server(&self, name: &str) -> Vec<String> {
        let program = self.folder.join("node_modules/@modelcontextprotocol").join(name).join("dist/index.js");
        vec![self.node.display().to_string(), program.display().to_string()]
    }

    /// The words that start one of the scripts in `tests/typescript`.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        vec![self.node.display().to_string(), self.folder.join(name).display().to_string()]
    }

    /// A command that runs one of the scripts in `tests/typescript`.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.folder.join(name));
        command
    }
}

/// Node looks for packages beside the script that imports them, so the scripts come to the packages: those would make
/// a mess of the repository.
fn copy_scripts(from: &Path, to: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let (Some("mjs"), Some(name)) =
            (path.extension().and_then(|ending| ending.to_str()), path.file_name())
        {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
