//! opencode: `mcp` in `opencode.json` or `opencode.jsonc`, of a project and of a user; `mcp.servers` since version 2.
//!
//! `type` is `local`, with `command` as a list and `environment`, or `remote`, with `url` and `headers`. References are
//! `{env:NAME}` and `{file:PATH}` (<https://opencode.ai/docs/config#variables>).

use serde_json::{Map, Value, json};

use super::{
    client::{McpClient, Supports, Switch},
    places::Place,
    values::{NotWritable, Values},
};
use crate::{
    document::Language,
    references::Syntax,
    server::{Endpoint, ServerConfig},
};

pub(super) const CLIENT: McpClient = McpClient {
    id: "opencode",
    title: "opencode",
    documentation: "https://opencode.ai/docs/mcp-servers",
    language: Language::Json,
    section: &["mcp"],
    other_section: Some(&["mcp", "servers"]),
    project: &["opencode.json", "opencode.jsonc", ".opencode/opencode.json", ".opencode/opencode.jsonc"],
    user: &[Place::config("opencode/opencode.json"), Place::config("opencode/opencode.jsonc")],
    syntax: Syntax::Braces,
    supports: Supports { url: true, sse: true, cwd: false, env_file: false },
    switch: Some(Switch::Enabled),
    entry,
};

fn entry(_: &str, server: &ServerConfig, values: &mut Values<'_>) -> Result<Map<String, Value>, NotWritable> {
    let mut entry = Map::new();
    match &server.endpoint {
        Endpoint::Command { program, args, env, .. } => {
            let mut command = vec![values.text(program)?];
            command.extend(values.list(args)?);
            entry.insert("type".into(), json!("local"));
            entry.insert("command".into(), command.into());
            if !env.is_empty() {
                entry.insert("environment".into(), values.map(env)?.into());
            }
        }
        Endpoint::Url { url, headers, .. } => {
            entry.insert("type".into(), json!("remote"));
            entry.insert("url".into(), values.text(url)?.into());
            if !headers.is_empty() {
                entry.insert("headers".into(), values.map(headers)?.into());
            }
        }
    }
    Ok(entry)
}
