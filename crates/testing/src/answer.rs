use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{lost::Lost, refusal::Refusal};

/// All that came back for one call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The server's notifications during the call, in order.
    pub notifications: Vec<Value>,
    /// The server requests during the call, in order.
    pub questions: Vec<Question>,
    /// The result, or the error. An `InputRequiredResult` only when a question was refused.
    pub outcome: Result<Value, Refusal>,
    /// The status of the last HTTP response.
    pub status: Option<u16>,
}

/// A server request.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// Its params; null without params.
    pub params: Value,
    /// Its key among `inputRequests`; a legacy server has none.
    pub key: Option<String>,
    /// The round of the call in which it arrived. A legacy call has one round.
    pub round: usize,
}

/// A request that is under way; [`crate::Wire::end`] waits for its answer.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that is under way is ended, or cancelled"]
pub struct Call {
    pub(crate) id: u64,
}

impl Answer {
    /// The texts of what came back, one a line: of a tool's content, of a resource's contents, or of a prompt's messages.
    pub fn text(&self) -> String {
        let result = self.outcome.as_ref().ok();
        let blocks = |member| result.and_then(|result| result[member].as_array()).into_iter().flatten();
        let messages = blocks("messages").map(|message| &message["content"]);
        let all = blocks("content").chain(blocks("contents")).chain(messages);
        all.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The structured content, read as a `T`.
    ///
    /// # Errors
    /// [`Lost::Refusal`] if the call ended with an error, [`Lost::ToolFailed`] if the tool failed, and [`Lost::Garbage`] if
    /// there is no structured content or it is no `T`.
    pub fn structured<T: DeserializeOwned>(&self) -> Result<T, Lost> {
        let result = self.outcome.as_ref().map_err(Clone::clone)?;
        let garbage = |fault: String| Lost::Garbage(format!("structuredContent: {fault}"));
        match result.get("structuredContent") {
            Some(content) => {
                T::deserialize(content).map_err(|error| garbage(format!("{error}: {content:.200}")))
            }
            None if self.is_error() => Err(Lost::ToolFailed(self.text())),
            None => Err(garbage(format!("there is none; the text is {:.200}", self.text()))),
        }
    }

    /// Whether the call failed: an error, or a result that says so.
    pub fn is_error(&self) -> bool {
        self.outcome.as_ref().map_or(true, |result| result["isError"] == true)
    }

    /// The error's code, if there is one.
    pub fn code(&self) -> Option<i64> {
        self.outcome.as_ref().err().map(|refusal| refusal.code)
    }

    /// The notifications called `method`, their params.
    pub fn said(&self, method: &str) -> Vec<&Value> {
        let named = self.notifications.iter().filter(|notification| notification["method"] == method);
        named.map(|notification| &notification["params"]).collect()
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.params)
    }
}
