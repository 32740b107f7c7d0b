use std::time::Duration;

use anyport_protocol::limits;

limits! {
    /// The limits of an audit log; the names are those of the configuration.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AuditLimits {
        /// The size in bytes of the records that wait to be written.
        #[default(16 MiB)]
        #[limit(
            Bytes "audit_queue", note = " of records that wait to be written",
            beyond = "further records are lost, and one says how many; with `mode = \"required\"` -32603 `audit_unavailable`, 503"
        )]
        pub queue: usize,
        /// The size in bytes of the arguments of a call.
        #[default(4 KiB)]
        #[limit(
            Bytes "audit_arguments", note = " of the arguments of a call",
            beyond = "the record has their size in place of them"
        )]
        pub arguments: usize,
        /// The time that a call waits for its record with `mode = "required"`.
        #[default(10 s)]
        #[limit(
            Seconds "audit_wait", note = " that a call waits for its record, with `mode = \"required\"`",
            beyond = "-32603 `audit_unavailable`, 503"
        )]
        pub wait: Duration,
        /// The number of refusals of one caller that have records of their own in a second.
        #[default(10)]
        #[limit(
            Count "refusals_per_second", note = " of a caller with records of their own",
            beyond = "one record says how many more there were"
        )]
        pub refusals_per_second: u32,
    }
}
