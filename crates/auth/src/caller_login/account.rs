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

/// The subject of the caller whose credential it is, if it is one of a caller of a gateway.
pub fn caller_subject(account: &str) -> Option<&str> {
    let (_, caller) = account.strip_prefix(PREFIX)?.rsplit_once(" subject:")?;
    let (length, rest) = caller.split_once(':')?;
    rest.get(length.parse().ok()?..)?.strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_read_out_of_an_account() {
        for (issuer, subject) in [("https://i.example:8443/a:b", "ada-1"), ("i", "a:b"), ("", "")] {
            let principal = Principal::subject_of(issuer, subject);
            assert_eq!(caller_subject(&account("far", &principal)), Some(subject), "{principal}");
        }
        let named = account("far", &Principal::named("robot"));
        for other in ["work", "default", &named, "\u{1}caller far subject:99:i:x", ""] {
            assert_eq!(caller_subject(other), None, "{other}");
        }
    }
}
