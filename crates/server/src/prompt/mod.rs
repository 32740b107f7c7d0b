//! Prompts: messages that a person picks.
//!
//! - `definition`: [`Prompt`] as it is written. `argument`: its arguments; `arguments`: those that a type has.
//! - `messages`: what its function returns. `entry`: a prompt as the server gets it.

mod argument;
mod arguments;
mod definition;
mod entry;
mod messages;

pub use argument::Argument;
pub use definition::{Prompt, PromptHandler};
pub(crate) use entry::Entry;
pub use messages::{IntoMessages, Messages};
