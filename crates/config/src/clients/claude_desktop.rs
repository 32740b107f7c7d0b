//! Claude Desktop: `claude_desktop_config.json`. It has programs only (remote servers are connectors, which are not in this file),
//! with `command`, `args` and `env`, and expands nothing.

use super::{
    client::{McpClient, Supports},
    places::Place,
    write::usual,
};
use crate::{document::Language, references::Syntax};

pub(super) const CLIENT: McpClient = McpClient {
    id: "claude-desktop",
    title: "Claude Desktop",
    documentation: "https://modelcontextprotocol.io/docs/develop/connect-local-servers",
    language: Language::Json,
    section: &["mcpServers"],
    other_section: None,
    project: &[],
    user: &[Place::settings("Claude/claude_desktop_config.json")],
    syntax: Syntax::None,
    supports: Supports { url: false, sse: false, cwd: false, env_file: false },
    switch: None,
    entry: |_, server, values| usual(server, values),
};
