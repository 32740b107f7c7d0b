//! How large and how many conversations may be.

use std::time::Duration;

use anyport_protocol::limits;

limits! {
    /// The limits of conversations.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ContextLimits {
        /// The bytes of one, as JSON.
        #[default(256 KiB)]
        #[limit(Bytes "context_bytes", note = " a conversation", beyond = "the oldest entries of its history fall off; if it is still too large, a `state` error")]
        pub bytes: usize,
        /// The entries of its history.
        #[default("1,000" = 1_000)]
        #[limit(Count "context_history", note = " entries of a conversation's history", beyond = "the oldest fall off")]
        pub history: usize,
        /// The bytes of one entry.
        #[default(16 KiB)]
        #[limit(Bytes "context_entry", note = " an entry of a history", beyond = "a `validation` error")]
        pub entry: usize,
        /// The conversations that one principal has, and those that are shared with it.
        #[default("1,000" = 1_000)]
        #[limit(Count "max_contexts", note = " conversations of a principal, and as many that others share with it", beyond = "a `state` error")]
        pub per_principal: usize,
        /// The time after the last change.
        #[default("7 days" = Duration::from_secs(7 * 24 * 60 * 60))]
        #[limit(Seconds "context_idle", note = " after the last change", beyond = "the conversation ends")]
        pub idle: Duration,
    }
}
