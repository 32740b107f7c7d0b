//! Notifications: progress, logs, changes, cancellation.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::{JsonObject, NotificationMeta, ProgressToken};
use crate::{Id, meta::LogLevel};

/// Params of a notification that has none of its own, such as `notifications/tools/list_changed`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NotificationParams {
    /// The notification's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<NotificationMeta>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// Params of `notifications/cancelled`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelledNotificationParams {
    /// The notification's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<NotificationMeta>,
    /// The request that is no longer wanted.
    pub request_id: Id,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl CancelledNotificationParams {
    /// The request `request_id` is no longer wanted.
    pub fn new(request_id: Id) -> Self {
        Self { meta: None, request_id, reason: None, extra: JsonObject::new() }
    }
}

/// Params of `notifications/progress`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgressNotificationParams {
    /// The notification's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<NotificationMeta>,
    /// The token of the request.
    pub progress_token: ProgressToken,
    /// How far it has come; more each time.
    pub progress: Number,
    /// How far it will go, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Number>,
    /// A message for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl ProgressNotificationParams {
    /// The request with this token has come this far.
    pub fn new(progress_token: ProgressToken, progress: impl Into<Number>) -> Self {
        let progress = progress.into();
        Self { meta: None, progress_token, progress, total: None, message: None, extra: JsonObject::new() }
    }
}

/// Params of `notifications/message`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggingMessageNotificationParams {
    /// The notification's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<NotificationMeta>,
    /// How severe it is.
    pub level: LogLevel,
    /// Which part of the server says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logger: Option<String>,
    /// The logged data: any JSON.
    pub data: Value,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl LoggingMessageNotificationParams {
    /// A log message.
    pub fn new(level: LogLevel, data: impl Into<Value>) -> Self {
        Self { meta: None, level, logger: None, data: data.into(), extra: JsonObject::new() }
    }
}

/// Params of `notifications/resources/updated`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceUpdatedNotificationParams {
    /// The notification's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<NotificationMeta>,
    /// The resource that changed.
    pub uri: String,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl ResourceUpdatedNotificationParams {
    /// The resource at `uri` changed.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), ..Self::default() }
    }
}
