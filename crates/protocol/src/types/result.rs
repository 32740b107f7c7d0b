//! The members that every result has, and those of cacheable results.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    InputRequiredResult, JsonObject, ResultMeta,
    wire::{Peek, words},
};

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

/// The result of a request that may be answered with questions: `tools/call`, `prompts/get`, `resources/read`.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    /// The final answer.
    Complete(T),
    /// The server asks first.
    InputRequired(Box<InputRequiredResult>),
    /// A `resultType` that this revision does not name. Invalid, unless an extension knows it.
    Unknown(Value),
}

impl<T: Serialize> Serialize for Answer<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Complete(result) => result.serialize(serializer),
            Self::InputRequired(result) => result.serialize(serializer),
            Self::Unknown(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Answer<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let peek = Peek::read(deserializer, "a result")?;
        match peek.word("resultType")?.as_deref() {
            None | Some("complete") => peek.decode().map(Self::Complete),
            Some("input_required") => peek.decode().map(Self::InputRequired),
            Some(_) => peek.decode().map(Self::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::CallToolResult;

    fn read(value: Value) -> Answer<CallToolResult> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_result_without_a_type_is_complete() {
        let Answer::Complete(result) = read(json!({ "content": [] })) else { panic!() };
        assert_eq!(result.result_type, ResultType::Complete);
    }

    #[test]
    fn questions_and_unknown_types_are_told_apart() {
        let questions = read(json!({ "resultType": "input_required", "requestState": "s" }));
        assert!(matches!(questions, Answer::InputRequired(_)));
        let task = json!({ "resultType": "task", "taskId": "1" });
        assert_eq!(read(task.clone()), Answer::Unknown(task.clone()));
        assert_eq!(serde_json::to_value(read(task.clone())).unwrap(), task);
        let wrong = serde_json::from_value::<Answer<CallToolResult>>(json!({ "resultType": 1 }));
        assert!(wrong.unwrap_err().to_string().contains("resultType"));
    }
}
