//! Sampling: asking the client's model.

use serde::{Deserialize, Serialize, de::Error as _};
use serde_json::{Number, Value, value::RawValue};

use super::{
    AudioContent, ContentBlock, ImageContent, JsonObject, MetaObject, Role, TextContent, Tool, tag,
    wire::{present, union, words},
};

/// A question to the client's model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CreateMessageRequest {
    /// Always `sampling/createMessage`.
    pub method: tag::CreateMessage,
    /// The question.
    pub params: CreateMessageRequestParams,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl CreateMessageRequest {
    /// Asks the model to go on from `messages`, in at most `max_tokens` tokens.
    pub fn new(messages: Vec<SamplingMessage>, max_tokens: u64) -> Self {
        let params = CreateMessageRequestParams { messages, max_tokens, ..Default::default() };
        Self { params, ..Self::default() }
    }
}

/// The messages to continue, and the settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateMessageRequestParams {
    /// The conversation so far.
    pub messages: Vec<SamplingMessage>,
    /// Which model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_preferences: Option<ModelPreferences>,
    /// The system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The context of servers that the client should add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_context: Option<IncludeContext>,
    /// How freely the model chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Number>,
    /// The most tokens.
    pub max_tokens: u64,
    /// Where the model is to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_sequences: Option<Vec<String>>,
    /// For the provider of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonObject>,
    /// The tools that the model may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Whether it may, must or must not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

words! {
    /// The context of servers that a client should add.
    pub enum IncludeContext {
        /// Nothing.
        None = "none",
        /// That of the server that asks. Deprecated.
        ThisServer = "thisServer",
        /// That of all servers. Deprecated.
        AllServers = "allServers",
    }
}

/// Which model a server would like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelPreferences {
    /// Names, the best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hints: Option<Vec<ModelHint>>,
    /// How much cost counts, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_priority: Option<Number>,
    /// How much speed counts, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_priority: Option<Number>,
    /// How much ability counts, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intelligence_priority: Option<Number>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// A model that a server would like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelHint {
    /// A part of its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// Whether the model calls tools.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolChoice {
    /// Absent means `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ToolChoiceMode>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

words! {
    /// Whether the model calls tools.
    pub enum ToolChoiceMode {
        /// As it likes.
        Auto = "auto",
        /// It must.
        Required = "required",
        /// It must not.
        None = "none",
    }
}

/// A message to or from the client's model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplingMessage {
    /// Its role.
    pub role: Role,
    /// Its content.
    pub content: SamplingContent,
    /// Metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MetaObject>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl SamplingMessage {
    /// A message of the user.
    pub fn user(content: impl Into<SamplingContent>) -> Self {
        Self { role: Role::User, content: content.into(), meta: None, extra: JsonObject::new() }
    }

    /// A message of the model.
    pub fn assistant(content: impl Into<SamplingContent>) -> Self {
        Self { role: Role::Assistant, ..Self::user(content) }
    }
}

/// One block, or a list of them: the schema allows both, and what came as one goes back as one.
#[derive(Clone, Debug, PartialEq)]
pub enum SamplingContent {
    /// One block, not in a list.
    One(Box<SamplingMessageContentBlock>),
    /// A list.
    Many(Vec<SamplingMessageContentBlock>),
}

impl SamplingContent {
    /// The blocks.
    pub fn blocks(&self) -> &[SamplingMessageContentBlock] {
        match self {
            Self::One(block) => std::slice::from_ref(block),
            Self::Many(blocks) => blocks,
        }
    }

