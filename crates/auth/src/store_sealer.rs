//! Seals records of a store with the key of this machine.

use anyport_store::{BoxError, Sealer};

/// A [`Sealer`] of records.
pub struct StoreSealer(pub(crate) anyport_seal::Sealer);

impl StoreSealer {
    /// Seals with `sealer`.
    pub fn new(sealer: anyport_seal::Sealer) -> Self {
        Self(sealer)
    }
}

impl Sealer for StoreSealer {
    fn seal(&self, purpose: &str, bytes: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(self.0.seal(purpose, bytes)?.into_bytes())
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(self.0.open(purpose, std::str::from_utf8(sealed)?)?)
    }
}

impl std::fmt::Debug for StoreSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreSealer")
    }
}
