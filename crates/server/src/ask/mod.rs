//! Server requests: asking the client in the middle of a call, and how the call goes on when the answers come.
//!
//! A handler that asks runs again from its top whenever answers arrive (2026-07-28, patterns/mrtr): what stands
//! before an unanswered `ask` is done once per round, so side effects belong into [`crate::Context::once`].

mod dialogue;
mod fields;
mod key;
mod question;
mod replay;
mod run;
mod state;

pub(crate) use dialogue::{AskOutcome, Dialogue, DialogueStart, Once};
pub use key::QuestionKey;
pub use question::{Confirmation, Elicited, Form, Question, QuestionError};
pub(crate) use run::{HandlerFuture, run};
pub(crate) use state::{Binding, StateScope, StateStore};
pub use state::{Clock, DEFAULT_STATE_BYTES, DEFAULT_STATE_TTL};
