//! Windsurf: `mcpServers` in `~/.codeium/windsurf/mcp_config.json`. A URL is `serverUrl`; `${env:NAME}` is expanded in `command`,
//! `args`, `env`, `serverUrl` and `headers`.

use super::{
    client::{McpClient, Supports, Switch},
    places::Place,
    write::{renamed, usual},
};
use crate::{document::Language, references::Syntax};

pub(super) const CLIENT: McpClient = McpClient {
    id: "windsurf",
    title: "Windsurf",
    documentation: "https://docs.windsurf.com/windsurf/cascade/mcp",
    language: Language::Json,
    section: &["mcpServers"],
    other_section: None,
    project: &[],
    user: &[Place::home(".codeium/windsurf/mcp_config.json")],
    syntax: Syntax::Env,
    supports: Supports { url: true, sse: true, cwd: false, env_file: false },
    switch: Some(Switch::Disabled),
    entry: |_, server, values| Ok(renamed(usual(server, values)?, "url", "serverUrl")),
};
