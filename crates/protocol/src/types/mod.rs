//! The messages of 2026-07-28, typed: params, results, and what they are made of.
//!
//! The envelopes around them are [`crate::jsonrpc`]'s. Every type keeps the members that it does not know in
//! `extra`, and every union keeps a value of an unknown kind whole, so that what is read and written again has
//! lost nothing. Numbers that may have a fraction are [`serde_json::Number`], which writes `50` as `50`.
//!
//! # Layout
//! - What stands in many messages: `info`, `capability`, `meta`, `object`, `params`, `result`, `content`.
//! - What a server offers: `discover`, `tool`, `resource`, `prompt`, `completion`, `listen`.
//! - What a server asks: `input` and `input_responses`, `answer`, `elicitation` with the fields of its forms in
//!   `schema`, `sampling`, `roots`.
//! - Notifications: `notification`; data of errors for programs: `error`.
//! - How all of them meet the wire: `wire`, [`tag`], [`Ordered`].

mod capability;
mod content;
mod info;
mod meta;
mod object;
mod params;
mod result;

mod completion;
mod discover;
mod listen;
mod prompt;
mod resource;
mod tool;

mod answer;
mod elicitation;
mod input;
mod input_responses;
mod roots;
mod sampling;
mod schema;

mod error;
mod notification;

mod ordered;
pub mod tag;
mod wire;

pub use answer::*;
pub use capability::*;
pub use completion::*;
pub use content::*;
pub use discover::*;
pub use elicitation::*;
pub use error::*;
pub use info::*;
pub use input::*;
pub use input_responses::*;
pub use listen::*;
pub use meta::*;
pub use notification::*;
pub use object::*;
pub use ordered::Ordered;
pub use params::*;
pub use prompt::*;
pub use resource::*;
pub use result::*;
pub use roots::*;
pub use sampling::*;
pub use schema::*;
pub use tool::*;
