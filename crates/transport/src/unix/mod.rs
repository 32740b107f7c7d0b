//! Clients of this machine on a Unix socket: messages as on standard streams, a line each, any number of clients.
//!
//! 2026-07-28, transports §Custom Transports: "Custom transports **SHOULD** document their specific connection
//! establishment and message exchange patterns to aid interoperability." So:
//! - the socket is a stream socket; a client connects and speaks, there is no handshake of its own;
//! - every message is one line of UTF-8 that ends with a line feed, in both directions, as on stdio;
//! - every revision is spoken, and both eras on one connection, as on stdio;
//! - a client that ends its side still hears what its running calls answer; one that closes cancels them.
//!
//! # Who may connect
//! The file is open to its owner alone (mode 0600) from its first moment, and the operating system is asked who stands at
//! the other end of each connection: the owner of the server, or root. Both can be widened, see [`Config::mode`] and
//! [`Peers`].
//!
//! # The file
//! A socket that a process left behind when it died is replaced. One that is in use is left alone, and so is anything
//! that is no socket. The file goes when serving ends.

mod config;
#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod listener;
mod refused;

pub use config::{Config, Limits, Peers};
#[cfg(not(unix))]
pub use elsewhere::Listener;
#[cfg(unix)]
pub use listener::{Listener, serve_connection};
pub use refused::Refused;
