//! Connections to servers.

pub mod http;
