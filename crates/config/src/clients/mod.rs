//! The clients whose files are read and written: one file each.

mod anyport;
mod claude_code;
mod claude_desktop;
mod client;
mod cline;
mod codex;
mod cursor;
mod gateway;
mod gemini;
mod goose;
mod inspector;
mod mcporter;
mod opencode;
mod places;
mod values;
mod vs_code;
mod windsurf;
mod write;
mod zed;

pub(crate) use self::places::Place;
pub use self::{
    client::{McpClient, Scope},
    values::NotWritable,
};

/// The clients, Anyport itself first.
pub const CLIENTS: [&McpClient; 13] = [
    &anyport::CLIENT,
    &claude_code::CLIENT,
    &claude_desktop::CLIENT,
    &vs_code::CLIENT,
    &cursor::CLIENT,
    &codex::CLIENT,
    &windsurf::CLIENT,
    &zed::CLIENT,
    &opencode::CLIENT,
    &goose::CLIENT,
    &cline::CLIENT,
    &gemini::CLIENT,
    &mcporter::CLIENT,
];

/// The gateway, whose `anyport.toml` is written as the file of a client is. It is none of the [`CLIENTS`]: what those are installed in
/// is its file.
pub const GATEWAY: &McpClient = &gateway::CLIENT;

/// The clients whose files are only read.
pub(crate) const READ_ONLY: [&McpClient; 1] = [&inspector::CLIENT];

/// The client of this name, in any case and with any signs between its words.
pub fn client(name: &str) -> Option<&'static McpClient> {
    let plain = |text: &str| {
        text.bytes()
            .filter(u8::is_ascii_alphanumeric)
            .map(|byte| byte.to_ascii_lowercase())
            .collect::<Vec<_>>()
    };
    CLIENTS.into_iter().find(|client| plain(client.id) == plain(name) || plain(client.title) == plain(name))
}
