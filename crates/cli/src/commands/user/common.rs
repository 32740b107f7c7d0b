//! What the commands on users have in common: where users are, and how one is shown.

use anyhow::Result;
use anyport_auth::authorization_server::{LocalUser, LocalUserRecords};
use serde_json::{Value, json};

pub(super) use crate::commands::stored::Common;
use crate::commands::{key::time, stored::Stored};

/// The users of a state folder.
///
/// # Errors
/// When there is no state folder.
pub(super) fn stored(common: &Common) -> Result<Stored<LocalUserRecords>> {
    common.stored("the users cannot be read", LocalUserRecords::new)
}

/// A user as a value, without the password.
pub(super) fn value(user: &LocalUser) -> Value {
    json!({
        "name": user.name,
        "subject": user.subject,
        "scopes": user.scopes,
        "created": time(user.created),
    })
}
