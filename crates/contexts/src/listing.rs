//! The names of a principal's conversations: a store lists keys, but not those that others share.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use anyport_store::{Bucket, Collection, Error, Store};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The names of each principal's conversations.
pub static LISTINGS: Bucket = Bucket::new("context-list").max_bytes(64 << 20).sealed();

/// Which names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The ids of those that the principal has.
    Own,
    /// Those that are shared with it, as `OWNER/ID`.
    Shared,
}

/// The lists of names.
#[derive(Clone)]
pub(crate) struct Listings(Collection<Listing>);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Listing {
    names: BTreeSet<String>,
    /// When it was looked for those that have ended: seconds since 1970.
    looked_through: u64,
}

const FORMAT: u8 = 1;
/// How often a name is added, where each try is several that others were faster than.
const TRIES: u32 = 8;
/// The seconds between two looks for names of conversations that have ended.
const PAUSE: u64 = 60;

impl Listings {
    pub(crate) fn new(store: Arc<dyn Store>, sealer: Arc<dyn anyport_store::Sealer>) -> Self {
        Self(Collection::new(store, &LISTINGS, FORMAT).sealer(sealer))
    }

    pub(crate) async fn names(&self, principal: &str, kind: Kind) -> Result<BTreeSet<String>, Error> {
        let listing = self.0.get(&id(principal, kind)).await?;
        Ok(listing.map(|listing| listing.value.names).unwrap_or_default())
    }

    pub(crate) async fn add(&self, principal: &str, kind: Kind, name: &str) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.change(principal, kind, |listing| _ = listing.names.insert(name.to_owned())).await {
                // Those who begin the same conversation at once write the same.
                Err(Error::Conflict(_)) if tries < TRIES => {
                    if self.names(principal, kind).await?.contains(name) {
                        return Ok(());
                    }
                }
                added => return added,
            }
        }
    }

    pub(crate) async fn remove(&self, principal: &str, kind: Kind, gone: &[String]) -> Result<(), Error> {
        self.change(principal, kind, |listing| listing.names.retain(|name| !gone.contains(name))).await
    }

    /// Whether it is time to look for those that have ended, which reads all of them. If so, it is not for a while: who has as many as
    /// possible and asks for more would have the store read without end.
    pub(crate) async fn look_through(
        &self,
        principal: &str,
        kind: Kind,
        now: SystemTime,
    ) -> Result<bool, Error> {
        let (id, now) = (id(principal, kind), now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        let mut is_time = false;
        let looked = self.0.update(&id, None, |listing| {
            let mut listing = listing.unwrap_or_default();
            is_time = now >= listing.looked_through.saturating_add(PAUSE);
            if is_time {
                listing.looked_through = now;
            }
            listing
        });
        looked.await.map(|_| is_time)
    }

    async fn change(&self, principal: &str, kind: Kind, change: impl Fn(&mut Listing)) -> Result<(), Error> {
        let changed = |listing: Option<Listing>| {
            let mut listing = listing.unwrap_or_default();
            change(&mut listing);
            listing
        };
        self.0.update(&id(principal, kind), None, changed).await.map(|_| ())
    }
}

fn id(principal: &str, kind: Kind) -> String {
    let kind = match kind {
        Kind::Own => "own",
        Kind::Shared => "shared",
    };
    format!("{}/{kind}", folder(principal))
}

/// What the ids of a principal's records begin with: names of principals may be too long for ids, and have other signs.
pub(crate) fn folder(principal: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(principal).into();
    HEXLOWER.encode(&digest[..16])
}
