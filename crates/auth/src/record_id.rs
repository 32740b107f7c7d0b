use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// The id of a record: texts of any length as one of 64 bytes, which does not tell them.
pub(crate) fn record_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    HEXLOWER.encode(&hash.finalize())
}
