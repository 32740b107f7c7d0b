//! The calls that go through a gateway and their messages, for `anyport tap`.
//!
//! - [`hub`]: brings events to those who watch.
//! - [`service`]: the calls of a server.
//! - [`wire`]: the messages of clients and servers.
//! - [`filter`]: which events are wanted.
//! - [`redact`]: what in a message may be a secret.

#[cfg(unix)]
mod filter;
mod hub;
#[cfg(unix)]
mod redact;
mod service;
mod wire;

#[cfg(unix)]
pub(crate) use self::filter::TapFilter;
pub(crate) use self::{hub::Traffic, service::ObservedService, wire::ConnectionObserver};
