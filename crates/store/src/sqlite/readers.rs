//! The connections that read, beside the one that writes.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{
    file,
    setup::{failure, lock},
};
use crate::Error;

/// A pool of connections, each for one short read at a time.
pub(super) struct Readers {
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// Grows when the connections must be opened again.
    generation: AtomicU64,
    slots: Arc<Semaphore>,
}

/// The number of reads at once.
const READERS: usize = 4;

impl Readers {
    pub(super) fn new(database: PathBuf) -> Self {
        Self {
            database,
            idle: Mutex::default(),
            generation: AtomicU64::new(0),
            slots: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Runs one read on a thread that may wait.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let slot = self.slots.clone().acquire_owned().await.map_err(Error::fault)?;
        let readers = self.clone();
        let result = tokio::task::spawn_blocking(move || {
            let generation = readers.generation.load(Ordering::Acquire);
            let idle = lock(&readers.idle).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => readers.connect()?,
            };
            let result = read(&connection);
            if result.is_ok() && readers.generation.load(Ordering::Acquire) == generation {
                lock(&readers.idle).push(connection);
            }
            drop(slot);
            result
        });
        result.await.map_err(Error::of_task)?.map_err(failure)
    }

    /// Has all connections be opened again: those that are idle are closed.
    pub(super) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        lock(&self.idle).clear();
    }

    fn connect(&self) -> Result<Connection, rusqlite::Error> {
        let connection = file::connect(&self.database)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }
}
