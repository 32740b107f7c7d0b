//! A grant as it is stored: one record, which all its codes and tokens name.

use anyport_store::{Bucket, Version};
use serde::{Deserialize, Serialize};

use crate::authorization_server::user::User;

/// The grants, by id. Of codes and tokens only hashes are stored.
pub static OAUTH_GRANTS: Bucket = Bucket::new("oauth-grant").max_bytes(256 << 20);

/// What a client may do in the name of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The client to which it was granted.
    pub(crate) client_id: String,
    /// The user who granted it.
    pub(crate) user: User,
    /// The one resource that its tokens are for.
    pub(crate) resource: String,
    /// The scopes.
    pub(crate) scopes: Vec<String>,
    /// When it was granted, in seconds since 1970.
    pub(crate) granted: u64,
    /// The authorization code; `None` for a grant that came without one.
    #[serde(default)]
    pub(super) code: Option<Code>,
    /// The access tokens that have not ended; the newest is the last.
    #[serde(default)]
    pub(super) access: Vec<Token>,
    /// The refresh token.
    #[serde(default)]
    pub(super) refresh: Option<Token>,
    /// The refresh tokens that were replaced; the newest is the last.
    #[serde(default)]
    pub(super) replaced: Vec<Replaced>,
}

/// An authorization code, and what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) hash: String,
    pub(super) expires: u64,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) is_redeemed: bool,
}

/// A token by its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) hash: String,
    pub(super) expires: u64,
    /// The scopes, if they are fewer than those of the grant.
    #[serde(default)]
    pub(super) scopes: Option<Vec<String>>,
}

/// A refresh token that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Replaced {
    pub(super) hash: String,
    /// Until when the same answer is given again.
    pub(super) retry_until: u64,
    /// What the tokens of that answer were made of, together with the token itself; gone with the next replacement.
    pub(super) salt: Option<String>,
}

/// What a user has consented to.
#[derive(Clone, Debug)]
pub(crate) struct Consented {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) resource: String,
    pub(crate) scopes: Vec<String>,
}

/// A grant with its id and version.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) grant: Grant,
    pub(super) version: Version,
}

impl Grant {
    pub(super) fn new(
        client_id: String,
        user: User,
        resource: String,
        scopes: Vec<String>,
        granted: u64,
    ) -> Self {
        let (code, access, refresh, replaced) = (None, Vec::new(), None, Vec::new());
        Self { client_id, user, resource, scopes, granted, code, access, refresh, replaced }
    }
}
