//! Listening for changes: `subscriptions/listen`.

use serde::{Deserialize, Serialize};

use super::{Implementation, JsonObject, NotificationMeta, RequestMeta, ResultType};
use crate::Id;

/// The filter of a subscription: the changes that a client wants to be notified of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionFilter {
    /// Those of the list of tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools_list_changed: Option<bool>,
    /// Those of the list of prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts_list_changed: Option<bool>,
    /// Those of the list of resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources_list_changed: Option<bool>,
    /// Those of these resources, by URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_subscriptions: Option<Vec<String>>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// Params of `subscriptions/listen`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionsListenRequestParams {
    /// The request's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<RequestMeta>,
    /// The notifications that the client subscribes to.
    pub notifications: SubscriptionFilter,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// Params of `notifications/subscriptions/acknowledged`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionsAcknowledgedNotificationParams {
    /// The notification's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<NotificationMeta>,
    /// The notifications that the server will send.
    pub notifications: SubscriptionFilter,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// Result of `subscriptions/listen`: the server ended it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionsListenResult {
    /// How to read it.
    #[serde(default)]
    pub result_type: ResultType,
    /// Which request ended.
    #[serde(rename = "_meta")]
    pub meta: SubscriptionsListenResultMeta,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl SubscriptionsListenResult {
    /// The end of the listen request `id`.
    pub fn new(id: Id) -> Self {
        let meta = SubscriptionsListenResultMeta {
            server_info: None,
            subscription_id: id,
            extra: JsonObject::new(),
        };
        Self { result_type: ResultType::Complete, meta, extra: JsonObject::new() }
    }
}

/// `_meta` of a [`SubscriptionsListenResult`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionsListenResultMeta {
    /// The server's name and version, as it declares them.
    #[serde(rename = "io.modelcontextprotocol/serverInfo", skip_serializing_if = "Option::is_none")]
    pub server_info: Option<Implementation>,
    /// The id of the listen request.
    #[serde(rename = "io.modelcontextprotocol/subscriptionId")]
    pub subscription_id: Id,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}
