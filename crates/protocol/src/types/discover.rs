//! Discovery: versions, capabilities and instructions of a server.

use serde::{Deserialize, Serialize};

use super::{CacheScope, JsonObject, ResultMeta, ResultType, ServerCapabilities};

/// Result of `server/discover`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverResult {
    /// How to read it.
    #[serde(default)]
    pub result_type: ResultType,
    /// The revisions that the server speaks.
    pub supported_versions: Vec<String>,
    /// Its capabilities.
    pub capabilities: ServerCapabilities,
    /// How to use it, for the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// For how many milliseconds it is fresh; absent or negative means 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<i64>,
    /// The callers that may share a cached copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_scope: Option<CacheScope>,
    /// The result's metadata; it says who the server is.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<ResultMeta>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl DiscoverResult {
    /// The server's revisions and capabilities, stale at once and private.
    pub fn new(supported_versions: Vec<String>, capabilities: ServerCapabilities) -> Self {
        let (ttl_ms, cache_scope) = (Some(0), Some(CacheScope::Private));
        Self { supported_versions, capabilities, ttl_ms, cache_scope, ..Self::default() }
    }
}
