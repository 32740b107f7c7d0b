//! `[definitions]`: what tools, prompts and resources say of themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The definitions of tools, prompts and resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DefinitionsConfig {
    /// What becomes of a definition with hidden instructions or invisible characters. Default: `flag`.
    pub suspicious: SuspiciousConfig,
}

/// What becomes of a suspicious definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspiciousConfig {
    /// The log and `anyport status` say it.
    #[default]
    Flag,
    /// What is suspicious is left out, too. Where that cannot be done, the item is.
    Strip,
    /// The item is left out, too.
    Hide,
}
