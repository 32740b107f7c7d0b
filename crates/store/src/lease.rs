use std::{fmt, sync::Arc};

use crate::{Error, Expect, Key, Liveness, Member, Store, Version, Write};

/// What one member holds and no other: a compare-and-set on a record that names the holder.
///
/// There is no renewal and no expiry time: a lease ends by [`Lease::release`], or with the process that holds it. A record that
/// has an owner needs no lease: the owner is a member of the record, and every write of it is an [`Expect::Version`].
pub struct Lease {
    store: Arc<dyn Store>,
    key: Key,
    fence: Version,
}

impl Lease {
    /// Takes the lease `key`, if it is free or its holder is dead. Returns `None` if another member may hold it, or if this
    /// process holds it already.
    ///
    /// # Errors
    /// If the store fails, or the record is no lease.
    pub async fn acquire(store: &Arc<dyn Store>, key: Key) -> Result<Option<Self>, Error> {
        let expect = match store.get(&key).await? {
            None => Expect::Absent,
            Some(held) => {
                let holder: Member = serde_json::from_slice(&held.value).map_err(|_| Error::Unreadable)?;
                if store.members_of(key.bucket).liveness(&holder) != Liveness::Dead {
                    return Ok(None);
                }
                Expect::Version(held.version)
            }
        };
        let me = serde_json::to_vec(store.members_of(key.bucket).me()).map_err(Error::fault)?;
        match store.put(&key, me.into(), Write::expecting(expect)).await {
            Ok(fence) => Ok(Some(Self { store: store.clone(), key, fence })),
            Err(Error::Conflict(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is held.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The fencing token, which is larger than that of every earlier holder. A write that carries an older one must be refused.
    pub fn fence(&self) -> Version {
        self.fence
    }

    /// Returns whether the lease is still held. Ask right before an effect outside of the store, which cannot be fenced.
    ///
    /// # Errors
    /// If the store fails; the lease must then be taken as lost.
    pub async fn holds(&self) -> Result<bool, Error> {
        Ok(self.store.get(&self.key).await?.is_some_and(|held| held.version == self.fence))
    }

    /// Gives the lease back. Does nothing if it was lost.
    ///
    /// # Errors
    /// If the store fails: the lease then ends with this process.
    pub async fn release(self) -> Result<(), Error> {
        match self.store.delete(&self.key, Expect::Version(self.fence)).await {
            Ok(()) | Err(Error::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("key", &self.key).field("fence", &self.fence).finish_non_exhaustive()
    }
}
