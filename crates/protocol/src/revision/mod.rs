//! The five revisions of the protocol.

mod version;

pub use version::{Revision, UnknownRevision};
