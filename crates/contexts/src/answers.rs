//! What the tools answer.

use anyport_protocol::{jsonrpc::ErrorKind, meta::key, types::JsonObject};
use anyport_server::{IntoToolResult, Json, ToolError, ToolResult};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Conversation, May, contexts::ContextsError};

/// A conversation, or why there is none.
pub(crate) struct Answer(pub(crate) Result<Conversation, ContextsError>);

/// A conversation in a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Listed {
    /// Its name: its id, or `OWNER/ID` of one that somebody else shares.
    pub(crate) name: String,
    /// What the caller may do with it.
    pub(crate) may: May,
    /// The number of its newest version.
    pub(crate) version: u64,
    /// When that was made.
    pub(crate) timestamp: String,
    /// What it is part of.
    pub(crate) conversation_id: String,
    /// The agent that began it.
    pub(crate) agent_id: String,
}

/// A page of a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Page {
    /// The conversations.
    pub(crate) contexts: Vec<Listed>,
    /// Where the next page begins: give it as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl IntoToolResult for Answer {
    fn into_tool_result(self) -> ToolResult {
        match self.0 {
            Ok(conversation) => ToolResult::structured(&conversation.shown()),
            Err(ContextsError::Conflict(current)) => {
                let text = ContextsError::Conflict(current.clone()).to_string();
                let told = json!({"reason": ErrorKind::State.as_str()});
                let meta: JsonObject = [(key::ERROR.to_owned(), told)].into_iter().collect();
                let result = ToolResult::structured(&current.shown());
                result.with_content([text.into()]).with_meta(meta).with_error()
            }
            Err(error) => Err::<(), _>(told(error)).into_tool_result(),
        }
    }

    fn output_schema() -> Option<Value> {
        Json::<Conversation>::output_schema()
    }
}

/// The error as callers are told it: validation, context and state are told apart.
pub(crate) fn told(error: ContextsError) -> ToolError {
    use crate::change::Refused;
    let kind = match &error {
        ContextsError::Refused(Refused::Invalid { .. } | Refused::EntryTooLarge { .. })
        | ContextsError::NoName(_) => ErrorKind::Validation,
        ContextsError::NotThere(_) | ContextsError::NoVersion(..) | ContextsError::Several(_) => {
            ErrorKind::Context
        }
        ContextsError::Forbidden(_) => ErrorKind::PermissionDenied,
        ContextsError::Refused(Refused::TooLarge { .. })
        | ContextsError::Conflict(_)
        | ContextsError::TooMany(_)
        | ContextsError::Store(_) => ErrorKind::State,
    };
    ToolError::new(error.to_string()).with_kind(kind)
}
