//! The budget of large answers in memory: those that clients have not read yet, and those that are being read from servers.
//!
//! - `budget`: the budget and its limits; `read_gate`: what lets an answer of a server be read.
//! - `reads`: the answers that are being read, by server.
//! - `large`: what counts as large; `lowered`: large lists that many sessions receive.

mod budget;
mod large;
mod lowered;
#[cfg(feature = "client-http")]
mod read_gate;
#[cfg(feature = "client-http")]
mod reads;

pub use budget::{BufferLimits, BufferedBytes};
pub(crate) use budget::{RoomWait, Unread};
pub(crate) use large::LARGE;
#[cfg(feature = "client-http")]
pub(crate) use read_gate::ReadGate;
