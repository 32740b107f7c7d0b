//! The client's side of a dialogue: what was agreed with a server, and how requests to it are written.
//!
//! - [`Agreement`]: how requests to the server are written, and its messages read, in its revision.
//! - [`Hop`]: what one hop adds to a request; [`Identity`], what it adds to a result.
//! - [`Era`]: finds out what a server speaks.
//! - [`whose()`]: which call a question belongs to that an old server asks on a shared channel.

mod agreement;
mod era;
mod hop;
mod identity;
mod whose;

pub use agreement::Agreement;
pub use era::{Era, Failure, Step};
pub use hop::{Hop, initialize_params};
pub use identity::Identity;
pub use whose::{OpenCall, Whose, whose};

#[cfg(test)]
mod tests;
