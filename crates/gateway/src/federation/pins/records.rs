//! Where pins outlive the process: a record for each list of an upstream.

use std::sync::Arc;

use anyport_store::{Bucket, Collection, Error, Key, Store, Watch};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{
    definition::Definition,
    list::{AcceptedDefinition, PinnedList},
};
use crate::federation::list_kind::ListKind;

/// The pinned definitions of upstreams. They do not expire: an upstream that is unused for a year is not trusted anew.
pub static PINS: Bucket = Bucket::new("pin").max_bytes(256 << 20);

/// The pins in a store that was opened with [`PINS`], of all upstreams of all files.
///
/// A list is found by its file and the name of its upstream, and not by its command, URL or credentials: a server that was put in
/// the place of another one, under the same name, is not trusted anew.
#[derive(Clone)]
pub struct PinRecords {
    store: Arc<dyn Store>,
    lists: Collection<PinnedList>,
}

/// The number of the record's format.
const FORMAT: u8 = 1;
/// The number of records that are read at once.
const PAGE: usize = 64;

impl PinRecords {
    /// The pins in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { lists: Collection::new(store.clone(), &PINS, FORMAT), store }
    }

    /// Returns the pins of every list.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn all(&self) -> Result<Vec<PinnedList>, Error> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = self.lists.list("", after.as_deref(), PAGE).await?;
            all.extend(page.into_iter().map(|(_, record)| record.value));
            let Some(next) = next else { return Ok(all) };
            after = Some(next);
        }
    }

    /// Accepts those pending definitions of an upstream that `wants` names: the list, the name and the definition. A running gateway
    /// takes them over.
    ///
    /// # Errors
    /// If the store fails; definitions of other lists may have been accepted.
    pub async fn accept(
        &self,
        file: &str,
        upstream: &str,
        wants: impl Fn(&str, &str, &Definition) -> bool,
    ) -> Result<Vec<AcceptedDefinition>, Error> {
        let mut all = Vec::new();
        for kind in ListKind::ALL {
            let Some(mut known) = self.get(file, upstream, kind).await? else { continue };
            let is_wanted = |name: &str, definition: &Definition| wants(kind.entries(), name, definition);
            if known.accept(is_wanted).is_empty() {
                continue;
            }
            let mut accepted = Vec::new();
            self.update(file, upstream, kind, |list| accepted = list.accept(is_wanted)).await?;
            all.append(&mut accepted);
        }
        Ok(all)
    }

    pub(super) async fn get(
        &self,
        file: &str,
        upstream: &str,
        kind: ListKind,
    ) -> Result<Option<PinnedList>, Error> {
        Ok(self.lists.get(&id(file, upstream, kind)).await?.map(|record| record.value))
    }

    /// Changes the pins of a list. `change` may be called again, if another process writes them meanwhile.
    pub(super) async fn update(
        &self,
        file: &str,
        upstream: &str,
        kind: ListKind,
        mut change: impl FnMut(&mut PinnedList),
    ) -> Result<(), Error> {
        let update = |old: Option<PinnedList>| {
            let mut list = old.unwrap_or_else(|| PinnedList::new(file, upstream, kind));
            change(&mut list);
            list
        };
        self.lists.update(&id(file, upstream, kind), None, update).await.map(|_| ())
    }

    /// Reports changes of the pins of an upstream.
    pub(super) fn watch(&self, file: &str, upstream: &str) -> Watch {
        self.store.watch(&Key::new(&PINS, folder(file, upstream)))
    }
}

/// The list whose record has the id `id`.
pub(super) fn kind_of(id: &str) -> Option<ListKind> {
    let (_, list) = id.rsplit_once('/')?;
    ListKind::ALL.into_iter().find(|kind| kind.entries() == list)
}

fn id(file: &str, upstream: &str, kind: ListKind) -> String {
    format!("{}/{}", folder(file, upstream), kind.entries())
}

/// What the ids of an upstream's lists begin with. Paths are too long for ids.
fn folder(file: &str, upstream: &str) -> String {
    let mut hash = Sha256::new();
    for part in [file, upstream] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    HEXLOWER.encode(&digest[..16])
}
