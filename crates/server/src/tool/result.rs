use std::{borrow::Cow, fmt::Display};

use anyport_protocol::{
    Error, Raw,
    json::string,
    meta::key,
    types::{
        AudioContent, ContentBlock, EmbeddedResource, ImageContent, JsonObject, ResourceContents,
        ResourceLink, TextContent,
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Failure,
    error::{ErrorKind, ErrorReport, millis},
    schema,
    write::{Identity, ResultWriter, write_json},
};

/// The return types of a tool's handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a tool",
    label = "this tool returns `{Self}`",
    note = "return `()`, text, a `ContentBlock`, `ImageContent`, `ResourceLink` .. or a list of them, `Json<T>` with `T: Serialize + JsonSchema`, a `ToolResult`, or a pair of these",
    note = "or a `Result` of one of these: an `Err` that can be displayed is told to the model, a `Failure` is a protocol error"
)]
pub trait IntoToolResult {
    /// The result.
    fn into_tool_result(self) -> ToolResult;

    /// The JSON Schema of `structuredContent`, if the type has any.
    fn output_schema() -> Option<Value> {
        None
    }
}

/// The result of a tool, in full.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    content: Content,
    structured: Option<Raw>,
    is_error: bool,
    meta: Option<JsonObject>,
    failure: Option<Error>,
}

#[derive(Clone, Debug, PartialEq)]
enum Content {
    /// One block of text.
    Text(Cow<'static, str>),
    /// One block of text: the JSON of the structured content.
    Twin,
    Blocks(Vec<ContentBlock>),
}

/// A value as structured content, and the same as text for clients that read only that.
///
/// 2026-07-28, server/tools §Structured Content: "a tool that returns structured content SHOULD also return the
/// serialized JSON in a TextContent block."
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl ToolResult {
    /// A result of these blocks.
    pub fn new(content: impl Into<Vec<ContentBlock>>) -> Self {
        Self::of(Content::Blocks(content.into()))
    }

    /// A result that is text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Content::Text(text.into()))
    }

