//! Checks of values that several sections have.

/// Whether secrets may be sent to a URL: it begins with `https:`, or is on this machine.
pub(super) fn is_safe_url(url: &str) -> bool {
    let is_local = ["http://127.0.0.1", "http://localhost", "http://[::1]"].iter().any(|local| {
        url.strip_prefix(local).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    is_local || url.starts_with("https://")
}

/// Checks that these are scopes (RFC 6749, section 3.3).
pub(super) fn check_scopes(scopes: &[String]) -> Result<(), String> {
    let is_scope = |scope: &&String| {
        !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
    };
    match scopes.iter().find(|scope| !is_scope(scope)) {
        Some(scope) => {
            Err(format!("{scope:?} is no scope: visible ASCII without spaces, quotes and backslashes"))
        }
        None => Ok(()),
    }
}
