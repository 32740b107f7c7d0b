//! Where the program keeps what outlives it.

use std::path::{Path, PathBuf};

use anyport_gateway::CATALOGS;
use anyport_metrics::Metrics;
use anyport_store::{BLOB, Options, SqliteStore};

use crate::list_cache;

/// The folder of the store in the folder of the program's state.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join("store")
}

/// The store in the folder of the program's state. It is opened when it is first needed.
pub(crate) fn open(state: &Path, metrics: &Metrics) -> SqliteStore {
    let buckets = [&CATALOGS, &list_cache::LISTS, &BLOB];
    SqliteStore::new(folder(state), &buckets, Options::default().metrics(metrics))
}