    /// A failure in words that the model can read and act on.
    ///
    /// 2026-07-28, server/tools §Error Handling: "Tool Execution Errors contain actionable feedback that language
    /// models can use to self-correct".
    pub fn error(text: impl Into<Cow<'static, str>>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }

    /// A value as structured content, and the same as text. The value is written as JSON once. One that cannot be JSON
    /// ends the call with -32603.
    pub fn structured<T: Serialize + ?Sized>(value: &T) -> Self {
        match Raw::of(value) {
            Ok(json) => Self { structured: Some(json), ..Self::of(Content::Twin) },
            Err(error) => Self::failure(Error::internal(format!("the result is no JSON: {error}"))),
        }
    }

    /// Ends the call with a protocol error.
    pub fn failure(error: Error) -> Self {
        Self { failure: Some(error), ..Self::new([]) }
    }

    /// Replaces the blocks; for other words beside structured content than its JSON.
    #[must_use]
    pub fn with_content(mut self, content: impl Into<Vec<ContentBlock>>) -> Self {
        self.content = Content::Blocks(content.into());
        self
    }

    /// Adds a block behind those that are there: a picture beside structured content.
    ///
    /// ```
    /// use anyport_protocol::types::ContentBlock;
    /// use anyport_server::ToolResult;
    ///
    /// let result = ToolResult::structured(&[1, 2, 3]).with_block(ContentBlock::image(b"...", "image/png"));
    /// # let _ = result;
    /// ```
    #[must_use]
    pub fn with_block(mut self, block: impl Into<ContentBlock>) -> Self {
        let mut blocks = self.take_blocks();
        blocks.push(block.into());
        self.content = Content::Blocks(blocks);
        self
    }

    /// Marks the result as a failure that the model can read.
    #[must_use]
    pub fn with_error(mut self) -> Self {
        self.is_error = true;
        self
    }

    /// Adds metadata.
    #[must_use]
    pub fn with_meta(mut self, meta: JsonObject) -> Self {
        self.meta = Some(meta);
        self
    }

    /// This and `other` in one.
    fn and(mut self, mut other: Self) -> Self {
        let mut blocks = self.take_blocks();
        blocks.append(&mut other.take_blocks());
        Self {
            content: Content::Blocks(blocks),
            structured: self.structured.or(other.structured),
            is_error: self.is_error || other.is_error,
            meta: self.meta.or(other.meta),
            failure: self.failure.or(other.failure),
        }
    }

    /// The content as blocks.
    fn take_blocks(&mut self) -> Vec<ContentBlock> {
        match std::mem::replace(&mut self.content, Content::Blocks(Vec::new())) {
            Content::Text(text) => vec![ContentBlock::text(text)],
            Content::Twin => vec![ContentBlock::text(self.structured.as_ref().map_or("", Raw::as_str))],
            Content::Blocks(blocks) => blocks,
        }
    }

    /// Whether it is a failure that the model can read.
    pub fn is_error(&self) -> bool {
        self.is_error
    }

    /// What it says: its text, or that of all its blocks of text, a line each.
    pub fn words(&self) -> String {
        let text = |block: &ContentBlock| match block {
            ContentBlock::Text(text) => Some(text.text.clone()),
            _ => None,
        };
        match &self.content {
            Content::Text(text) => text.clone().into_owned(),
            Content::Twin => {
                self.structured.as_ref().map(|json| json.as_str().to_owned()).unwrap_or_default()
            }
            Content::Blocks(blocks) => blocks.iter().filter_map(text).collect::<Vec<_>>().join("\n"),
        }
    }

    /// The error that ends the call, if that is what it is; else the result itself.
    pub(crate) fn into_failure(mut self) -> Result<Error, Self> {
        self.failure.take().ok_or(self)
    }

    /// The structured content's JSON, where the call succeeded.
    pub(crate) fn output(&self) -> Option<&Raw> {
        self.structured.as_ref()
    }

    /// Whether the result must be what the tool's output schema describes.
    pub(crate) fn must_conform(&self) -> bool {
        !self.is_error && self.failure.is_none()
    }

    /// Writes the `CallToolResult`.
    pub(crate) fn write(self, identity: &Identity) -> Result<Raw, Error> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        let structured = self.structured.as_ref().map_or("", Raw::as_str);
        let mut result = ResultWriter::complete(match &self.content {
            Content::Text(text) => text.len() + text.len() / 8 + structured.len(),
            Content::Twin => 2 * structured.len() + structured.len() / 4,
            Content::Blocks(blocks) => 128 * blocks.len() + structured.len(),
        });
        let out = result.member("content");
        match &self.content {
            Content::Text(text) => write_text(out, text),
            Content::Twin => write_text(out, structured),
            Content::Blocks(blocks) => write_json(out, blocks)?,
        }
        if let Some(structured) = &self.structured {
            result.member("structuredContent").extend_from_slice(structured.as_str().as_bytes());
        }
        if self.is_error {
            result.member("isError").extend_from_slice(b"true");
        }
        result.finish(identity, self.meta.as_ref())
    }

