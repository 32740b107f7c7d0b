//! The context of a call, which its handler is given.
//!
//! - `call`: [`Context`], and where a call stands in another one. `caller`: what it knows of its caller.
//! - `ask`: server requests (elicitation, sampling, roots). `notifications`: progress and log messages.

mod ask;
mod call;
mod caller;
mod notifications;

pub use call::Context;
pub(crate) use call::{Owner, SubcallPosition};
pub use notifications::ProgressValue;
