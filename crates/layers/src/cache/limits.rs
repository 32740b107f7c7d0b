use std::time::Duration;

use anyport_protocol::limits;

limits! {
    /// The limits of a [`Cache`](super::Cache).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CacheLimits {
        /// How long a result is valid, from the start of its call.
        #[default(300 s)]
        pub ttl: Duration,
        /// The number of stored results.
        #[default(1_024)]
        #[limit(Count "cache_entries", note = " answers", beyond = "the least recently used answer is removed")]
        pub entries: usize,
        /// The size of all results and keys in bytes. A result larger than an eighth of it is not stored.
        #[default(64 MiB)]
        #[limit(
            Bytes "cache_bytes", note = "; an eighth of it for one answer",
            beyond = "the same; a larger answer is not cached"
        )]
        pub bytes: usize,
    }
}
