//! `[[policy]]`: rules over calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mask::MaskData;

/// A rule over calls: what becomes of those for which its condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Its name, in logs and errors. Default: its number, as `rule 1`.
    #[serde(default)]
    pub name: Option<String>,
    /// The condition, in CEL, over `principal`, `method`, `upstream`, `tool`, `prompt`, `resource`, `arguments`, `annotations`, `client`,
    /// `revision` and `address`.
    pub when: String,
    /// What becomes of the calls. If a rule has `allow`, calls that no such rule allows are refused.
    pub effect: RuleEffect,
    /// Why, for who calls.
    #[serde(default)]
    pub reason: Option<String>,
    /// What a rule with the effect `mask` covers. Default: what `[mask]` says, else data of every kind.
    #[serde(default)]
    pub data: Option<Vec<MaskData>>,
    /// `audit`: it is only reported what the rule would do. Default: `enforce`.
    #[serde(default)]
    pub mode: RuleMode,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleEffect {
    /// Allows the call.
    Allow,
    /// Refuses it.
    Deny,
    /// Refuses it as if there were no such tool, prompt or resource, which is listed to nobody whom the condition names.
    Hide,
    /// Has the user confirm it.
    Ask,
    /// Covers data in its result.
    Mask,
}

/// Whether a rule does what it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleMode {
    /// It does.
    #[default]
    Enforce,
    /// It is only reported.
    Audit,
}
