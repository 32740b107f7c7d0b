//! The members that every result has, and those of cacheable results.

use serde::{Deserialize, Serialize};

use super::{JsonObject, ResultMeta, wire::words};

words! {
    /// How a result is to be read.
    ///
    /// 2026-07-28, basic §ResultType: "A `resultType` of any value unrecognized by the client **MUST** be considered
    /// invalid." The word is stored, so that an extension can recognise its own.
    pub enum ResultType {
        /// The final answer.
        Complete = "complete",
        /// Not yet: the server asks first.
        InputRequired = "input_required",
    }
}

impl Default for ResultType {
    /// 2026-07-28, changelog: "Clients **MUST** treat results from earlier-protocol servers that omit the field
    /// as `"complete"`."
    fn default() -> Self {
        Self::Complete
    }
}

words! {
    /// The callers that may share a cached result.
    pub enum CacheScope {
        /// Anyone: it holds nothing of one user.
        Public = "public",
        /// The caller alone, for the same authorization.
        Private = "private",
    }
}

/// A result that says only that the request succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmptyResult {
    /// How to read it.
    #[serde(default)]
    pub result_type: ResultType,
    /// The result's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<ResultMeta>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}
