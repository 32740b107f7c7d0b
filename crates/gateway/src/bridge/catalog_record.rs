//! The record of a server's last known lists, which outlives the program.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use anyport_protocol::{Limits, Raw, Revision};
use anyport_store::{Bucket, Collection, Error, Store};
use serde::{Deserialize, Serialize};

/// The last known descriptions and lists of bridged servers. One that is not written for 90 days is removed: requesting the lists again costs little.
pub static CATALOGS: Bucket =
    Bucket::new("catalog").max_age(Duration::from_secs(90 * 24 * 60 * 60)).max_bytes(256 << 20);

/// Where a bridge keeps the last known lists of its server: a record in a store that was opened with [`CATALOGS`] and
/// [`BLOB`](anyport_store::BLOB).
#[derive(Clone)]
pub struct CatalogRecord {
    records: Collection<Stored>,
    /// Which id the record of an entry of a file has.
    ids: Collection<EntryId>,
    place: Place,
}

/// How a record is found.
#[derive(Clone)]
enum Place {
    /// By the id of its server; `entry` is noted to have it.
    Server { id: Arc<str>, entry: Option<Arc<str>> },
    /// By the entry, as long as the id is not known. Nothing is stored.
    Entry(Arc<str>),
}

/// The id of the server that an entry of a file described when it was last reached.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct EntryId {
    id: String,
}

/// What is known of a server.
#[derive(Clone, Default)]
pub(super) struct Contents {
    /// The server's description for modern clients.
    pub(super) discovered: Option<Raw>,
    /// The server's description for legacy clients.
    pub(super) discovered_by_legacy: Option<Raw>,
    /// By the method, the client's era and the client's capabilities, on which a list may depend.
    pub(super) lists: BTreeMap<String, Raw>,
}

/// The record. Messages are stored as text, so that they come back byte for byte.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none")]
    discovered: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discovered_by_legacy: Option<String>,
    lists: BTreeMap<String, String>,
}

/// The number of the record's format.
const FORMAT: u8 = 1;
/// The largest stored text in bytes.
const MOST: usize = 32 << 20;

impl CatalogRecord {
    /// The record of the server `id` in `store`. A server that offers something else to each credential needs an id for each.
    pub fn new(store: Arc<dyn Store>, id: impl Into<Arc<str>>) -> Self {
        Self::at(store, Place::Server { id: id.into(), entry: None })
    }

    /// The record of the server that `entry` described when it was last reached: for a time in which the id of that server cannot be
    /// found out. Nothing is written to it.
    pub fn of_entry(store: Arc<dyn Store>, entry: impl Into<Arc<str>>) -> Self {
        Self::at(store, Place::Entry(entry.into()))
    }

    /// Makes the record known as that of `entry`, too: see [`of_entry`](Self::of_entry). An entry stands for a place in a file and
    /// what is written there.
    #[must_use]
    pub fn known_as(mut self, entry: impl Into<Arc<str>>) -> Self {
        if let Place::Server { entry: known, .. } = &mut self.place {
            *known = Some(entry.into());
        }
        self
    }

    fn at(store: Arc<dyn Store>, place: Place) -> Self {
        let ids = Collection::new(store.clone(), &CATALOGS, FORMAT);
        Self { records: Collection::new(store, &CATALOGS, FORMAT), ids, place }
    }

    /// Returns what is stored; nothing if there is no record.
    ///
    /// # Errors
    /// If there is one that cannot be read.
    pub(super) async fn read(&self) -> Result<Contents, Error> {
        let id: Arc<str> = match &self.place {
            Place::Server { id, .. } => id.clone(),
            Place::Entry(entry) => match self.ids.get(entry).await? {
                Some(known) => known.value.id.into(),
                None => return Ok(Contents::default()),
            },
        };
        match self.records.get(&id).await? {
            Some(record) => {
                self.note_entry().await?;
                record.value.contents().ok_or(Error::Unreadable)
            }
            None => Ok(Contents::default()),
        }
    }

