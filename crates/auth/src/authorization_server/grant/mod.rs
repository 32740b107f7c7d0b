//! What a user has granted to a client: one record a grant, which all its codes and tokens name.
//!
//! Everything that must happen at once is a compare-and-set of this one record: that a code is redeemed once, that a refresh token
//! is replaced once, that a reuse ends the grant. So several processes on one store behave as one.
//!
//! - `record`: what is stored.
//! - [`Grants`]: how grants begin, are found and end.
//! - `redeem`: a code becomes tokens. `refresh`: a refresh token is replaced.

mod grants;
mod record;
mod redeem;
mod refresh;

pub(super) use self::record::Grant;
pub use self::record::OAUTH_GRANTS;
pub(crate) use self::{
    grants::{AccessToken, GrantError, Grants, Issued},
    record::{Consented, Found},
    redeem::Redemption,
    refresh::RefreshRequest,
};
