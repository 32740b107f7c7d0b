//! Where content blocks stand, and what several steps do to them.

use super::{Part, Unrepresentable, tree::Tree};
use crate::{Method, Raw, json};

/// Calls `change` with every block that a tool or a prompt gives.
pub(super) fn each_block(part: Part, value: &mut Tree, mut change: impl FnMut(&mut Tree)) {
    match part {
        Part::Result(Method::ToolsCall) => value.elements("content").iter_mut().for_each(change),
        Part::Result(Method::PromptsGet) => {
            for message in value.elements("messages") {
                message.member("content").into_iter().for_each(&mut change);
            }
        }
        _ => {}
    }
}

/// Calls `change` with every block of a sampling request or of its answer, alone or in an array.
pub(super) fn each_sampled(
    part: Part,
    value: &mut Tree,
    mut change: impl FnMut(&mut Tree) -> Result<(), Unrepresentable>,
) -> Result<(), Unrepresentable> {
    let messages = match part {
        Part::ServerRequest(Method::CreateMessage) => value.elements("messages"),
        Part::Answer(Method::CreateMessage) => std::slice::from_mut(value),
        _ => return Ok(()),
    };
    for content in messages.iter_mut().filter_map(|message| message.member("content")) {
        match content.array() {
            Some(blocks) => blocks.iter_mut().try_for_each(&mut change)?,
            None => change(content)?,
        }
    }
    Ok(())
}

/// A block of text.
pub(super) fn text(text: &str) -> Tree {
    let mut block = Tree::empty();
    block.set("type", Tree::string("text"));
    block.set("text", Tree::string(text));
    block
}

/// Adds the text of `json` to the content of `holder`, unless a block of text says the same already.
///
/// 2026-07-28, server/tools §Structured Content: "For backwards compatibility, a tool that returns structured
/// content SHOULD also return the serialized JSON in a TextContent block", so most servers have said it.
pub(super) fn say(holder: &mut Tree, json: &Raw) {
    if holder.member("content").and_then(Tree::array).is_none() {
        holder.set("content", Tree::Array(Vec::new()));
    }
    let Some(blocks) = holder.member("content").and_then(Tree::array) else { return };
    let said = |block: &Tree| block.text("text").is_some_and(|text| is_same(&text, json.as_str()));
    if !blocks.iter().any(|block| block.says("type", "text") && said(block)) {
        blocks.push(text(json.as_str()));
    }
}

/// Whether two texts are the same JSON, however they are spaced and ordered.
fn is_same(a: &str, b: &str) -> bool {
    let canonical = |text| serde_json::from_str(text).ok().map(|value| json::canonical(&value));
    a == b || canonical(a).is_some_and(|a| Some(a) == canonical(b))
}