    /// Stores `contents`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) async fn write(&self, contents: &Contents) -> Result<(), Error> {
        let Place::Server { id, .. } = &self.place else { return Ok(()) };
        self.records.set(id, &Stored::of(contents), None).await?;
        self.note_entry().await
    }

    /// Notes which server the entry describes.
    async fn note_entry(&self) -> Result<(), Error> {
        let Place::Server { id, entry: Some(entry) } = &self.place else { return Ok(()) };
        let now = EntryId { id: id.to_string() };
        if self.ids.get(entry).await?.is_none_or(|known| known.value != now) {
            self.ids.set(entry, &now, None).await?;
        }
        Ok(())
    }
}

impl Contents {
    pub(super) fn discovered_by(&mut self, revision: Revision) -> &mut Option<Raw> {
        if revision.is_stateless() { &mut self.discovered } else { &mut self.discovered_by_legacy }
    }

    /// Adds what `older` knows and this does not.
    pub(super) fn add(&mut self, older: Self) {
        self.discovered = self.discovered.take().or(older.discovered);
        self.discovered_by_legacy = self.discovered_by_legacy.take().or(older.discovered_by_legacy);
        for (key, list) in older.lists {
            self.lists.entry(key).or_insert(list);
        }
    }
}

impl Stored {
    fn of(contents: &Contents) -> Self {
        let text = |raw: &Raw| raw.as_str().to_owned();
        Self {
            discovered: contents.discovered.as_ref().map(text),
            discovered_by_legacy: contents.discovered_by_legacy.as_ref().map(text),
            lists: contents.lists.iter().map(|(key, list)| (key.clone(), text(list))).collect(),
        }
    }

    /// `None` if a text does not pass the scan.
    fn contents(self) -> Option<Contents> {
        let limits = Limits::default().nodes(usize::MAX).bytes(MOST);
        let raw = |text: String| Raw::parse(text.into(), &limits).ok();
        let optional = |text: Option<String>| match text {
            Some(text) => raw(text).map(Some),
            None => Some(None),
        };
        Some(Contents {
            discovered: optional(self.discovered)?,
            discovered_by_legacy: optional(self.discovered_by_legacy)?,
            lists: self
                .lists
                .into_iter()
                .map(|(key, list)| Some((key, raw(list)?)))
                .collect::<Option<_>>()?,
        })
    }
}

impl fmt::Debug for CatalogRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Place::Server { id, .. } | Place::Entry(id)) = &self.place;
        f.debug_struct("CatalogRecord").field("id", id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use anyport_metrics::Metrics;
    use anyport_store::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn the_record_of_an_entry_is_that_of_the_server_that_it_described_last() {
        let store = Arc::new(MemoryStore::new(&[&CATALOGS], &Metrics::new()));
        let lists = |text: &str| Contents {
            lists: [("tools/list {}".to_owned(), Raw::string(text))].into(),
            ..Contents::default()
        };
        let entry = CatalogRecord::of_entry(store.clone(), "entry");
        assert!(entry.read().await.unwrap().lists.is_empty());
        let unnamed = CatalogRecord::new(store.clone(), "server of ada");
        unnamed.write(&lists("ada")).await.unwrap();
        assert!(entry.read().await.unwrap().lists.is_empty(), "it was not noted");
        // A record that is the same as before is not written, so that a look at it suffices.
        unnamed.known_as("entry").read().await.unwrap();
        assert_eq!(entry.read().await.unwrap().lists, lists("ada").lists);
        let bob = CatalogRecord::new(store.clone(), "server of bob").known_as("entry");
        assert!(bob.read().await.unwrap().lists.is_empty());
        assert_eq!(
            entry.read().await.unwrap().lists,
            lists("ada").lists,
            "nothing is known of the other one yet"
        );
        bob.write(&lists("bob")).await.unwrap();
        entry.write(&lists("nobody")).await.unwrap();
        assert_eq!(entry.read().await.unwrap().lists, lists("bob").lists);
    }
}
