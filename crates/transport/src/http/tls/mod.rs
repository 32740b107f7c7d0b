//! TLS of a listener, by rustls: one certificate, and where clients must have one, the issuers of theirs.
//!
//! - `certificates`: certificate, key and issuers in PEM; `error`: what is wrong with them.
//! - `files`: the files that they are in.
//! - `configuration`: what new connections are opened with, which changes with the files.
//! - `handshake`: from a TCP connection to a TLS connection, within its time. `opener`: the same for a listener, and what becomes
//!   of those that fail; `warnings`: what the log says of them.

mod certificates;
mod configuration;
mod error;
mod files;
mod handshake;
mod opener;
mod warnings;

#[cfg(feature = "http2")]
pub(super) use self::certificates::HTTP2;
pub(super) use self::opener::Opener;
pub use self::{certificates::TlsCertificates, configuration::Tls, error::TlsError, files::TlsFiles};
