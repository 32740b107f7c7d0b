//! The answers of the tools: the same over every interface, as a structure for programs and as Markdown for readers.
//!
//! - [`document`]: a standard, a document, or a section of one.
//! - [`excerpt`]: as much of a text as an answer holds.
//! - [`listing`]: which documents there are, page by page.
//! - [`search`]: what a search found, and where in each document.
//! - `suggest`: what someone may have meant.

pub mod document;
pub mod excerpt;
pub mod listing;
mod readable;
pub mod search;
mod suggest;

pub use document::{Answer, DocumentQuery, StandardQuery};
pub use excerpt::{DEFAULT_MAX_ANSWER_CHARS, Section};
pub use listing::{ListQuery, Listing, Summary, WrongCursor};
pub use readable::Readable;
pub(crate) use readable::{MARKDOWN, joined, same, shown, tags, topic};
pub use search::{SearchAnswer, SearchArguments, SearchHit};
