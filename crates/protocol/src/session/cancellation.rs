use crate::{Id, Raw, json::Splice, jsonrpc::Notification};

/// The params of `notifications/cancelled` for the request `id`: `{"requestId": id}`.
pub fn cancelled_params(id: &Id) -> Raw {
    Splice::new().with("requestId", id.as_raw()).finish()
}

/// The id of the request that a `notifications/cancelled` cancels, if it names one.
pub fn cancelled_id(notification: &Notification) -> Option<Id> {
    notification.params.as_ref()?.member("requestId").and_then(Id::of)
}