    fn of(content: Content) -> Self {
        Self { content, structured: None, is_error: false, meta: None, failure: None }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(br#"[{"type":"text","text":"#);
    string::write(out, text);
    out.extend_from_slice(b"}]");
}

impl IntoToolResult for ToolResult {
    fn into_tool_result(self) -> ToolResult {
        self
    }
}

impl IntoToolResult for () {
    fn into_tool_result(self) -> ToolResult {
        ToolResult::new([])
    }
}

impl IntoToolResult for String {
    fn into_tool_result(self) -> ToolResult {
        ToolResult::text(self)
    }
}

impl IntoToolResult for &'static str {
    fn into_tool_result(self) -> ToolResult {
        ToolResult::text(self)
    }
}

impl IntoToolResult for ContentBlock {
    fn into_tool_result(self) -> ToolResult {
        ToolResult::new([self])
    }
}

impl IntoToolResult for Vec<ContentBlock> {
    fn into_tool_result(self) -> ToolResult {
        ToolResult::new(self)
    }
}

/// A single content block.
macro_rules! blocks {
    ($($kind:ty)*) => { $(
        impl IntoToolResult for $kind {
            fn into_tool_result(self) -> ToolResult {
                ToolResult::new([self.into()])
            }
        }

        /// One block each.
        impl IntoToolResult for Vec<$kind> {
            fn into_tool_result(self) -> ToolResult {
                ToolResult::new(self.into_iter().map(ContentBlock::from).collect::<Vec<_>>())
            }
        }
    )* };
}

blocks! { TextContent ImageContent AudioContent ResourceLink ResourceContents EmbeddedResource }

/// One block of text each.
impl IntoToolResult for Vec<String> {
    fn into_tool_result(self) -> ToolResult {
        ToolResult::new(self.into_iter().map(ContentBlock::from).collect::<Vec<_>>())
    }
}

/// One block of text each.
impl IntoToolResult for Vec<&'static str> {
    fn into_tool_result(self) -> ToolResult {
        ToolResult::new(self.into_iter().map(ContentBlock::from).collect::<Vec<_>>())
    }
}

/// `None`: a result without content. It has no output schema, as there may be nothing that it would describe.
impl<T: IntoToolResult> IntoToolResult for Option<T> {
    fn into_tool_result(self) -> ToolResult {
        self.map_or_else(|| ToolResult::new([]), T::into_tool_result)
    }
}

/// Both: the blocks of the first, then those of the second. Structured content, metadata and failure are those of the
/// first, and where it has none, those of the second; so `(Json(report), image)` is a report with a picture.
impl<A: IntoToolResult, B: IntoToolResult> IntoToolResult for (A, B) {
    fn into_tool_result(self) -> ToolResult {
        self.0.into_tool_result().and(self.1.into_tool_result())
    }

    fn output_schema() -> Option<Value> {
        A::output_schema().or_else(B::output_schema)
    }
}

impl<T: Serialize + JsonSchema> IntoToolResult for Json<T> {
    fn into_tool_result(self) -> ToolResult {
        ToolResult::structured(&self.0)
    }

    fn output_schema() -> Option<Value> {
        Some(schema::of_output::<T>()).filter(Value::is_object)
    }
}

impl From<ErrorReport> for ToolResult {
    fn from(report: ErrorReport) -> Self {
        if let Some(error) = report.failure {
            return Self::failure(error);
        }
        if report.kind == ErrorKind::Internal {
            return Self::failure(Error::internal(report.words));
        }
        let mut meta = JsonObject::new();
        if report.kind != ErrorKind::Execution {
            let mut reason = JsonObject::new();
            reason.insert("reason".into(), report.kind.as_str().into());
            if let Some(wait) = report.retry_after {
                reason.insert("retryAfterMs".into(), millis(wait));
            }
            if report.by_schema {
                reason.insert("by".into(), "schema".into());
            }
            meta.insert(key::ERROR.into(), Value::Object(reason));
        }
        if !report.faults.is_empty() {
            meta.insert(key::FAULTS.into(), json!(report.faults));
        }
        let result = Self::error(report.words);
        if meta.is_empty() { result } else { result.with_meta(meta) }
    }
}

/// The model receives an `Err`; see [`crate::ErrorKind`] for errors with a kind.
impl<T: IntoToolResult, E: Display + 'static> IntoToolResult for Result<T, E> {
    fn into_tool_result(self) -> ToolResult {
        self.map_or_else(|error| ErrorReport::of(&error).into(), T::into_tool_result)
    }

    fn output_schema() -> Option<Value> {
        T::output_schema()
    }
}

/// An `Err` is a protocol error.
impl<T: IntoToolResult> IntoToolResult for Result<T, Failure> {
    fn into_tool_result(self) -> ToolResult {
        self.map_or_else(|Failure(error)| ToolResult::failure(error), T::into_tool_result)
    }

    fn output_schema() -> Option<Value> {
        T::output_schema()
    }
}
