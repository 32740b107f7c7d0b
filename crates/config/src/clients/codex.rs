//! Codex: tables `[mcp_servers.NAME]` in `config.toml`, of `$CODEX_HOME` (`~/.codex`) and of a trusted project.
//!
//! A program has `command`, `args`, `env`, `env_vars` (names that are handed on) and `cwd`; a URL has `url`, `http_headers`,
//! `env_http_headers` (names of variables by header) and `bearer_token_env_var`. Nothing else is expanded, a literal `bearer_token`
//! is refused, and HTTP+SSE is not spoken: `codex-rs/config/src/mcp_types.rs` of <https://github.com/openai/codex>.

use serde_json::{Map, Value};

use super::{
    client::{McpClient, Supports, Switch},
    places::{Folder, Place, Systems},
    values::{NotWritable, Values},
    write::{renamed, usual},
};
use crate::{
    document::Language,
    references::{Syntax, only_variable},
    server::{Endpoint, ServerConfig},
};

pub(super) const CLIENT: McpClient = McpClient {
    id: "codex",
    title: "Codex",
    documentation: "https://developers.openai.com/codex/mcp",
    language: Language::Toml,
    section: &["mcp_servers"],
    other_section: None,
    project: &[".codex/config.toml"],
    user: &[Place {
        folder: Folder::Variable { name: "CODEX_HOME", below: "", home: ".codex" },
        path: "config.toml",
        systems: Systems::All,
    }],
    syntax: Syntax::None,
    supports: Supports { url: true, sse: false, cwd: true, env_file: false },
    switch: Some(Switch::Enabled),
    entry,
};

fn entry(_: &str, server: &ServerConfig, values: &mut Values<'_>) -> Result<Map<String, Value>, NotWritable> {
    let mut plain = server.clone();
    let mut references = Map::new();
    match &mut plain.endpoint {
        Endpoint::Command { env, .. } => {
            let handed_on = |name: &str, text: &str| only_variable(text) == Some(name);
            let names: Vec<Value> = env
                .iter()
                .filter(|(name, text)| handed_on(name, text))
                .map(|(name, _)| name.clone().into())
                .collect();
            env.retain(|name, text| !handed_on(name, text));
            if !names.is_empty() {
                references.insert("env_vars".into(), names.into());
            }
        }
        Endpoint::Url { headers, .. } => {
            let mut by_header = Map::new();
            headers.retain(|name, text| {
                let bearer = text.strip_prefix("Bearer ").and_then(only_variable);
                match (bearer.filter(|_| name.eq_ignore_ascii_case("authorization")), only_variable(text)) {
                    (Some(variable), _) => references.insert("bearer_token_env_var".into(), variable.into()),
                    (None, Some(variable)) => by_header.insert(name.clone(), variable.into()),
                    (None, None) => return true,
                };
                false
            });
            if !by_header.is_empty() {
                references.insert("env_http_headers".into(), by_header.into());
            }
        }
    }
    let mut entry = renamed(usual(&plain, values)?, "headers", "http_headers");
    entry.append(&mut references);
    Ok(entry)
}
