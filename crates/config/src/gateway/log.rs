//! `[log]`: how much is logged, where and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much is logged, where and how. A change of `level` holds at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The level of everything, and of single modules: `warn`, or `warn,anyport_upstream=debug`. Default: what `--log-level` says.
    /// `warn,anyport::calls=info` writes one line per call, `anyport::calls=debug` its redacted arguments as well.
    pub level: Option<String>,
    /// How lines are written. Default: what `--log-format` says, or `human`.
    pub format: Option<LogFormat>,
    /// A file that receives the lines as well, relative to the folder of the file. Default: what `--log-file` says, or none.
    pub file: Option<String>,
    /// When the log file is moved aside for a new one. Default: what `--log-rotation` says, or `size`.
    pub rotation: Option<LogRotation>,
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Human,
    /// For programs: one JSON object a line.
    Json,
}

/// When the log file is moved aside for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogRotation {
    /// When it has `log_file_bytes`.
    Size,
    /// Also at the first line of a day, in UTC.
    Day,
}
