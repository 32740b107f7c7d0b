//! The file of the store in a folder.

use std::path::{Path, PathBuf};

use anyport_metrics::Metrics;
use anyport_store::{Options, SqliteStore};

use super::buckets::buckets;

/// The folder of the store in the folder of the program's state.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join("store")
}

/// The store in the folder of the program's state, with what belongs to this machine, and what is shared unless another store is chosen. It is
/// opened when it is first needed.
pub(crate) fn local(state: &Path, metrics: &Metrics) -> SqliteStore {
    in_folder(folder(state), metrics)
}

/// The store in a folder.
pub(crate) fn in_folder(folder: PathBuf, metrics: &Metrics) -> SqliteStore {
    SqliteStore::new(folder, &buckets(), Options::default().metrics(metrics))
}
