//! How many bytes the ids and values of a bucket have, as far as this process knows.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// An estimate of the bytes in a bucket. It is at least what this process has written since it last asked.
#[derive(Debug)]
pub(super) struct Room {
    bytes: AtomicU64,
    asked: Mutex<Instant>,
}

/// How long the bytes that others write may be unknown.
const FRESH: Duration = Duration::from_secs(10);

impl Room {
    pub(super) fn new(bytes: u64) -> Self {
        Self { bytes: AtomicU64::new(bytes), asked: Mutex::new(Instant::now()) }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: u64) {
        let more = |known: u64| Some(known.saturating_add(bytes));
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < FRESH
    }

    pub(super) fn set(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}
