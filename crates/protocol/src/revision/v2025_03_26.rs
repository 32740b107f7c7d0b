//! 2025-03-26 beside 2025-06-18: there were no links, no structured results, no elicitation, and a tool's title
//! stood among its annotations.

use super::{Part, Unrepresentable, content, tools, tree::Tree};
use crate::Method;

/// 2025-03-26 to 2025-06-18.
pub(super) fn lift(_: Part, _: &mut Tree) -> Result<(), Unrepresentable> {
    Ok(())
}

/// 2025-06-18 to 2025-03-26.
pub(super) fn lower(part: Part, value: &mut Tree) -> Result<(), Unrepresentable> {
    content::each_block(part, value, write_link);
    tools::each_tool(part, value, annotate_title);
    match part {
        Part::Result(Method::ToolsCall) => say_structured(value),
        Part::ClientCapabilities => {
            value.remove("elicitation");
        }
        _ => {}
    }
    Ok(())
}

/// Makes a link a block of text, `NAME <URI> description`; its annotations and all else stay.
fn write_link(block: &mut Tree) {
    if !block.says("type", "resource_link") {
        return;
    }
    let Some(uri) = block.text("uri") else { return };
    let mut text = format!("<{uri}>");
    if let Some(name) = block.text("name") {
        text.insert_str(0, &format!("{name} "));
    }
    if let Some(description) = block.text("description") {
        text.push(' ');
        text.push_str(&description);
    }
    for said in ["uri", "name", "description"] {
        block.remove(said);
    }
    block.set("type", Tree::string("text"));
    block.set("text", Tree::string(&text));
}

/// Says a structured result in text, when nothing else says it.
fn say_structured(result: &mut Tree) {
    let Some(structured) = result.peek("structuredContent") else { return };
    if result.elements("content").is_empty() {
        content::say(result, &structured);
    }
}

/// Copies a tool's title to its annotations, unless these have one of their own.
fn annotate_title(tool: &mut Tree) {
    let Some(title) = tool.text("title") else { return };
    if !tool.has("annotations") {
        tool.set("annotations", Tree::empty());
    }
    if let Some(annotations) = tool.member("annotations").filter(|annotations| !annotations.has("title")) {
        annotations.set("title", Tree::string(&title));
    }
}
