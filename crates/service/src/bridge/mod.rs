//! Where the eras meet: services that ask in one way, for callers that are asked in another.

mod bound;
mod park;
mod shim;

pub use bound::Bound;
pub use park::{Park, ParkLimits, Seals};
pub use shim::{Shim, ShimLimits};

#[cfg(test)]
mod tests;
