//! Cursor: `mcpServers` in `.cursor/mcp.json`, of a project and of a user.
//!
//! A program has `command`, `args`, `env` and `envFile`, a URL `url` and `headers`; `${env:NAME}`, `${userHome}` and
//! `${workspaceFolder}` are expanded in all of them.

use super::{
    client::{McpClient, Supports},
    places::Place,
    write::usual,
};
use crate::{document::Language, references::Syntax};

pub(super) const CLIENT: McpClient = McpClient {
    id: "cursor",
    title: "Cursor",
    documentation: "https://cursor.com/docs/mcp",
    language: Language::Json,
    section: &["mcpServers"],
    other_section: None,
    project: &[".cursor/mcp.json"],
    user: &[Place::home(".cursor/mcp.json")],
    syntax: Syntax::Env,
    supports: Supports { url: true, sse: true, cwd: false, env_file: true },
    switch: None,
    entry: |_, server, values| usual(server, values),
};
