/// An object of any members, in their order.
pub type JsonObject = serde_json::Map<String, serde_json::Value>;

/// `_meta` of something that has no reserved members there.
pub type MetaObject = JsonObject;
