//! Under which account the credential of a caller is kept.

use anyport_service::Principal;

/// What stands before the account of a caller. Nobody can type it, so no account of a user is one.
const PREFIX: &str = "\u{1}caller ";

/// The account of the caller `principal` at the server `name` of a gateway: two servers of one resource are two accounts.
pub(super) fn account(name: &str, principal: &Principal) -> String {
    format!("{PREFIX}{name} {principal}")
}

/// Whether a credential is one of a caller of a gateway, and none of the user of this program.
pub fn is_caller_account(account: &str) -> bool {
    account.starts_with(PREFIX)
}
