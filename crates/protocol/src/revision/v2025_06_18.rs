//! 2025-06-18 beside 2025-11-25: there were no tasks, elicitation was a form without choices of several,
//! sampling had no tools, and a sampled message was one block.

use super::{Part, Unrepresentable, content, elicitation, hop, tools, tree::Tree};
use crate::{Method, meta::key};

/// 2025-06-18 to 2025-11-25.
pub(super) fn lift(part: Part, value: &mut Tree) -> Result<(), Unrepresentable> {
    // `enumNames` and `elicitation: {}` are still known, so they stay.
    if part == Part::ClientCapabilities {
        // 2025-11-25, sampling §Capabilities, made `includeContext` depend on `sampling.context`; before, every
        // client that samples took it.
        if let Some(sampling) = value.member("sampling").filter(|sampling| !sampling.has("context")) {
            sampling.set("context", Tree::empty());
        }
    }
    Ok(())
}

/// 2025-11-25 to 2025-06-18.
pub(super) fn lower(part: Part, value: &mut Tree) -> Result<(), Unrepresentable> {
    hop::remove_from_meta(value, &[key::RELATED_TASK]);
    match part {
        Part::Params(Method::ToolsCall) => {
            value.remove("task");
        }
        Part::Result(Method::ToolsCall) if value.has("task") && !value.has("content") => {
            return Err(Unrepresentable::Task);
        }
        Part::Result(Method::ToolsList) => tools::each_tool(part, value, |tool| {
            tool.remove("execution");
        }),
        Part::ServerRequest(Method::Elicit) => {
            value.remove("task");
            elicitation::lower(value)?;
        }
        Part::ServerRequest(Method::CreateMessage) => {
            value.remove("task");
            lower_sampling(part, value)?;
        }
        Part::Answer(Method::CreateMessage) => {
            refuse_tool_use(part, value)?;
            join_blocks(value)?;
        }
        Part::ServerCapabilities => {
            value.remove("tasks");
        }
        Part::ClientCapabilities => cut_capabilities(value),
        _ => {}
    }
    Ok(())
}

/// Leaves what a 2025-06-18 server could make use of.
fn cut_capabilities(capabilities: &mut Tree) {
    capabilities.remove("tasks");
    if let Some(sampling) = capabilities.member("sampling") {
        sampling.remove("tools");
        sampling.remove("context");
    }
    let Some(elicitation) = capabilities.member("elicitation") else { return };
    let form = elicitation.remove("form");
    if elicitation.remove("url").is_some() && form.is_none() {
        // `elicitation: {}` would promise the forms that this client cannot show.
        capabilities.remove("elicitation");
    }
}

/// Makes every message one of a single block.
fn lower_sampling(part: Part, params: &mut Tree) -> Result<(), Unrepresentable> {
    if params.has("tools") || params.has("toolChoice") {
        return Err(Unrepresentable::ToolUse);
    }
    refuse_tool_use(part, params)?;
    let Some(messages) = params.member("messages").and_then(Tree::array) else { return Ok(()) };
    if messages.iter().any(|message| message.peek("content").is_some_and(|content| content.is_array())) {
        *messages = std::mem::take(messages).into_iter().flat_map(split).collect();
    }
    Ok(())
}

/// One message of the same role for every block. A message of no blocks stays as a turn that says nothing.
fn split(mut message: Tree) -> Vec<Tree> {
    let blocks = match message.member("content").and_then(Tree::array) {
        Some(blocks) if blocks.is_empty() => vec![content::text("")],
        Some(blocks) => std::mem::take(blocks),
        None => return vec![message],
    };
    let with = |block| {
        let mut single = message.clone();
        single.set("content", block);
        single
    };
    blocks.into_iter().map(with).collect()
}

/// Makes the blocks of a sampled answer one.
fn join_blocks(answer: &mut Tree) -> Result<(), Unrepresentable> {
    let Some(blocks) = answer.member("content").and_then(Tree::array) else { return Ok(()) };
    let joined = match blocks.as_mut_slice() {
        [] => content::text(""),
        [single] => std::mem::replace(single, Tree::empty()),
        [first, ..] => {
            let mut joined = first.clone();
            let texts: Option<Vec<_>> = blocks.iter().map(text_of).collect();
            joined.set("text", Tree::string(&texts.ok_or(Unrepresentable::SeveralBlocks)?.join("\n")));
            joined
        }
    };
    answer.set("content", joined);
    Ok(())
}

/// The text of a block of text.
fn text_of(block: &Tree) -> Option<String> {
    block.text("text").filter(|_| block.says("type", "text")).map(|text| text.to_string())
}

fn refuse_tool_use(part: Part, value: &mut Tree) -> Result<(), Unrepresentable> {
    content::each_sampled(part, value, |block| {
        match block.says("type", "tool_use") || block.says("type", "tool_result") {
            true => Err(Unrepresentable::ToolUse),
            false => Ok(()),
        }
    })
}
