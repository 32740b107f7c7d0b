//! Messages as texts.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The text of a member of the object `text`, to the byte; empty if there is none.
pub fn member<'a>(text: &'a str, name: &str) -> &'a str {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Members<'a>(#[serde(borrow)] BTreeMap<String, &'a RawValue>);
    let members = serde_json::from_str::<Members<'a>>(text).ok();
    members.and_then(|members| members.0.get(name).map(|member| member.get())).unwrap_or_default()
}

/// A request.
pub fn request(id: impl ToString, method: &str, params: impl ToString) -> String {
    let (id, params) = (id.to_string(), params.to_string());
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// A notification.
pub fn notification(method: &str, params: impl ToString) -> String {
    let params = params.to_string();
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

/// A response with a result.
pub fn answer(id: impl ToString, result: impl ToString) -> String {
    let (id, result) = (id.to_string(), result.to_string());
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// A response with an error.
pub fn failure(id: impl ToString, error: impl ToString) -> String {
    let (id, error) = (id.to_string(), error.to_string());
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}
