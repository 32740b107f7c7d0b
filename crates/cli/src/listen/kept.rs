//! The store and the keys of a program that serves, once they are opened.

use std::sync::OnceLock;

use crate::store::{OpenStore, StateKeys};

/// What was opened. `None` in it: there is no place for it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) keys: OnceLock<Option<StateKeys>>,
    pub(super) store: OnceLock<Option<OpenStore>>,
}
