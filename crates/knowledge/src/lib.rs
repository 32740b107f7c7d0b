//! A folder of Markdown as documents.
//!
//! This crate knows documents: where they lie, what their front matter says, which language and domain they are
//! about, which sections they have, and which URI each of them bears. It reads folders, and only on request; it
//! never writes, watches or serves.
//!
//! # Layout
//! - [`path`]: the name of a document, and what it says about language and domain.
//! - [`uri`]: that name as a URI.
//! - [`front_matter`]: the YAML at the head of a document.
//! - [`document`]: the document itself.
//! - [`section`]: its headings and the text under each.

pub mod document;
pub mod front_matter;
pub mod path;
pub mod section;
pub mod uri;

pub use document::Document;
pub use path::DocumentPath;
pub use section::Heading;
