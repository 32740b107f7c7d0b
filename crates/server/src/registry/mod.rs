//! The registry of a server: its entries, their visibility, and changes at run time.
//!
//! - `snapshot`: [`Registry`], all of it at one moment. It never changes; a call keeps the one that it began with.
//! - `catalog`: all of one kind, and its list. `offered`: what the four kinds have in common.
//! - `change`: what changes; `draft`: the next registry. `offers`: which kinds are declared.
//! - `merge`: what other servers contribute.

mod catalog;
mod change;
mod draft;
mod merge;
mod offered;
mod offers;
mod snapshot;

pub(crate) use catalog::{Catalog, Item, Items, Target};
pub use change::Change;
pub(crate) use draft::apply;
pub(crate) use merge::{MountedCatalog, OwnItems, merge};
pub(crate) use offered::Offered;
pub(crate) use offers::Offers;
pub(crate) use snapshot::{ChangedKinds, Registry};
