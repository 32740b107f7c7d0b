//! The gateways that run, and their servers.

use std::path::{Path, PathBuf};

use super::{Surroundings, server::GatewayServer};
#[cfg(unix)]
use crate::{gateway::socket, state_dir};

/// A gateway that runs, and the names of its servers.
pub(super) struct RunningGateway {
    /// The file that it serves.
    pub(super) file: PathBuf,
    #[cfg(unix)]
    socket: PathBuf,
    #[cfg(unix)]
    introduction: socket::Introduction,
}

/// The gateways of this user that run, without those that started this program: a server of theirs may be this program.
#[cfg(unix)]
pub(super) fn gateways(surroundings: &Surroundings) -> Vec<RunningGateway> {
    let state = state_dir::of_gateways(surroundings);
    let all = state.into_iter().flat_map(|state| socket::introductions(&state));
    all.filter(|(_, introduction)| !crate::gateway::is_served_above(&introduction.file))
        .map(|(socket, introduction)| RunningGateway {
            file: introduction.file.clone(),
            socket,
            introduction,
        })
        .collect()
}

/// Without Unix sockets, no gateway can be reached.
#[cfg(not(unix))]
pub(super) fn gateways(_: &Surroundings) -> Vec<RunningGateway> {
    Vec::new()
}

impl RunningGateway {
    /// Its server that its file calls `name`.
    #[cfg(unix)]
    pub(super) fn server(&self, name: &str) -> Option<GatewayServer> {
        let name = self.introduction.server(name)?.to_owned();
        let (file, pid, socket) = (self.file.clone(), self.introduction.pid, self.socket.clone());
        Some(GatewayServer { file, pid, socket, name, is_covered: false })
    }

    /// Its server that its file calls `name`.
    #[cfg(not(unix))]
    pub(super) fn server(&self, _: &str) -> Option<GatewayServer> {
        None
    }

    /// The names of its servers.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        #[cfg(unix)]
        return self.introduction.servers.iter().map(|server| &*server.name);
        #[cfg(not(unix))]
        return std::iter::empty();
    }

    /// Whether it serves the file at `path`.
    pub(super) fn serves(&self, path: &Path) -> bool {
        let same = || Some(self.file.canonicalize().ok()? == path.canonicalize().ok()?);
        self.file == path || same().unwrap_or(false)
    }
}
