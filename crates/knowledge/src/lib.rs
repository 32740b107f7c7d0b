//! A folder of Markdown as documents.
//!
//! This crate knows documents: where they lie, what their front matter says, which language and domain they are
//! about, which sections they have, and which URI each of them bears. It never writes where it reads.
//!
//! Start at [`Knowledge`]: the documents of [`Folders`] or of a [`Library`], read and watched in the background.
//! [`server`] offers them to MCP clients. [`Folders::load`] reads them once and for all, together with a
//! [`Warning`] for everything that it could not read.
//!
//! # Layout
//! - [`path`]: the name of a document, and what it says about language and domain.
//! - [`uri`]: that name as a URI.
//! - [`front_matter`]: the YAML at the head of a document.
//! - [`document`]: the document itself.
//! - [`text`]: what it says, in memory or in its file.
//! - [`section`]: its headings and the text under each.
//! - [`folder`]: how documents are found and read.
//! - [`warning`]: what was left out, and why.
//! - [`index`]: full-text search.
//! - [`mod@snippet`]: the passage of a document that a search was about.
//! - [`library`]: all documents, and how one is found among them.
//! - [`live`]: keeps documents up to date while they are served.
//! - [`answers`]: what the tools answer.
//! - [`health`]: how the server is; [`machine`]: how the machine is; `cgroup`: the memory of its container.
//! - [`server`]: documents as an MCP server.

pub mod answers;
mod cgroup;
pub mod document;
mod file_times;
pub mod folder;
pub mod front_matter;
pub mod health;
pub mod index;
pub mod library;
pub mod live;
pub mod machine;
pub mod path;
pub mod section;
mod serve;
pub mod snippet;
pub mod text;
pub mod uri;
pub mod warning;

pub use document::Document;
pub use file_times::FileTimes;
pub use folder::Folders;
pub use index::{Hit, Hits, Index, IndexError, MAX_COPIES, Merging, SearchQuery, Storage, Words};
pub use library::{Found, Library};
pub use live::{Change, Knowledge, Progress, Settings, State};
pub use path::DocumentPath;
pub use section::Heading;
pub use serve::{DocumentTool, MAX_CHOICES, Options, UnknownTool, builder, builder_with, server};
pub use snippet::{Snippet, snippet};
pub use text::{Text, Unreadable};
pub use warning::Warning;
