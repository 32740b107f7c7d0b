//! The kinds of state that the program has.

use std::time::Duration;

use anyport_audit::AUDIT;
use anyport_auth::{
    CLIENT_ISSUERS, CONNECT_ATTEMPTS, CREDENTIALS, REFRESH_LEASES, REGISTRATIONS, SIGNED_IN,
    authorization_server,
    resource_server::{API_KEY_USES, API_KEYS},
};
use anyport_contexts::{CONTEXTS, LISTINGS};
use anyport_gateway::{CATALOGS, RATES, federation::PINS};
use anyport_store::{BLOB, Bucket, Place};

/// The lists of servers, for completions. Those that are not written for 90 days are removed.
pub(crate) static COMPLETION_LISTS: Bucket = Bucket::new("completion")
    .place(Place::Local)
    .max_age(Duration::from_secs(90 * 24 * 60 * 60))
    .max_bytes(64 << 20);

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
