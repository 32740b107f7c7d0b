//! The three tools of tool search: their definitions, arguments and results.

use anyport_protocol::{Raw, json::Splice};
use bytestring::ByteString;
use serde_json::{Value, json};

use super::{ToolHit, ToolIndex};

/// One of the three tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetaTool {
    Search,
    Describe,
    Call,
}

/// Their names.
const SEARCH: &str = "search_tools";
const DESCRIBE: &str = "describe_tool";
const CALL: &str = "call_tool";

impl MetaTool {
    /// The tool called `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            SEARCH => Some(Self::Search),
            DESCRIBE => Some(Self::Describe),
            CALL => Some(Self::Call),
            _ => None,
        }
    }
}

/// How many tools a search returns, unless the call says otherwise, and how many at most.
const DEFAULT_HITS: usize = 5;
const MAX_HITS: usize = 20;
/// The longest description of a tool in the results of a search, in characters.
const MAX_DESCRIPTION: usize = 300;

/// The definitions of the three tools.
pub(super) fn definitions() -> Raw {
    let name = json!({"type": "string", "description": "Name of the tool, as search_tools returns it"});
    let read_only = json!({"readOnlyHint": true, "openWorldHint": false});
    Raw::from(json!([
        {
            "name": SEARCH,
            "title": "Search tools",
            "description": "Finds tools by what they do. This server has many tools that are not listed: search here first, \
                then call the tool with call_tool.",
            "inputSchema": {"type": "object", "required": ["query"], "properties": {
                "query": {"type": "string", "description": "What the tool should do, in a few words"},
                "limit": {"type": "integer", "minimum": 1, "maximum": MAX_HITS, "default": DEFAULT_HITS}
            }},
            "annotations": read_only
        },
        {
            "name": DESCRIBE,
            "title": "Describe a tool",
            "description": "Returns the full definition of a tool, with the schema of its arguments.",
            "inputSchema": {"type": "object", "required": ["name"], "properties": {"name": name}},
            "annotations": read_only
        },
        {
            "name": CALL,
            "title": "Call a tool",
            "description": "Calls a tool that search_tools found. describe_tool says which arguments it takes.",
            "inputSchema": {"type": "object", "required": ["name"], "properties": {
                "name": name,
                "arguments": {"type": "object", "description": "Arguments of the tool"}
            }}
        }
    ]))
}

/// The arguments of `search_tools`.
pub(super) struct SearchArguments {
    query: ByteString,
    limit: usize,
}

impl SearchArguments {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong with them, for the model.
    pub(super) fn read(arguments: &Raw) -> Result<Self, String> {
        let query = arguments.member("query").and_then(|query| query.as_string());
        let query = query.ok_or("query is missing: say in a few words what the tool should do")?;
        let limit = match arguments.member("limit") {
            None => DEFAULT_HITS,
            Some(limit) => limit
                .decode()
                .ok()
                .filter(|limit| (1..=MAX_HITS).contains(limit))
                .ok_or_else(|| format!("limit must be a whole number from 1 to {MAX_HITS}"))?,
        };
        Ok(Self { query, limit })
    }
}

/// The name in the arguments of `describe_tool` and `call_tool`.
///
/// # Errors
/// What is wrong with them, for the model.
pub(super) fn tool_name(arguments: &Raw) -> Result<ByteString, String> {
    let name = arguments.member("name").and_then(|name| name.as_string());
    name.ok_or_else(|| "name is missing: the name of a tool, as search_tools returns it".to_owned())
}

/// The result of a tool: its text and its structure.
pub(super) type ToolAnswer = (String, Raw);

/// The result of `search_tools`: a line for each tool, and the same as a structure.
pub(super) fn search_result(index: &ToolIndex, arguments: &SearchArguments) -> ToolAnswer {
    let hits = index.search(&arguments.query, arguments.limit);
    let of = index.len();
    let mut text = match hits.len() {
        0 => format!("None of the {of} tools fits. Try other words, or fewer."),
        1 => format!("1 of {of} tools:\n"),
        found => format!("{found} of {of} tools, the best first:\n"),
    };
    for hit in &hits {
        text.push_str(&line(hit));
    }
    let tools: Vec<Value> = hits.iter().map(summary).collect();
    (text, Raw::from(json!({"tools": tools, "total": of})))
}

/// A tool in a list: its name, its parameters and its description.
fn line(hit: &ToolHit) -> String {
    let summary = summary(hit);
    let parameters = summary["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let parameters: Vec<&str> = parameters.iter().filter_map(Value::as_str).collect();
    let description = summary["description"].as_str().unwrap_or_default();
    let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("\n- {}({}): {description}", hit.name, parameters.join(", "))
}

/// What a search says of a tool. Parameters that may be left out end with `?`.
fn summary(hit: &ToolHit) -> Value {
    let text = |member: &str| hit.definition.member(member).and_then(|text| text.as_string());
    let schema = hit.definition.member("inputSchema");
    let member = |name: &str| schema.as_ref().and_then(|schema| schema.member(name));
    let required: Vec<String> =
        member("required").and_then(|required| required.decode().ok()).unwrap_or_default();
    let properties = member("properties").filter(Raw::is_object);
    let parameters = properties.iter().flat_map(Raw::members).map(|parameter| {
        let name = parameter.key().into_owned();
        if required.contains(&name) { name } else { name + "?" }
    });
    let mut summary = json!({"name": &*hit.name, "parameters": parameters.collect::<Vec<_>>()});
    if let Some(title) = text("title") {
        summary["title"] = json!(&*title);
    }
    if let Some(description) = text("description") {
        summary["description"] = json!(shortened(&description));
    }
    summary
}

fn shortened(description: &str) -> String {
    match description.char_indices().nth(MAX_DESCRIPTION) {
        Some((end, _)) => format!("{}…", description[..end].trim_end()),
        None => description.to_owned(),
    }
}

/// The result of `describe_tool`: the definition.
///
/// # Errors
/// There is no such tool; which ones have similar names.
pub(super) fn describe_result(index: &ToolIndex, name: &str) -> Result<ToolAnswer, String> {
    if let Some(definition) = index.definition(name) {
        return Ok((definition.to_string(), Splice::new().with("tool", definition).finish()));
    }
    let near: Vec<String> = index.search(name, 3).iter().map(|hit| hit.name.to_string()).collect();
    Err(match near.is_empty() {
        true => format!("There is no tool {name:?}. search_tools finds the names of tools."),
        false => format!("There is no tool {name:?}. Similar ones are {}.", near.join(", ")),
    })
}

/// A `CallToolResult`, or one with `isError`: the model can mend what is wrong with its arguments.
pub(super) fn tool_result(answer: Result<ToolAnswer, String>, meta: Option<&Raw>) -> Raw {
    let content = |text: &str| Raw::from(json!([{"type": "text", "text": text}]));
    let result = Splice::new().with("resultType", &Raw::string("complete"));
    let result = match answer {
        Ok((text, structure)) => {
            result.with("content", &content(&text)).with("structuredContent", &structure)
        }
        Err(fault) => result.with("content", &content(&fault)).with("isError", &Raw::from(json!(true))),
    };
    match meta {
        Some(meta) => result.with("_meta", meta).finish(),
        None => result.finish(),
    }
}
