//! One channel that carries messages both ways and that all calls share: standard streams, a socket, memory.
//!
//! - [`driver`]: the driver of such a connection, and what is to be sent on its channel.
//! - [`open`]: finds out what the server speaks, and makes a connection of the channel.
//! - `idle`: how long a connection may be silent that nobody uses.
//! - `stream`: messages on streams of bytes, a line each.
//!
//! Whoever holds the channel hands over each message that came ([`Duplex::receive`]), takes those that are to be sent
//! ([`Outbox`]), and says when the channel is over ([`Duplex::end`]).

mod driver;
#[cfg_attr(not(feature = "client-websocket"), allow(dead_code))]
mod idle;
mod open;
mod stream;
#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;

pub(crate) use driver::{Duplex, Opening, Outbox};
#[cfg(feature = "client-websocket")]
pub(crate) use idle::Idle;
pub(crate) use open::{Channel, Open, open};
pub(crate) use stream::{read, write};
#[cfg(test)]
pub(crate) use tests::by_hand;
