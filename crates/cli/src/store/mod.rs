//! Where the program keeps what outlives it.
//!
//! - [`StoreArguments`]: what options and `[store]` of a file say.
//! - [`location`]: where a store is, from a URL.
//! - [`OpenStore`]: a store that is open, and what is known of it.
//! - [`durability`]: what an acknowledged write survives, in words; [`monitor`]: asks a server of NATS how often it syncs.
//! - [`StateKeys`]: the keys that gateways of one store share.

mod arguments;
mod durability;
mod keys;
mod location;
mod monitor;
mod open;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyport_audit::AUDIT;
use anyport_auth::{
    CLIENT_ISSUERS, CONNECT_ATTEMPTS, CREDENTIALS, REFRESH_LEASES, REGISTRATIONS, SIGNED_IN,
    authorization_server,
    resource_server::{API_KEY_USES, API_KEYS},
};
use anyport_contexts::{CONTEXTS, LISTINGS};
use anyport_gateway::{CATALOGS, RATES, federation::PINS};
use anyport_metrics::Metrics;
use anyport_protocol::limits;
use anyport_store::{BLOB, Bucket, Options, Place, SqliteStore};

pub(crate) use self::{
    arguments::StoreArguments,
    durability::{Durability, StoreStatus},
    keys::StateKeys,
    location::{FORMS as LOCATION_FORMS, Location},
    open::{OpenStore, StorePlace, status_of},
};

/// The lists of servers, for completions. Those that are not written for 90 days are removed.
pub(crate) static COMPLETION_LISTS: Bucket = Bucket::new("completion")
    .place(Place::Local)
    .max_age(Duration::from_secs(90 * 24 * 60 * 60))
    .max_bytes(64 << 20);

limits! {
    /// The limits of waiting for the store.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct StoreLimits {
        /// The time that a program waits for a store that cannot be reached when it starts.
        #[default(10 s)]
        #[limit(
            Seconds "store_wait", note = " for servers of NATS when the program starts",
            beyond = "it serves what needs no store, says so, and goes on trying"
        )]
        pub(crate) wait: Duration,
    }
}

/// All kinds of state. The parts of large records are the last: who copies a store in this order finds those of each record.
pub(crate) fn buckets() -> Vec<&'static Bucket> {
    let lists = [&CATALOGS, &PINS, &COMPLETION_LISTS, &RATES, &CONTEXTS, &LISTINGS];
    let logins =
        [&CREDENTIALS, &REGISTRATIONS, &SIGNED_IN, &REFRESH_LEASES, &CLIENT_ISSUERS, &CONNECT_ATTEMPTS];
    let callers = [&API_KEYS, &API_KEY_USES, &AUDIT];
    [&lists[..], &logins, &callers, &authorization_server::BUCKETS, &[&BLOB]].concat()
}

/// The kinds of state that all members of a store see.
pub(crate) fn shared_buckets() -> Vec<&'static Bucket> {
    buckets().into_iter().filter(|bucket| bucket.where_seen() == Place::Shared).collect()
}

/// The folder of the store in the folder of the program's state.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join("store")
}

/// The store in the folder of the program's state, with what belongs to this machine, and what is shared unless another store is chosen. It is
/// opened when it is first needed.
pub(crate) fn local(state: &Path, metrics: &Metrics) -> SqliteStore {
    in_folder(folder(state), metrics)
}

/// The store in a folder.
pub(crate) fn in_folder(folder: PathBuf, metrics: &Metrics) -> SqliteStore {
    SqliteStore::new(folder, &buckets(), Options::default().metrics(metrics))
}
