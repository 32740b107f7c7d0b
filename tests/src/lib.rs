//! What the tests share that see more than one crate.
//!
//! The tests themselves stand in `tests/tests/all/`, one module for each thing that must hold between crates; other
//! languages' clients stand in `tests/python/` and `tests/typescript/`, the documents that they are served in `tests/data/`.
//!
//! - [`matrix`]: every revision on every transport, one server behind them all.
//! - [`everything`]: that server.
//! - [`kinds`]: a server with every kind of argument and result.
//! - [`site`]: one server for many clients; [`http2_front`]: what carries their requests over HTTP/2.
//! - [`bridged`]: a bridge in memory, between a server that a test plays and clients of any revision.
//! - [`plain`]: a client of the REST interface.
//! - [`cross_transport`]: our client at a server over real sockets and child processes, through a bridge or not.
//! - [`soak`]: a long run through bridges whose servers fail in every way.
//! - [`canaries`]: many principals at one gateway, of whom none may get what belongs to another.
//! - [`architecture`]: which of our crates may use which, and which of other people's.
//! - [`book`]: the pages of `docs/`, whose code is compiled and run by `tests/tests/all/book/`.
//! - [`invariants`]: what must hold, as the tests say it, and the page that lists it.

pub mod architecture;
pub mod book;
pub mod bridged;
pub mod canaries;
pub mod cross_transport;
pub mod everything;
pub mod http2_front;
pub mod invariants;
pub mod kinds;
pub mod matrix;
pub mod plain;
pub mod site;
pub mod soak;
