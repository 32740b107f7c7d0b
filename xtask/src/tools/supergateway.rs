//! supergateway, which serves programs over HTTP.

use std::{path::PathBuf, process::Command};

use super::node;
use crate::{Failure, workspace::Workspace};

const PROGRAM: &str = "node_modules/supergateway/dist/index.js";

/// The installed program.
pub(crate) struct Supergateway {
    node: PathBuf,
    program: PathBuf,
}

impl Supergateway {
    /// Installs it as `bench/peers/supergateway/package-lock.json` pins it, unless that was done.
    ///
    /// # Errors
    /// When npm is missing, or cannot reach its registry.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        let node = node::program(workspace)?;
        let pins = workspace.path("bench/peers/supergateway");
        let folder = node::packages(workspace, "supergateway", &pins, "tools/supergateway", PROGRAM)?;
        Ok(Self { node, program: folder.join(PROGRAM) })
    }

    /// A command of it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(&self.program);
        command
    }
}
