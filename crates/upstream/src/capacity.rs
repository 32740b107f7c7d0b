//! Room for one more connection.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyport_protocol::failure::Failure;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{pool::Pool, slot::Slot};

impl Pool {
    /// Waits for room for one more connection, and closes an idle one if there is one. Not for ever: calls that wait
    /// for answers occupy their connections for an unknown time.
    pub(crate) async fn room(&self, slot: &Slot) -> Result<OwnedSemaphorePermit, Failure> {
        let inner = &self.0;
        if let Ok(room) = inner.room.clone().try_acquire_owned() {
            return Ok(room);
        }
        if inner.waiting.fetch_add(1, Ordering::AcqRel) >= inner.limits.waiting {
            inner.waiting.fetch_sub(1, Ordering::AcqRel);
            inner.metrics.refused.increment();
            return Err(self.overloaded(""));
        }
        let _waiting = Waiting(&inner.waiting);
        let freed = async {
            // Asked for once: who came first is served first.
            let room = inner.room.clone().acquire_owned();
            tokio::pin!(room);
            loop {
                let freed = inner.freed.notified();
                tokio::pin!(freed);
                // From here on it is heard, however early it comes.
                freed.as_mut().enable();
                self.close_idlest(slot);
                tokio::select! {
                    room = &mut room => return room.map_err(|_| Failure::ShuttingDown),
                    () = freed => {}
                }
            }
        };
        let wait = inner.limits.connection_wait;
        timeout(wait, freed).await.unwrap_or_else(|_| {
            inner.metrics.waited.increment();
            let asked = self.slots().iter().filter(|slot| slot.has_asked()).count();
            let asked = match asked {
                0 => String::new(),
                asked => format!(", {asked} of them by calls that wait for somebody's answer"),
            };
            Err(self
                .overloaded(&format!("{asked}, and none got free in {} s (connection_wait)", wait.as_secs())))
        })
    }

    /// There is no room for a further connection.
    fn overloaded(&self, how: &str) -> Failure {
        let why = format!(
            "{} has {} connections, all in use (connections){how}; try again later",
            self.0.name, self.0.limits.connections
        );
        Failure::Overloaded { limit: "connections", why }
    }

    /// Closes the connection that has been idle longest, if there is one.
    fn close_idlest(&self, but: &Slot) {
        let slots = self.slots();
        let idle = slots.iter().filter(|slot| !std::ptr::eq(&***slot, but) && slot.up().is_some());
        let idlest = idle.filter_map(|slot| Some((slot.idle_since()?, slot))).min_by_key(|(since, _)| *since);
        if let Some((_, slot)) = idlest {
            self.give_up(slot);
        }
    }
}

/// A call that waits for room, counted until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
