//! Clients of servers that are elsewhere: where they are, and the connection to them.

mod aside;
mod link;
mod listening;
mod target;

pub(crate) use aside::answer_asides;
pub(crate) use link::Link;
pub use target::{IntoEndpoint, InvalidEndpoint};
