//! The client's side of a dialogue: what was agreed with a server, and how requests to it are written.
//!
//! - [`Agreement`]: how requests to the server are written, and its messages read, in its revision.
//! - [`Hop`]: what one hop adds to a request.

mod agreement;
mod hop;

pub use agreement::Agreement;
pub use hop::{Hop, initialize_params};

#[cfg(test)]
mod tests;
