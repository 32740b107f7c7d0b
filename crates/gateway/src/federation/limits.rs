use std::time::Duration;

use anyport_protocol::limits;

limits! {
    /// The limits of a federation; the names are those of the configuration.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FederationLimits {
        /// The time that the first list of a member is waited for. The list goes out without a late member, and
        /// list-changed follows when its list is there.
        #[default(5 s)]
        #[limit(
            Seconds "first_list_wait",
            beyond = "the list is answered without the items of the late member, and list-changed follows"
        )]
        pub first_list_wait: Duration,
        /// The time after which a member's list is read again, if the member neither names a time (`ttlMs`) nor
        /// notifies of changes.
        #[default(1 minutes)]
        #[limit(
            Seconds "catalog_ttl",
            beyond = "the list is answered as it is, and read again, if the member does not notify of changes"
        )]
        pub catalog_ttl: Duration,
        /// The time that reading one list of a member may take.
        #[default(1 minutes)]
        #[limit(Seconds "catalog_timeout", beyond = "the last known list stays; it is read again later")]
        pub catalog_timeout: Duration,
        /// The number of lists of one kind that are stored per client capabilities and principal. The one that has been
        /// unused for longest makes room.
        #[default(64)]
        #[limit(
            Count "catalog_views", note = " sets of client capabilities",
            beyond = "the lists of the set that has been unused for longest are read again when they are needed"
        )]
        pub catalog_views: usize,
        /// The number of lists, filtered by a policy for callers of one kind, that are kept.
        #[default(64)]
        #[limit(Count "filtered_lists", note = " lists that a policy has filtered", beyond = "the one that has been unused for longest is filtered again when it is needed")]
        pub filtered_lists: usize,
        /// The time after which the lists of clients that are gone are neither watched nor read again.
        #[default(10 minutes)]
        #[limit(Seconds "catalog_idle", beyond = "changes of a list that is not used are not followed")]
        pub catalog_idle: Duration,
        /// The number of callers that have connections and lists of their own at one member: by keys that they bring
        /// (`forward_headers`), by tokens or logins of theirs.
        #[default(256)]
        #[limit(
            Count "max_client_keys", note = " callers, an upstream at which each has connections of its own (`forward_headers`, `auth = \"token_exchange\"`, `auth = \"per_user\"`)",
            beyond = "what was opened for the caller that has come longest ago is closed; -32603 `overloaded`, 503, if all have calls in flight or listen to changes"
        )]
        pub max_client_keys: usize,
        /// The number of entries on a page of a list. Legacy sessions receive all entries on one page.
        #[default(1_000)]
        #[limit(Count "page_size", note = " entries", beyond = "the list continues with a cursor")]
        pub page_size: usize,
        /// The time in which members acknowledge subscriptions to their resources.
        #[default(2 s)]
        #[limit(
            Seconds "subscribe_wait",
            beyond = "the resources of a late member are left out of the acknowledgement"
        )]
        pub subscribe_wait: Duration,
        /// The number of results that are stored to be read as resources.
        #[default(256)]
        #[limit(Count "spilled_results", beyond = "the oldest can no longer be read")]
        pub spilled_results: usize,
        /// The size of these results together, in bytes.
        #[default(64 MiB)]
        #[limit(
            Bytes "spilled_bytes", note = " together",
            beyond = "the oldest can no longer be read; a larger one is refused"
        )]
        pub spilled_bytes: usize,
        /// The time for which a result can be read as a resource.
        #[default(10 minutes)]
        #[limit(Seconds "spill_ttl", beyond = "it can no longer be read")]
        pub spill_ttl: Duration,
        /// The number of resources that one listener may subscribe to.
        #[default(1_000)]
        #[limit(
            Count "max_subscriptions", note = " a listener",
            beyond = "further ones are left out of the acknowledgement"
        )]
        pub max_subscriptions: usize,
    }
}
