//! mcporter: `mcpServers` in `config/mcporter.json` of a project, and in `~/.mcporter` or `$XDG_CONFIG_HOME/mcporter`.
//!
//! A URL is `baseUrl`, `url` or `serverUrl`; `command` may be a list; `bearerTokenEnv` names a variable. `${VAR}`,
//! `${VAR:-fallback}` and `$env:VAR` are expanded.

use super::{
    client::{McpClient, Supports},
    places::{Folder, Place, Systems},
    write::{renamed, usual},
};
use crate::{document::Language, references::Syntax};

const FOLDER: Folder = Folder::Variable { name: "XDG_CONFIG_HOME", below: "mcporter", home: ".mcporter" };

pub(super) const CLIENT: McpClient = McpClient {
    id: "mcporter",
    title: "mcporter",
    documentation: "https://github.com/openclaw/mcporter/blob/main/docs/config.md",
    language: Language::Json,
    section: &["mcpServers"],
    other_section: None,
    project: &["config/mcporter.json"],
    user: &[
        Place { folder: FOLDER, path: "mcporter.json", systems: Systems::All },
        Place { folder: FOLDER, path: "mcporter.jsonc", systems: Systems::All },
    ],
    syntax: Syntax::Shell,
    supports: Supports { url: true, sse: true, cwd: true, env_file: false },
    switch: None,
    entry: |_, server, values| Ok(renamed(usual(server, values)?, "url", "baseUrl")),
};
