use std::{path::PathBuf, time::Duration};

use anyport_metrics::Metrics;
use anyport_protocol::settings;

use crate::{AuditLimits, Redaction};

/// When records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Behind the answer.
    On,
    /// Before a call goes to its server, and before its answer goes out.
    Required,
}

settings! {
    /// How a log is written.
    #[derive(Clone, Debug)]
    pub struct Options {
        /// The version of the program.
        #[default("none" = String::new())]
        #[set(into)]
        pub version: String,
        /// What is not recorded.
        #[default("arguments without what may be secret" = Redaction::default())]
        pub redaction: Redaction,
        /// The time after which blocks are dropped.
        #[default("never" = None)]
        #[set(into)]
        pub keep: Option<Duration>,
        /// A file that the records are also appended to, one in a line.
        #[default("none" = None)]
        #[set(into)]
        pub file: Option<PathBuf>,
        /// Its limits.
        #[default("those of [`AuditLimits`]" = AuditLimits::default())]
        pub limits: AuditLimits,
        /// Where it counts.
        #[default("for itself" = Metrics::new())]
        pub metrics: Metrics,
    }
}
