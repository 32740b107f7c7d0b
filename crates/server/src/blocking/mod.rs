//! Functions that block a thread, on a bounded pool.

mod pool;
mod run;

pub(crate) use pool::Pool;
pub use pool::{DEFAULT_MAX_BLOCKING, DEFAULT_MAX_BLOCKING_WAITING};
pub use run::BlockOnError;
pub(crate) use run::run;