    /// The texts among the blocks, one a line.
    pub fn text(&self) -> String {
        let texts = self.blocks().iter().filter_map(|block| match block {
            SamplingMessageContentBlock::Text(text) => Some(&*text.text),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

impl Serialize for SamplingContent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(block) => block.serialize(serializer),
            Self::Many(blocks) => blocks.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SamplingContent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        if text.get().starts_with('[') {
            serde_json::from_str(text.get()).map(Self::Many).map_err(D::Error::custom)
        } else {
            serde_json::from_str(text.get()).map(Self::One).map_err(D::Error::custom)
        }
    }
}

impl<T: Into<SamplingMessageContentBlock>> From<T> for SamplingContent {
    fn from(block: T) -> Self {
        Self::One(Box::new(block.into()))
    }
}

impl From<Vec<SamplingMessageContentBlock>> for SamplingContent {
    fn from(blocks: Vec<SamplingMessageContentBlock>) -> Self {
        Self::Many(blocks)
    }
}

union! {
    /// A piece of content in a message to or from the client's model.
    pub enum SamplingMessageContentBlock by "type" of "a sampling content block" {
        /// Text.
        Text(TextContent) = "text",
        /// A picture.
        Image(ImageContent) = "image",
        /// Sound.
        Audio(AudioContent) = "audio",
        /// The model calls a tool.
        ToolUse(ToolUseContent) = "tool_use",
        /// The result of a tool.
        ToolResult(ToolResultContent) = "tool_result",
    }
}

impl From<&str> for SamplingMessageContentBlock {
    fn from(text: &str) -> Self {
        Self::Text(TextContent::new(text))
    }
}

impl From<String> for SamplingMessageContentBlock {
    fn from(text: String) -> Self {
        Self::Text(TextContent::new(text))
    }
}

/// The model calls a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolUseContent {
    /// Always `tool_use`.
    #[serde(rename = "type")]
    pub tag: tag::ToolUse,
    /// Ties the answer to the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub input: JsonObject,
    /// Metadata; it goes back to the client in later requests.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MetaObject>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// The result of a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResultContent {
    /// Always `tool_result`.
    #[serde(rename = "type")]
    pub tag: tag::ToolResult,
    /// The [`ToolUseContent::id`] of the call.
    pub tool_use_id: String,
    /// The result for the model.
    pub content: Vec<ContentBlock>,
    /// The result for programs, even `null`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<Value>,
    /// Whether the call failed. Absent means that it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_error: Option<bool>,
    /// Metadata; it goes back to the client in later requests.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MetaObject>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// The response of the client's model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateMessageResult {
    /// Its role.
    pub role: Role,
    /// Its content.
    pub content: SamplingContent,
    /// Which model.
    pub model: String,
    /// Why it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
    /// Metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MetaObject>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

words! {
    /// Why a model stopped.
    pub enum StopReason {
        /// It was its turn's end.
        EndTurn = "endTurn",
        /// It came upon a stop sequence.
        StopSequence = "stopSequence",
        /// It used up its tokens.
        MaxTokens = "maxTokens",
        /// It wants to call tools.
        ToolUse = "toolUse",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_of_content_is_that_of_all_its_texts() {
        let content = json!([
            {"type": "text", "text": "a"},
            {"type": "tool_use", "id": "1", "name": "n", "input": {}},
            {"type": "text", "text": "b"}
        ]);
        let content: SamplingContent = serde_json::from_str(&content.to_string()).unwrap();
        assert_eq!(content.text(), "a\nb");
        assert_eq!(SamplingContent::from("c").text(), "c");
    }

    #[test]
    fn one_block_and_a_list_of_one_stay_what_they_are() {
        for content in [
            json!({ "type": "text", "text": "t" }),
            json!([{ "type": "text", "text": "t" }]),
            json!([]),
            json!([{ "type": "thought", "text": "t" }]),
            json!([{ "type": "tool_result", "toolUseId": "1", "content": [], "structuredContent": null }]),
        ] {
            let message = json!({ "role": "user", "content": content });
            let read: SamplingMessage = serde_json::from_value(message.clone()).unwrap();
            assert_eq!(read.content.blocks().len(), content.as_array().map_or(1, Vec::len));
            assert_eq!(serde_json::to_value(read).unwrap(), message);
        }
    }

    #[test]
    fn constructors_write_what_the_schema_says() {
        let request = CreateMessageRequest::new(vec![SamplingMessage::user("hi")], 10);
        assert_eq!(
            serde_json::to_value(request).unwrap(),
            json!({
                "method": "sampling/createMessage",
                "params": {
                    "messages": [{ "role": "user", "content": { "type": "text", "text": "hi" } }],
                    "maxTokens": 10
                }
            })
        );
    }
}
