//! Answers server requests in the middle of a call.

mod definition;
mod form;
mod functions;

pub use definition::{Answers, Handler, Refused};
pub use form::{ElicitAnswer, Form, Page};
#[cfg(feature = "connect")]
pub(crate) use functions::is_url;
pub(crate) use functions::{Functions, erased, server_name};
