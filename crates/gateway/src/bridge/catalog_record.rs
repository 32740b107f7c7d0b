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
    id: Arc<str>,
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
        Self { records: Collection::new(store, &CATALOGS, FORMAT), id: id.into() }
    }

    /// Returns what is stored; nothing if there is no record.
    ///
    /// # Errors
    /// If there is one that cannot be read.
    pub(super) async fn read(&self) -> Result<Contents, Error> {
        match self.records.get(&self.id).await? {
            Some(record) => record.value.contents().ok_or(Error::Unreadable),
            None => Ok(Contents::default()),
        }
    }

    /// Stores `contents`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) async fn write(&self, contents: &Contents) -> Result<(), Error> {
        self.records.set(&self.id, &Stored::of(contents), None).await.map(|_| ())
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
        f.debug_struct("CatalogRecord").field("id", &self.id).finish_non_exhaustive()
    }
}
