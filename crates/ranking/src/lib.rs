//! Ranks texts by the words of a query.
//!
//! The index of documents and the index of tools rank with the same words and the same formulas. This crate has both, and no
//! index: it stores nothing and reads nothing.
//!
//! # Layout
//! - [`Splitter`] and [`each_token`]: the words of a text, with names such as `snake_case` whole and in parts.
//! - [`stem()`]: the stem of an English word; [`is_stop_word`]: words that nearly every text has.
//! - [`bm25`]: the score of a text by the words that it has, and the fields that it has them in.
//! - [`proximity()`]: what it adds to a score that the words are near each other.

pub mod bm25;
mod proximity;
mod split;
mod stem;
mod stop;

pub use proximity::proximity;
pub use split::{SENTENCE_GAP, Split, Splitter, each_token, is_dense};
pub use stem::{is_stemmed, stem};
pub use stop::is_stop_word;
