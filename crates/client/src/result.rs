use anyport_protocol::types::{CallToolResult, ContentBlock, ResourceContents};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The result of a tool.
///
/// A tool that failed answers too: [`CallResult::is_error`] tells, and the text says what went wrong, for a model to
/// read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallResult(CallToolResult);

impl CallResult {
    /// Whether the tool failed.
    pub fn is_error(&self) -> bool {
        self.0.is_error == Some(true)
    }

    /// The content blocks.
    pub fn content(&self) -> &[ContentBlock] {
        &self.0.content
    }

    /// The structured content as it arrived; [`CallResult::structured`] reads it as a type.
    pub fn structured_content(&self) -> Option<&Value> {
        self.0.structured_content.as_ref()
    }

    /// All text of the result, one block a line; that of embedded resources too.
    pub fn text(&self) -> String {
        let texts = self.0.content.iter().filter_map(|block| match block {
            ContentBlock::Text(block) => Some(&*block.text),
            ContentBlock::Resource(block) => match &block.resource {
                ResourceContents::Text(contents) => Some(&*contents.text),
                _ => None,
            },
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Returns the result as the protocol has it, with its `_meta`.
    pub fn as_inner(&self) -> &CallToolResult {
        &self.0
    }

    /// Converts the result into what the protocol has.
    pub fn into_inner(self) -> CallToolResult {
        self.0
    }
}

impl From<CallToolResult> for CallResult {
    fn from(result: CallToolResult) -> Self {
        Self(result)
    }
}
