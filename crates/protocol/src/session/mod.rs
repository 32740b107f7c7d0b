//! How a dialogue runs, as state machines fed with messages.
//!
//! [`modern`] has no state: every request is admitted by what it carries. [`legacy`] opens with `initialize` and
//! remembers what was agreed. [`client`] is the other side of both: what a client has to know of its server. [`parked`]
//! is a call that waits while its caller is away. None performs I/O; others feed them and carry out what they say.

pub mod client;
pub mod legacy;
pub mod modern;
pub mod parked;

#[cfg(test)]
mod tests;
