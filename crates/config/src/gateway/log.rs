//! `[log]`: how much is logged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much is logged. A change holds at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The level of everything, and of single modules: `warn`, or `warn,anyport_upstream=debug`. Default: what `--log-level` says.
    pub level: Option<String>,
}
