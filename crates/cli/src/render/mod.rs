//! Output for people: text, tables, and placeholders for binary content.
//!
//! Everything here makes text of values and writes none of it. What a server says goes through [`safe`] before
//! anything else: it must not command the terminal.
//!
//! - [`safe`]: control characters, shown instead of obeyed.
//! - [`screen`]: how wide, and with colours or not.
//! - [`table`]: columns that fit.
//! - [`signature`]: a tool as a function.
//! - [`tool`]: one tool, with all that is known of it.
//! - [`lists`]: tools, resources, templates, prompts.
//! - [`content`]: what tools, resources and prompts are made of.

pub(crate) mod content;
pub(crate) mod lists;
pub(crate) mod safe;
pub(crate) mod screen;
pub(crate) mod signature;
pub(crate) mod table;
pub(crate) mod tool;

pub(crate) use screen::{Colour, Screen};
