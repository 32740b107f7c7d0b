//! The hash chain: what makes a change of the log show.
//!
//! - `key`: the keyed hash. `block`: many records in one value of the store. `mark`: the heads of chains, and the ends of
//!   what was dropped.
//!
//! A record's tag is the hash of the tag before it and of its own bytes, so that no record can be altered, removed, added or moved
//! without the key.

mod block;
#[doc(hidden)]
pub mod fuzzing;
mod key;
mod mark;

pub(crate) use self::{
    block::{Block, BlockFault, Writing},
    key::ChainKey,
    mark::{Mark, MarkKind},
};
pub use self::{key::Tag, mark::Head};
