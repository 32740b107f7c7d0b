//! Work that goes on after the call that began it.

mod spawn;
mod tasks;

pub use tasks::{BackgroundError, DEFAULT_MAX_BACKGROUND};
pub(crate) use tasks::{BackgroundTasks, is_polling, mark_stuck};
