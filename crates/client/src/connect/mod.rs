//! Clients of servers that are reached over a transport.

mod answers;
mod connector;
mod endpoint;

pub(crate) use answers::answer_unsolicited;
pub(crate) use connector::ClientConnector;
pub use endpoint::{IntoEndpoint, InvalidEndpoint};
