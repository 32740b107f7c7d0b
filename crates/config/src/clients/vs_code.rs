//! VS Code: `servers` in `.vscode/mcp.json` and in the user's `mcp.json`, beside `inputs`.
//!
//! `type` is `stdio`, `http` or `sse`; programs also have `cwd` and `envFile`. References are `${env:VAR}`, `${input:ID}` and the
//! folders of <https://code.visualstudio.com/docs/reference/variables-reference>.

use super::{
    client::{McpClient, Supports},
    places::Place,
    write::typed,
};
use crate::{document::Language, references::Syntax};

pub(super) const CLIENT: McpClient = McpClient {
    id: "vscode",
    title: "VS Code",
    documentation: "https://code.visualstudio.com/docs/copilot/reference/mcp-configuration",
    language: Language::Json,
    section: &["servers"],
    other_section: None,
    project: &[".vscode/mcp.json"],
    user: &[Place::settings("Code/User/mcp.json")],
    syntax: Syntax::Env,
    supports: Supports { url: true, sse: true, cwd: true, env_file: true },
    switch: None,
    entry: |_, server, values| typed(server, values),
};
