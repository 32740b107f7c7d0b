use std::time::Duration;

use anyport_protocol::limits;

limits! {
    /// The limits of guards and masks.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct GuardLimits {
        /// The size in bytes of an argument that a guard reads.
        #[default(256 KiB)]
        #[limit(Bytes "guard_argument_bytes", note = " of an argument that a guard reads", beyond = "the call is refused")]
        pub guard_argument_bytes: usize,
        /// The number of words and signs of an SQL statement.
        #[default(1_000)]
        #[limit(Count "guard_sql_tokens", note = " words and signs of a statement", beyond = "the call is refused")]
        pub guard_sql_tokens: usize,
        /// The time in which a guard must have looked up what it checks: the addresses of a host, the links of a path.
        #[default(5 s)]
        #[limit(Seconds "guard_lookup_timeout", beyond = "the call is refused")]
        pub guard_lookup_timeout: Duration,
        /// The size in bytes of a result that guards and masks read.
        #[default(8 MiB)]
        #[limit(Bytes "guard_result_bytes", note = " of a result that a guard or a mask reads", beyond = "the result is refused")]
        pub guard_result_bytes: usize,
    }
}
