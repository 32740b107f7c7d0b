//! One channel that carries messages both ways: standard streams, a socket, memory.
//!
//! - [`open`]: finds out what the server speaks, and makes a connection of the channel.
//! - `hub`: what is open on it, and where each message of the server's goes.
//! - `calling`: one call, from its request to its outcome.
//! - `asked`: one question of the server's, from its coming to its answer.
//! - `logging`: how verbose an older server's logs are.
//! - `idle`: how long nothing may be said on a channel that nobody uses.
//!
//! Whatever stands on the wire drives a [`Hub`]: it hands over each message that came, takes those that are to be sent,
//! and tells when the channel is over. The hub never waits, so one slow caller holds up nobody else's messages.

mod asked;
mod calling;
mod hub;
#[cfg_attr(not(feature = "client-websocket"), allow(dead_code))]
mod idle;
mod logging;
mod open;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use hub::{Hub, Outbox};
#[cfg(feature = "client-websocket")]
pub(crate) use idle::Idle;
pub(crate) use open::{Channel, Open, open};
pub(crate) use stream::{read, write};
