//! Where the program keeps what outlives it.
//!
//! - [`StoreArguments`]: what options and `[store]` of a file say.
//! - [`buckets`]: the kinds of state; [`local`]: the file in a folder.
//! - [`location`]: where a store is, from a URL.
//! - [`OpenStore`]: a store that is open, and what is known of it.
//! - [`durability`]: what an acknowledged write survives, in words; [`monitor`]: asks a server of NATS how often it syncs.
//! - [`StateKeys`]: the keys that gateways of one store share.

mod arguments;
mod buckets;
mod durability;
mod keys;
mod local;
mod location;
mod monitor;
mod open;

use std::time::Duration;

use anyport_protocol::limits;

pub(crate) use self::{
    arguments::StoreArguments,
    buckets::{COMPLETION_LISTS, buckets, shared_buckets},
    durability::StoreStatus,
    keys::StateKeys,
    local::{folder, in_folder, local},
    location::{FORMS as LOCATION_FORMS, Location},
    open::{OpenStore, StorePlace, status_of},
};

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
