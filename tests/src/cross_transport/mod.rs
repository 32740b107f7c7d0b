//! Our client at a server over real sockets and child processes, reached directly or through a bridge.
//!
//! - [`server`]: what is called; the program `cross_transport` serves it, or a bridge, on its standard streams.
//! - [`Way`], [`Served`]: what carries messages, and a service that is served on it.
//! - [`Cell`], [`run`]: a client at such a server, and many of them with what fails in each.

mod cell;
mod server;
mod way;

pub use cell::{Cell, Fault, run};
pub use server::server;
pub use way::{Served, Way, bridge};
