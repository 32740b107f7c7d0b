use serde_json::Value;

/// An error that a server answered with, or that a client answers a question with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct Refusal {
    /// Its code.
    pub code: i64,
    /// Its words.
    pub message: String,
    /// Its data; null without data.
    pub data: Value,
}

impl Refusal {
    /// A refusal without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: Value::Null }
    }

    /// Reads the member `error` of a response. Returns `None` if it is not an error.
    pub(crate) fn read(error: &Value) -> Option<Self> {
        let message = error["message"].as_str()?.to_owned();
        Some(Self { code: error["code"].as_i64()?, message, data: error["data"].clone() })
    }

    pub(crate) fn write(&self) -> Value {
        let mut error = serde_json::json!({"code": self.code, "message": self.message});
        if !self.data.is_null() {
            error["data"] = self.data.clone();
        }
        error
    }
}
