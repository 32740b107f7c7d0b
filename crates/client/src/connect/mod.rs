//! Clients of servers that are elsewhere: where they are, and the connection to them.

mod link;
mod listening;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyport_service::Service;
use anyport_transport::client::{Target, child::Command};

pub(crate) use link::Link;

/// What names a server: a path of a socket, a command, a service of this process, or a [`Target`].
pub trait IntoTarget {
    /// Where the server is.
    fn into_target(self) -> Target;
}

impl IntoTarget for Target {
    fn into_target(self) -> Target {
        self
    }
}

impl IntoTarget for Command {
    fn into_target(self) -> Target {
        Target::Command(self)
    }
}

#[cfg(unix)]
impl IntoTarget for PathBuf {
    fn into_target(self) -> Target {
        Target::Unix(self)
    }
}

#[cfg(unix)]
impl IntoTarget for &Path {
    fn into_target(self) -> Target {
        Target::Unix(self.into())
    }
}

impl IntoTarget for Arc<dyn Service> {
    fn into_target(self) -> Target {
        Target::Service(self)
    }
}
