//! The `data` of errors that a program acts on. The errors themselves are [`crate::jsonrpc::Error`].

use serde::{Deserialize, Serialize};

use super::{ClientCapabilities, JsonObject};

/// `data` of error -32022.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UnsupportedProtocolVersionData {
    /// The revisions that the server speaks.
    pub supported: Vec<String>,
    /// The requested revision.
    pub requested: String,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// `data` of error -32021.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingRequiredClientCapabilityData {
    /// The missing capabilities.
    pub required_capabilities: ClientCapabilities,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}
