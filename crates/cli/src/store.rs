//! Where the program keeps what outlives it.

use std::path::{Path, PathBuf};

/// The folder of the store in the folder of the program's state.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join("store")
}
