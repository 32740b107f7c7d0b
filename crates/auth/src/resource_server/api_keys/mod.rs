//! API keys: secrets of this server's own, which it gives to programs that cannot sign in.
//!
//! - [`ApiKeyRecords`] makes, lists and revokes them.
//! - [`ApiKeys`] verifies them, from what `table` keeps in memory of the store.

mod records;
mod table;
mod verifier;

pub(super) use self::records::is_api_key;
pub use self::{
    records::{API_KEY_USES, API_KEYS, ApiKey, ApiKeyRecords, CreateError},
    verifier::ApiKeys,
};
