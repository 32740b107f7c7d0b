//! Where the program keeps what outlives it.

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
use anyport_gateway::{CATALOGS, federation::PINS};
use anyport_metrics::Metrics;
use anyport_store::{BLOB, Bucket, Options, Place, SqliteStore};

/// The lists of servers, for completions. Those that are not written for 90 days are removed.
pub(crate) static COMPLETION_LISTS: Bucket = Bucket::new("completion")
    .place(Place::Local)
    .max_age(Duration::from_secs(90 * 24 * 60 * 60))
    .max_bytes(64 << 20);

/// The folder of the store in the folder of the program's state.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join("store")
}

/// The store in the folder of the program's state. It is opened when it is first needed.
pub(crate) fn open(state: &Path, metrics: &Metrics) -> SqliteStore {
    let lists = [&CATALOGS, &PINS, &COMPLETION_LISTS, &BLOB];
    let logins =
        [&CREDENTIALS, &REGISTRATIONS, &SIGNED_IN, &REFRESH_LEASES, &CLIENT_ISSUERS, &CONNECT_ATTEMPTS];
    let callers = [&API_KEYS, &API_KEY_USES, &AUDIT];
    let buckets = [&lists[..], &logins, &callers, &authorization_server::BUCKETS].concat();
    SqliteStore::new(folder(state), &buckets, Options::default().metrics(metrics))
}
