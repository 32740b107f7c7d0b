//! Cline: `mcpServers` in `cline_mcp_settings.json`, of the extension for VS Code and of the command line.
//!
//! `type` is `stdio`, `sse` or `streamableHttp`, and `sse` for a URL without one; programs also have `cwd`:
//! `src/services/mcp/schemas.ts` of <https://github.com/cline/cline>. It is not documented that anything is expanded.

use serde_json::json;

use super::{
    client::{McpClient, Supports, Switch},
    places::Place,
    write::typed,
};
use crate::{document::Language, references::Syntax};

pub(super) const CLIENT: McpClient = McpClient {
    id: "cline",
    title: "Cline",
    documentation: "https://docs.cline.bot/mcp/configuring-mcp-servers",
    language: Language::Json,
    section: &["mcpServers"],
    other_section: None,
    project: &[],
    user: &[
        Place::settings("Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"),
        Place::home(".cline/data/settings/cline_mcp_settings.json"),
    ],
    syntax: Syntax::None,
    supports: Supports { url: true, sse: true, cwd: true, env_file: false },
    switch: Some(Switch::Disabled),
    entry: |_, server, values| {
        let mut entry = typed(server, values)?;
        if entry.get("type") == Some(&json!("http")) {
            entry.insert("type".into(), json!("streamableHttp"));
        }
        Ok(entry)
    },
};
