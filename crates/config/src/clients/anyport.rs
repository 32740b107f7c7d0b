//! Anyport itself: a file of its own for a user, and the `.mcp.json` that it shares with Claude Code for a project.
//!
//! Texts are written as they are: every form of reference is read.

use super::{
    client::{McpClient, Supports, Switch},
    places::Place,
    write::typed,
};
use crate::{document::Language, references::Syntax};

pub(super) const CLIENT: McpClient = McpClient {
    id: "anyport",
    title: "Anyport",
    documentation: "docs/servers.md",
    language: Language::Json,
    section: &["mcpServers"],
    other_section: None,
    project: &[".mcp.json"],
    user: &[Place::settings("anyport/mcp.json")],
    syntax: Syntax::Any,
    supports: Supports { url: true, sse: true, cwd: true, env_file: true },
    switch: Some(Switch::Disabled),
    entry: |_, server, values| typed(server, values),
};
