//! The MCP Inspector: `mcpServers` in `~/.mcp-inspector/mcp.json`, which is only read.

use super::{
    client::{McpClient, Supports},
    places::Place,
    write::typed,
};
use crate::{document::Language, references::Syntax};

pub(super) const CLIENT: McpClient = McpClient {
    id: "inspector",
    title: "MCP Inspector",
    documentation: "https://github.com/modelcontextprotocol/inspector",
    language: Language::Json,
    section: &["mcpServers"],
    other_section: None,
    project: &[],
    user: &[Place::home(".mcp-inspector/mcp.json")],
    syntax: Syntax::None,
    supports: Supports { url: true, sse: true, cwd: false, env_file: false },
    switch: None,
    entry: |_, server, values| typed(server, values),
};
