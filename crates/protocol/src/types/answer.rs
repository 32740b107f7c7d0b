//! Results that may be questions instead.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{InputRequiredResult, wire::Peek};

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
    use crate::types::{CallToolResult, ResultType};

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
