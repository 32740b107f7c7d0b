//! `[audit]`: the log of every call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The audit log: who called what, when, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Whether calls are recorded. `on`: behind the answer. `required`: durably, before a call goes to its server and before its answer
    /// goes out; if that cannot be, the call fails with `audit_unavailable`. Default: `off`.
    pub mode: AuditMode,
    /// What is recorded of arguments. `redacted`: all but the values of members whose names say that they may be secret. `full`: those as
    /// well. Default: `redacted`.
    pub arguments: AuditArguments,
    /// Names of further members whose values are not recorded, at every depth of the arguments, whatever `arguments` says.
    pub redact: Vec<String>,
    /// The days after which records are dropped, in whole blocks; 0: never. Default: 90.
    pub keep: Option<u32>,
    /// A file that the records are also appended to, as JSON, one in a line, relative to the folder of the file. Default: none.
    pub file: Option<String>,
}

/// Whether and when calls are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditMode {
    /// They are not.
    #[default]
    Off,
    /// Behind the answer.
    On,
    /// Before a call goes to its server, and before its answer goes out.
    Required,
}

/// What is recorded of arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditArguments {
    /// Nothing.
    None,
    /// All but the values of members that may be secret.
    #[default]
    Redacted,
    /// All but the secrets that the gateway itself knows.
    Full,
}
