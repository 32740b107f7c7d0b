//! A folder of Markdown as documents.
//!
//! This crate knows documents: where they lie, what their front matter says, which language and domain they are
//! about, which sections they have, and which URI each of them bears. It reads folders, and only on request; it
//! never writes. [`server`] offers them to MCP clients.
//!
//! Start at [`Folders`], which reads one or several folders and returns every document it could read together
//! with a [`Warning`] for everything it could not, then put the documents into a [`Library`].
//!
//! # Layout
//! - [`path`]: the name of a document, and what it says about language and domain.
//! - [`uri`]: that name as a URI.
//! - [`front_matter`]: the YAML at the head of a document.
//! - [`document`]: the document itself.
//! - [`section`]: its headings and the text under each.
//! - [`folder`]: how documents are found and read.
//! - [`warning`]: what was left out, and why.
//! - [`index`]: full-text search.
//! - [`mod@snippet`]: the passage of a document that a search was about.
//! - [`library`]: all documents, and how one is found among them.
//! - [`answers`]: what the tools answer.
//! - [`server`]: documents as an MCP server.

pub mod answers;
pub mod document;
pub mod folder;
pub mod front_matter;
pub mod index;
pub mod library;
pub mod path;
pub mod section;
mod serve;
pub mod snippet;
pub mod uri;
pub mod warning;

pub use document::{Document, FileTimes};
pub use folder::Folders;
pub use index::{Hit, Hits, Index, IndexError, SearchQuery, Storage, Words};
pub use library::{Found, Library};
pub use path::DocumentPath;
pub use section::Heading;
pub use serve::{builder, server};
pub use snippet::{Snippet, snippet};
pub use warning::Warning;
