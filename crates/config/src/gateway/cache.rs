//! `cache`: which answers of an upstream are kept.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The seconds for which an answer is kept unless something else is said.
pub const CACHE_TTL: u32 = 300;

/// Whether answers of an upstream are kept, and which.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "true, false or a table: { ttl = 300, tools = { NAME = SECONDS }, prompts = { NAME = SECONDS } }"
)]
pub enum CacheConfig {
    /// As the table is by default, or none.
    Switch(bool),
    /// These.
    Rules(CacheRules),
}

/// Which answers of an upstream are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheRules {
    /// The seconds for which results of tools that only read are kept, and contents of resources at most. 0: only what is named here.
    pub ttl: u32,
    /// The seconds for tools, by their own names; 0 for those that are not to be cached.
    pub tools: IndexMap<String, u32>,
    /// The seconds for prompts, by their own names. Others are not cached.
    pub prompts: IndexMap<String, u32>,
}

impl Default for CacheRules {
    fn default() -> Self {
        Self { ttl: CACHE_TTL, tools: IndexMap::new(), prompts: IndexMap::new() }
    }
}

impl CacheConfig {
    /// Which answers are kept; `None` if none is.
    pub fn rules(&self) -> Option<CacheRules> {
        match self {
            Self::Switch(false) => None,
            Self::Switch(true) => Some(CacheRules::default()),
            Self::Rules(rules) => Some(rules.clone()),
        }
    }
}
