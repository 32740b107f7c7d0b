//! What the code that `#[tool]`, `#[resource]` and `#[prompt]` write calls.
//!
//! No part of the API: it changes together with the macros, whose version is pinned to that of this crate.
//!
//! Where a type does not do what its place demands, the compiler shall say so once, at that very place and in words.
//! A plain bound cannot: it is told of the innermost trait that is missing, with every type that has it. So the
//! macros *probe* a type ([`Probe`]): method lookup prefers the trait whose bounds the type keeps, and falls back to
//! one whose method demands what no type has, with a message of ours.

#![allow(missing_docs, reason = "hidden, and of use to the macros only")]

mod arguments;
mod output;
mod probe;

pub use anyport_protocol::types::{Icon, JsonObject, ToolAnnotations};
pub use schemars::SchemaGenerator;
pub use serde::de;
pub use serde_json::json;

pub use crate::{Argument, Context, Failure, Prompt, Resource, Template, Tool};
pub use arguments::*;
pub use output::*;
pub use probe::{Probe, form};
