//! Ranks texts by the words of a query.
//!
//! The index of documents and the index of tools take texts apart into the same words. This crate
//! has no index: it stores nothing and reads nothing.
//!
//! # Layout
//! - [`Splitter`]: the words of a text, with names such as `snake_case` whole and in parts.
//! - [`stem()`]: the stem of an English word; [`is_stop_word`]: words that nearly every text has.

mod split;
mod stem;
mod stop;

pub use split::{Split, Splitter, is_dense};
pub use stem::{is_stemmed, stem};
pub use stop::is_stop_word;
