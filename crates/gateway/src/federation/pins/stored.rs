//! How the pins of an upstream and what is stored of them are kept alike.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use anyport_store::{Change, Error};
use tokio::{sync::Notify, time::timeout};

use super::{
    list::PinnedList,
    records::kind_of,
    state::{Inner, Record},
};
use crate::federation::list_kind::ListKind;

/// The longest time for which the store is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

impl Inner {
    /// Takes over what is stored. What is not stored yet is added.
    fn take_over(&self, kind: ListKind, stored: Option<PinnedList>) {
        let mut list = self.lists[kind as usize].lock();
        let mut pins = stored.unwrap_or_else(|| PinnedList::new(&list.pins.file, &list.pins.upstream, kind));
        for seen in &list.unsaved {
            pins.observe(seen);
        }
        if pins != list.pins {
            list.pins = pins;
            drop(list);
            self.bump();
        }
    }

    async fn load(&self, record: &Record) {
        let reading = async {
            for kind in ListKind::ALL {
                self.take_over(kind, record.records.get(&record.file, &self.upstream, kind).await?);
            }
            Ok(())
        };
        let why = match timeout(PATIENCE, reading).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Error::to_string(&error)),
            Err(_) => Some("the store does not answer".to_owned()),
        };
        if let Some(why) = why {
            let upstream = &*self.upstream;
            tracing::warn!(
                upstream,
                "the pinned definitions of {upstream} cannot be read, and what it lists now is trusted: {why}"
            );
        }
        self.loaded.send_replace(true);
    }

    async fn save(&self, record: &Record) {
        for kind in ListKind::ALL {
            let unsaved = self.lists[kind as usize].lock().unsaved.clone();
            if unsaved.is_empty() {
                continue;
            }
            let add = |list: &mut PinnedList| unsaved.iter().for_each(|seen| _ = list.observe(seen));
            let mut saved = record.records.update(&record.file, &self.upstream, kind, add).await;
            if let Err(Error::TooLarge { .. }) = saved {
                // What was pinned counts more than how it is shown.
                let add_hashes = |list: &mut PinnedList| {
                    add(list);
                    list.drop_texts();
                };
                saved = record.records.update(&record.file, &self.upstream, kind, add_hashes).await;
            }
            let stored = match saved {
                Ok(()) => record.records.get(&record.file, &self.upstream, kind).await,
                Err(error) => Err(error),
            };
            // What cannot be stored holds in memory.
            self.lists[kind as usize].lock().unsaved.drain(..unsaved.len());
            match stored {
                Ok(stored) => self.take_over(kind, stored),
                Err(error) => {
                    let upstream = &*self.upstream;
                    tracing::warn!(upstream, %error, "the definitions of {upstream} are pinned until the gateway ends: they cannot be stored");
                }
            }
        }
    }

    async fn reload(&self, record: &Record, kind: ListKind) {
        match record.records.get(&record.file, &self.upstream, kind).await {
            Ok(stored) => self.take_over(kind, stored),
            Err(error) => tracing::warn!(%error, "changed pins cannot be read"),
        }
    }
}

/// Reads the pins, stores what is observed, and takes over what other processes write, until the last clone of the pins is gone.
pub(super) async fn run(pins: Weak<Inner>, record: Record, wake: Arc<Notify>) {
    let watched = match pins.upgrade() {
        Some(pins) => {
            pins.load(&record).await;
            record.records.watch(&record.file, &pins.upstream)
        }
        None => return,
    };
    let mut watched = Some(watched);
    loop {
        let change = async {
            match &mut watched {
                Some(watch) => watch.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            change = change => {
                let Some(pins) = pins.upgrade() else { return };
                match change {
                    Some(Change::Put(key, _)) => if let Some(kind) = kind_of(&key.id) {
                        pins.reload(&record, kind).await;
                    },
                    // A record that was taken away is not a reason to trust anew.
                    Some(_) => {}
                    // The store is closed.
                    None => watched = None,
                }
            }
            () = wake.notified() => match pins.upgrade() {
                Some(pins) => pins.save(&record).await,
                None => return,
            },
        }
    }
}
