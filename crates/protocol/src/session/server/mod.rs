//! The server's side of a session: what was negotiated with a client.

mod state;

pub use state::{RequestStep, SessionState};

#[cfg(test)]
mod tests;
