//! Claude Code: `.mcp.json` in a project; `~/.claude.json`, which also has servers by project, below `projects`.
//!
//! `type` is `stdio`, `http` (or `streamable-http`), `sse` or `ws`; "Environment variable expansion in `.mcp.json`":
//! `${VAR}` and `${VAR:-default}` in `command`, `args`, `env`, `url` and `headers`.

use super::{
    client::{McpClient, Supports},
    places::Place,
    write::typed,
};
use crate::{document::Language, references::Syntax};

pub(super) const CLIENT: McpClient = McpClient {
    id: "claude-code",
    title: "Claude Code",
    documentation: "https://code.claude.com/docs/en/mcp",
    language: Language::Json,
    section: &["mcpServers"],
    other_section: None,
    project: &[".mcp.json"],
    user: &[Place::home(".claude.json")],
    syntax: Syntax::Shell,
    supports: Supports { url: true, sse: true, cwd: false, env_file: false },
    switch: None,
    entry: |_, server, values| typed(server, values),
};
