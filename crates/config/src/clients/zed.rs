//! Zed: `context_servers` in `settings.json`, which is JSON with comments, of a user and of a project.
//!
//! A program has `command`, `args`, which must be there, and `env`; a URL has `url` and `headers`. Earlier versions had
//! `command` as an object with `path`, `args` and `env`, and `source`. Entries with `settings` belong to extensions, and are no
//! servers that another program could start. Nothing is expanded.

use super::{
    client::{McpClient, Supports, Switch},
    places::{Place, Systems},
    write::usual,
};
use crate::{document::Language, references::Syntax};

pub(super) const CLIENT: McpClient = McpClient {
    id: "zed",
    title: "Zed",
    documentation: "https://zed.dev/docs/ai/mcp",
    language: Language::Json,
    section: &["context_servers"],
    other_section: None,
    project: &[".zed/settings.json"],
    user: &[
        Place::config("zed/settings.json").on(Systems::NotWindows),
        Place::settings("Zed/settings.json").on(Systems::Windows),
    ],
    syntax: Syntax::None,
    supports: Supports { url: true, sse: false, cwd: false, env_file: false },
    switch: Some(Switch::Enabled),
    entry: |_, server, values| usual(server, values),
};
