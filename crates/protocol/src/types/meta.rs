//! The `_meta` of requests, results and notifications.
//!
//! [`crate::meta`] reads the same members from text, and checks them. These types write messages, and read all members.

use serde::{Deserialize, Serialize};

use super::{ClientCapabilities, Implementation, JsonObject};
use crate::{Id, meta::LogLevel};

/// Ties progress notifications to a request: a string or an integer, like an id.
pub type ProgressToken = Id;

/// `_meta` of a request: `RequestMetaObject`.
///
/// The schema requires a version and capabilities. They are optional here because a request of a legacy session
/// reaches a handler without them; that a modern request has them is checked where it comes in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestMeta {
    /// The revision that the request speaks.
    #[serde(rename = "io.modelcontextprotocol/protocolVersion", skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
    /// The client's name and version, as it declares them.
    #[serde(rename = "io.modelcontextprotocol/clientInfo", skip_serializing_if = "Option::is_none")]
    pub client_info: Option<Implementation>,
    /// The client's capabilities.
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities", skip_serializing_if = "Option::is_none")]
    pub client_capabilities: Option<ClientCapabilities>,
    /// From which severity on the client wants log messages of this request.
    #[serde(rename = "io.modelcontextprotocol/logLevel", skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
    /// Opts into progress notifications.
    #[serde(rename = "progressToken", skip_serializing_if = "Option::is_none")]
    pub progress_token: Option<ProgressToken>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// `_meta` of a result: `ResultMetaObject`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultMeta {
    /// The server's name and version, as it declares them.
    #[serde(rename = "io.modelcontextprotocol/serverInfo", skip_serializing_if = "Option::is_none")]
    pub server_info: Option<Implementation>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// `_meta` of a notification: `NotificationMetaObject`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationMeta {
    /// The listen request that it belongs to.
    #[serde(rename = "io.modelcontextprotocol/subscriptionId", skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<Id>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::meta::key;

    #[test]
    fn the_names_are_those_of_the_keys() {
        let meta = json!({
            key::PROTOCOL_VERSION: "2026-07-28",
            key::CLIENT_INFO: { "name": "a", "version": "1" },
            key::CLIENT_CAPABILITIES: {},
            key::LOG_LEVEL: "error",
            key::PROGRESS_TOKEN: 1,
        });
        let read: RequestMeta = serde_json::from_value(meta.clone()).unwrap();
        assert!(read.extra.is_empty(), "{:?}", read.extra);
        assert_eq!(serde_json::to_value(read).unwrap(), meta);
        let read: ResultMeta =
            serde_json::from_value(json!({ key::SERVER_INFO: { "name": "a", "version": "1" } })).unwrap();
        assert!(read.extra.is_empty());
        let read: NotificationMeta = serde_json::from_value(json!({ key::SUBSCRIPTION_ID: "a" })).unwrap();
        assert!(read.extra.is_empty());
    }
}
