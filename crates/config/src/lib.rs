//! Configuration files of MCP clients: where they are, what they say, and edits that keep the rest of a file.
//!
//! # Layout
//!
//! - [`variables`](Surroundings): the environment, and what `${...}` in a file means.
//! - [`server`](ServerConfig): a server as a file describes it, in one vocabulary for all clients.
//! - [`ClientLogin`]: what an entry says of the login to its server.
//! - `clients/`: one file per client, with its paths, its keys, and where its format is documented.
//! - [`inputs()`]: what VS Code asks its user for.
//! - `locations`: the files that may list servers, the nearest first.
//! - `trust`: whether a file of a project may be used.
//! - `document/`: JSON with comments, TOML and YAML: read as values, and edited as text.
//! - [`file`](ConfigFile): the servers of one file.
//! - `store`: writes a file in one step ([`ConfigStore`]), under a lock, with a backup.
//! - `replace`, `private`: files that are replaced as a whole, and that only their owner can read.
//! - [`gateway`]: the file of a gateway, `anyport.toml`.
//! - `name`: names that every client accepts; `value_kind`: what a value is, in words.
//!
//! The crate starts no server and opens no connection.

mod backup;
mod client_login;
mod clients;
mod document;
mod entry;
mod error;
mod file;
pub mod gateway;
mod inputs;
mod locations;
mod lock;
mod name;
mod private;
mod references;
mod replace;
mod server;
mod store;
mod trust;
mod value_kind;
mod variables;

pub use client_login::ClientLogin;
pub use clients::{CLIENTS, GATEWAY, McpClient, NotWritable, Scope, client};
pub use document::Language;
pub use error::{ConfigError, MAX_FILE_BYTES};
pub use file::ConfigFile;
pub use inputs::{Input, InputKind, input_ids, inputs};
pub use locations::{ConfigLocation, by_client, config_locations};
pub use lock::EditLock;
pub use name::{
    is_valid as is_valid_name, of_command as name_of_command, of_url as name_of_url, valid as valid_name,
};
pub use private::{private_file, private_folder};
pub use references::{is_reference, variables_of};
pub use server::{Endpoint, ServerConfig};
pub use store::{ConfigStore, Written};
pub use trust::{Distrust, check_trust};
pub use variables::{Surroundings, Unexpanded, expand, expand_paths};
