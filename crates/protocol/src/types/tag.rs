//! The members that say what a value is: each is one fixed word, and a type of its own.
//!
//! So a type writes its own tag, and reading a value of another kind as this one fails.

use super::wire::tags;

tags! {
    /// `text`
    Text = "text";
    /// `image`
    Image = "image";
    /// `audio`
    Audio = "audio";
    /// `resource`
    Resource = "resource";
    /// `resource_link`
    ResourceLink = "resource_link";
    /// `tool_use`
    ToolUse = "tool_use";
    /// `tool_result`
    ToolResult = "tool_result";
    /// `ref/prompt`
    RefPrompt = "ref/prompt";
    /// `ref/resource`
    RefResource = "ref/resource";
    /// `form`
    Form = "form";
    /// `url`
    Url = "url";
    /// `object`
    Object = "object";
    /// `string`
    String = "string";
    /// `boolean`
    Boolean = "boolean";
    /// `array`
    Array = "array";
    /// `elicitation/create`
    Elicit = "elicitation/create";
    /// `sampling/createMessage`
    CreateMessage = "sampling/createMessage";
    /// `roots/list`
    ListRoots = "roots/list";
}
