//! The official conformance suite.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::node;
use crate::{Failure, workspace::Workspace};

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
        let node = node::program(workspace)?;
        let program = format!("{PACKAGE}/{PROGRAM}");
        let pins = workspace.path("conformance");
        let folder =
            node::packages(workspace, "the conformance suite", &pins, "tools/conformance", &program)?;
        Ok(Self { node, package: folder.join(PACKAGE) })
    }

    /// A command of the suite, such as `server`.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.package.join(PROGRAM)).arg(name);
        command
    }

    /// A command that runs a script by the suite's Node.
    pub(crate) fn script(&self, path: &Path) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(path);
        command
    }

    /// The file in which the suite names what conforming to `revision` requires.
    pub(crate) fn requirements(&self, revision: &str) -> PathBuf {
        self.package.join("requirements").join(revision).with_extension("yaml")
    }
}
