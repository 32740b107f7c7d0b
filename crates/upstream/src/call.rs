//! Calls under way, which hold their connection.

use std::sync::{Arc, atomic::Ordering};

use tokio::{sync::Notify, time::Instant};

use crate::slot::Slot;

/// A call under way holds its connection.
pub(crate) struct CallGuard {
    slot: Arc<Slot>,
    freed: Arc<Notify>,
    /// Whether a server request has reached the call's caller.
    asked: bool,
    /// Whether the call was sent, and its outcome has not come.
    runs: bool,
}

impl CallGuard {
    pub(crate) fn of(slot: &Arc<Slot>, freed: &Arc<Notify>) -> Self {
        slot.calls.fetch_add(1, Ordering::AcqRel);
        Self { slot: slot.clone(), freed: freed.clone(), asked: false, runs: false }
    }

    /// A server request has reached the call's caller.
    pub(crate) fn asked(&mut self) {
        if !std::mem::replace(&mut self.asked, true) {
            self.slot.asked.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The call was sent, or its outcome has come.
    pub(crate) fn runs(&mut self, runs: bool) {
        self.runs = runs;
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        if self.asked {
            self.slot.asked.fetch_sub(1, Ordering::AcqRel);
        }
        if self.runs
            && let Some(up) = self.slot.up()
        {
            up.is_spent.store(true, Ordering::Relaxed);
        }
        *self.slot.used.lock() = Instant::now();
        if self.slot.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.freed.notify_waiters();
        }
    }
}
