//! Where the eras meet: services that ask in one way, for callers that are asked in another.

mod shim;

pub use shim::{Shim, ShimLimits};

#[cfg(test)]
mod tests;
