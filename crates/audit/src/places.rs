//! Where the log is in a store: its bucket, and the keys of blocks and marks.

use std::sync::Arc;

use anyport_store::{Bucket, Entry, Error, Key, Place, Store, Write};
use bytes::Bytes;

use crate::chain::{ChainKey, Head, Mark, MarkKind};

/// The blocks of audit logs, and marks of their chains: at most 4 GiB.
pub static AUDIT: Bucket = Bucket::new("audit").place(Place::Local).max_bytes(4 << 30);

/// How many keys are read at once.
pub(crate) const PAGE: usize = 16;

const BLOCK: &str = "block";

/// The store of a log, with the key of its chains.
#[derive(Clone)]
pub(crate) struct Places {
    store: Arc<dyn Store>,
    pub(crate) key: ChainKey,
}

impl Places {
    pub(crate) fn new(store: Arc<dyn Store>, key: &anyport_seal::Key) -> Self {
        Self { store, key: ChainKey::new(key) }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The value of a block.
    pub(crate) async fn block(&self, chain: &str, number: u64) -> Result<Option<Bytes>, Error> {
        Ok(self.store.get(&block_key(chain, number)).await?.map(|entry| entry.value))
    }

    /// One page of the blocks of `chain` after the block `after`, each with its number; `None` for a key that is no number.
    pub(crate) async fn blocks(&self, chain: &str, after: u64) -> Result<Vec<(Option<u64>, Entry)>, Error> {
        let prefix = Key::new(&AUDIT, format!("{BLOCK}/{chain}"));
        let page = self.store.list(&prefix, Some(&block_key(chain, after)), PAGE).await?;
        Ok(page.into_iter().map(|(key, entry)| (number_of(&key), entry)).collect())
    }

    /// The first block of `chain` that is there.
    pub(crate) async fn first_block(&self, chain: &str) -> Result<Option<(u64, Bytes)>, Error> {
        let prefix = Key::new(&AUDIT, format!("{BLOCK}/{chain}"));
        let found = self.store.list(&prefix, None, 1).await?.pop();
        Ok(found.and_then(|(key, entry)| Some((number_of(&key)?, entry.value))))
    }

    /// The names of the chains that have blocks or marks, in the order of their beginnings.
    pub(crate) async fn chains(&self) -> Result<Vec<String>, Error> {
        let mut chains = Vec::new();
        for kind in [BLOCK, name_of(MarkKind::Head), name_of(MarkKind::Dropped)] {
            let prefix = Key::new(&AUDIT, kind);
            let mut after: Option<Key> = None;
            while let Some((key, _)) = self.store.list(&prefix, after.as_ref(), 1).await?.pop() {
                let Some(chain) = key.id.split('/').nth(1) else { break };
                chains.push(chain.to_owned());
                // After everything below it: no id of a chain or a block has this character.
                after = Some(Key::new(&AUDIT, format!("{kind}/{chain}/~")));
            }
        }
        chains.sort_unstable();
        chains.dedup();
        Ok(chains)
    }

    pub(crate) async fn put_block(&self, head: &Head, value: Bytes) -> Result<(), Error> {
        self.store.put(&block_key(&head.chain, head.block), value, Write::ANY).await.map(|_| ())
    }

    pub(crate) async fn delete_block(&self, chain: &str, number: u64) -> Result<(), Error> {
        self.store.delete(&block_key(chain, number), anyport_store::Expect::Anything).await
    }

    /// The mark of `chain`: `None` if there is none, an error in it if it is altered.
    pub(crate) async fn mark(&self, kind: MarkKind, chain: &str) -> Result<Option<Result<Head, ()>>, Error> {
        let entry = self.store.get(&mark_key(kind, chain)).await?;
        Ok(entry.map(|entry| Mark::parse(kind, chain, &entry.value, &self.key).ok_or(())))
    }

    pub(crate) async fn put_mark(&self, kind: MarkKind, head: &Head) -> Result<(), Error> {
        let mark = Mark::new(kind, head.clone(), &self.key);
        let value = serde_json::to_vec(&mark).map_err(|error| Error::Fault(error.into()))?;
        self.store.put(&mark_key(kind, &head.chain), value.into(), Write::ANY).await.map(|_| ())
    }
}

fn name_of(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Head => "head",
        MarkKind::Dropped => "dropped",
    }
}

fn mark_key(kind: MarkKind, chain: &str) -> Key {
    Key::new(&AUDIT, format!("{}/{chain}", name_of(kind)))
}

/// In the order of their numbers.
fn block_key(chain: &str, number: u64) -> Key {
    Key::new(&AUDIT, format!("{BLOCK}/{chain}/{number:016}"))
}

fn number_of(key: &Key) -> Option<u64> {
    key.id.rsplit('/').next()?.parse().ok()
}
