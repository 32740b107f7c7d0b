//! How a dialogue runs, as state machines fed with messages.
//!
//! - [`modern`]: the checks of a stateless request; it has no state.
//! - [`server`]: the server's end of a session that opens with `initialize`.
//! - [`client`]: the client's end of a connection in either era.
//! - [`parked`]: a call that waits while its caller is away.
//!
//! None performs I/O; a driver feeds them and carries out what they return.

mod cancellation;
pub mod client;
pub mod modern;
pub mod parked;
pub mod server;

pub use cancellation::{cancelled_id, cancelled_params};

#[cfg(test)]
mod tests;
