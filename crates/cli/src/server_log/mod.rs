//! The log of each server of a gateway: its standard error, its log messages, and how its connections begin and end.
//!
//! - [`buffer`]: the newest entries of one server, in memory.
//! - [`connector`]: notes the connections of a server, and what is logged on them.
//! - [`stderr`]: the lines of a program's standard error.

mod buffer;
mod connector;
mod stderr;

use std::sync::Arc;

use anyport_metrics::Metrics;
use anyport_service::sync::Lock;
use indexmap::IndexMap;
use tokio::sync::watch;

pub(crate) use self::{
    buffer::{EntryKind, LogEntry, ServerLog},
    connector::LoggedConnector,
};

/// The logs of the servers of a gateway, by their names. Clones are the same.
#[derive(Clone)]
pub(crate) struct ServerLogs(Arc<Shared>);

struct Shared {
    logs: Lock<IndexMap<String, Arc<ServerLog>>>,
    /// Changes with every entry of any server.
    changes: watch::Sender<u64>,
    /// The size in bytes of each log (`server_log`).
    room: usize,
    metrics: Metrics,
}

impl ServerLogs {
    /// No logs yet; each gets `room` bytes. What is dropped is counted in `metrics`.
    pub(crate) fn new(room: usize, metrics: &Metrics) -> Self {
        let (logs, changes) = (Lock::default(), watch::Sender::default());
        Self(Arc::new(Shared { logs, changes, room, metrics: metrics.clone() }))
    }

    /// The log of the server `name`, which stays when the server is replaced by another one of this name.
    pub(crate) fn of(&self, name: &str) -> Arc<ServerLog> {
        let Shared { logs, changes, room, metrics } = &*self.0;
        let new = || Arc::new(ServerLog::new(*room, metrics.refusals("server_log"), changes.clone()));
        logs.lock().entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// Drops the logs of the servers whose names are not among `names`.
    pub(crate) fn retain(&self, names: &[&str]) {
        self.0.logs.lock().retain(|name, _| names.contains(&name.as_str()));
    }

    /// The logs, or that of `name` alone.
    pub(crate) fn selected(&self, name: Option<&str>) -> Vec<(String, Arc<ServerLog>)> {
        let logs = self.0.logs.lock();
        let selected = logs.iter().filter(|(own, _)| name.is_none_or(|name| name == **own));
        selected.map(|(name, log)| (name.clone(), log.clone())).collect()
    }

    /// Changes with every entry of any server.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }
}
