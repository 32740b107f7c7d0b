//! Seals records of a store with the key of this machine.

use anyport_store::{BoxError, Sealer};

/// A [`Sealer`] of records.
pub(crate) struct StoreSealer(pub(crate) anyport_seal::Sealer);

impl Sealer for StoreSealer {
    fn seal(&self, purpose: &str, bytes: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(self.0.seal(purpose, bytes)?.into_bytes())
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(self.0.open(purpose, std::str::from_utf8(sealed)?)?)
    }
}
