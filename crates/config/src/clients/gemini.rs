//! Gemini CLI: `mcpServers` in `.gemini/settings.json`, of a project and of a user.
//!
//! A program has `command`, `args`, `env` and `cwd`; `httpUrl` is Streamable HTTP, and `url` HTTP+SSE; both have `headers`. `$NAME` and
//! `${NAME}` are expanded.

use super::{
    client::{McpClient, Supports},
    places::Place,
    write::{renamed, usual},
};
use crate::{document::Language, references::Syntax, server::Endpoint};

pub(super) const CLIENT: McpClient = McpClient {
    id: "gemini",
    title: "Gemini CLI",
    documentation: "https://github.com/google-gemini/gemini-cli/blob/main/docs/tools/mcp-server.md",
    language: Language::Json,
    section: &["mcpServers"],
    other_section: None,
    project: &[".gemini/settings.json"],
    user: &[Place::home(".gemini/settings.json")],
    syntax: Syntax::Shell,
    supports: Supports { url: true, sse: true, cwd: true, env_file: false },
    switch: None,
    entry: |_, server, values| {
        let entry = usual(server, values)?;
        Ok(match server.endpoint {
            Endpoint::Url { sse: false, .. } => renamed(entry, "url", "httpUrl"),
            _ => entry,
        })
    },
};
