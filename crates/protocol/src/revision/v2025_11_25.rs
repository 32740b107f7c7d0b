//! 2025-11-25 beside 2026-07-28: results had no type and no cache hints, structured results and the schemas of
//! tools were objects, and tasks were part of the core.

use super::{Part, Unrepresentable, content, hop, tools, tree::Tree};
use crate::{Method, Raw, json::Members};

/// 2025-11-25 to 2026-07-28.
pub(super) fn lift(part: Part, value: &mut Tree) -> Result<(), Unrepresentable> {
    match part {
        Part::Params(method) => hop::remove(value, plain_params(method)),
        // It is written anew in any case.
        Part::Result(_) => {
            value.object();
            hop::remove_meta(value);
        }
        _ => hop::remove_meta(value),
    }
    tools::each_tool(part, value, |tool| {
        tool.remove("execution");
    });
    match part {
        Part::Result(method) => complete(method, value),
        Part::ServerCapabilities => lift_tasks(value),
        Part::ClientCapabilities => {
            value.remove("tasks");
            if let Some(roots) = value.member("roots") {
                roots.remove("listChanged");
            }
        }
        _ => {}
    }
    Ok(())
}

/// 2026-07-28 to 2025-11-25.
pub(super) fn lower(part: Part, value: &mut Tree) -> Result<(), Unrepresentable> {
    match part {
        Part::Params(method) => hop::remove(value, plain_params(method)),
        Part::Result(_) => {
            refuse_incomplete(value)?;
            hop::remove(value, &hop::RESULT);
        }
        _ => hop::remove_meta(value),
    }
    tools::each_tool(part, value, lower_tool);
    match part {
        Part::Result(Method::ToolsCall) => unstructure(value),
        Part::ServerRequest(_) | Part::Answer(_) => {
            content::each_sampled(part, value, |block| {
                if block.says("type", "tool_result") {
                    unstructure(block);
                }
                Ok(())
            })?;
        }
        Part::ServerCapabilities => lower_tasks(value),
        _ => {}
    }
    Ok(())
}

/// The params that belong to one hop, and the wish for a task, which is declared to neither side.
///
/// 2025-11-25, tasks §Task Support and Handling: "Receivers that do not declare the task capability for a request type
/// **MUST** process requests of that type normally, ignoring any task-augmentation metadata if present."
fn plain_params(method: Method) -> &'static [&'static str] {
    const OF_CALLS: [&str; 3] = [hop::PARAMS[0], hop::PARAMS[1], "task"];
    if method == Method::ToolsCall { &OF_CALLS } else { &hop::PARAMS }
}

/// Marks a result as complete, and as not cacheable unless its server says otherwise.
///
/// The type is set even over one that is there: an old server knows no other, and one that writes
/// `input_required` must not reach a modern client past the bridge.
fn complete(method: Method, result: &mut Tree) {
    result.set("resultType", Raw::written("\"complete\"").into());
    if method.is_cacheable() {
        for (name, hint) in [("ttlMs", Raw::trusted(b"0".to_vec())), ("cacheScope", Raw::string("private"))] {
            if !result.has(name) {
                result.set(name, hint.into());
            }
        }
    }
}

fn refuse_incomplete(result: &Tree) -> Result<(), Unrepresentable> {
    match result.peek("resultType") {
        Some(other) if other.as_string().is_none_or(|name| name != "complete") => {
            Err(Unrepresentable::ResultType(format!("{other:.64}")))
        }
        _ => Ok(()),
    }
}

/// Makes a structured result that is no object text.
fn unstructure(holder: &mut Tree) {
    let Some(structured) = holder.peek("structuredContent").filter(|value| !value.is_object()) else {
        return;
    };
    holder.remove("structuredContent");
    content::say(holder, &structured);
}

/// Makes the schemas of a tool such as 2025-11-25 allows.
fn lower_tool(tool: &mut Tree) {
    let is_object = |schema: Raw| {
        schema.member("type").and_then(|kind| kind.as_string()).is_some_and(|kind| kind == "object")
    };
    if tool.peek("outputSchema").is_some_and(|schema| !is_object(schema)) {
        tool.remove("outputSchema");
    }
    for name in ["inputSchema", "outputSchema"] {
        let properties = tool.peek(name).and_then(|schema| schema.member("properties"));
        if properties
            .is_some_and(|properties| properties.members().any(|property| is_boolean(property.value)))
        {
            tool.member(name)
                .and_then(|schema| schema.member("properties"))
                .into_iter()
                .for_each(spell_booleans);
        }
    }
}

/// Writes property schemas that are `true` or `false` as the objects that mean the same.
fn spell_booleans(properties: &mut Tree) {
    for property in properties.object().into_iter().flat_map(|properties| properties.values_mut()) {
        match property {
            Tree::Closed(raw) if raw.as_str() == "true" => *property = Tree::empty(),
            Tree::Closed(raw) if raw.as_str() == "false" => {
                *property = Tree::empty();
                property.set("not", Tree::empty());
            }
            _ => {}
        }
    }
}

fn is_boolean(value: &str) -> bool {
    matches!(value, "true" | "false")
}

/// The extension that tasks became.
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Declares the extension for a server with tool calls that may become tasks.
fn lift_tasks(capabilities: &mut Tree) {
    let Some(tasks) = capabilities.remove("tasks") else { return };
    let calls = tasks.peek("requests").and_then(|requests| requests.member("tools")?.member("call"));
    if calls.is_none() {
        return;
    }
    if !capabilities.has("extensions") {
        capabilities.set("extensions", Tree::empty());
    }
    if let Some(extensions) = capabilities.member("extensions").filter(|extensions| !extensions.has(TASKS)) {
        extensions.set(TASKS, Tree::empty());
    }
}

/// Declares core tasks for a server with the extension: never `list`, which the extension has not.
fn lower_tasks(capabilities: &mut Tree) {
    let Some(extensions) = capabilities.peek("extensions") else { return };
    if Members::find(extensions.as_str(), TASKS).is_none() {
        return;
    }
    if let Some(extensions) = capabilities.member("extensions").and_then(Tree::object) {
        extensions.remove(TASKS);
        if extensions.is_empty() {
            capabilities.remove("extensions");
        }
    }
    let nested = |name: &str, value: Tree| {
        let mut object = Tree::empty();
        object.set(name, value);
        object
    };
    let mut tasks = nested("cancel", Tree::empty());
    tasks.set("requests", nested("tools", nested("call", Tree::empty())));
    capabilities.set("tasks", tasks);
}
