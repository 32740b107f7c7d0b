//! The names of a principal's conversations: a store lists keys, but not those that others share.

use std::{collections::BTreeSet, sync::Arc};

use anyport_store::{Collection, Error, Store};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::LISTINGS;

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
}

const FORMAT: u8 = 1;
/// How often a name is added, where each try is several that others were faster than.
const TRIES: u32 = 8;

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
            match self.change(principal, kind, |names| _ = names.insert(name.to_owned())).await {
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
        self.change(principal, kind, |names| names.retain(|name| !gone.contains(name))).await
    }

    async fn change(
        &self,
        principal: &str,
        kind: Kind,
        change: impl Fn(&mut BTreeSet<String>),
    ) -> Result<(), Error> {
        let changed = |listing: Option<Listing>| {
            let mut listing = listing.unwrap_or_default();
            change(&mut listing.names);
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
