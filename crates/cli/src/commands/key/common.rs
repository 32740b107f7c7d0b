//! What the commands on keys have in common: where keys are, how one is shown, and what options mean.

use std::time::Duration;

use anyhow::Result;
use anyport_auth::resource_server::{ApiKey, ApiKeyRecords};
use anyport_service::is_scope;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use crate::commands::stored::Common;
use crate::{commands::stored::Stored, user_error::UserError};

/// The keys of a state folder.
///
/// # Errors
/// When there is no state folder.
pub(super) fn stored(common: &Common) -> Result<Stored<ApiKeyRecords>> {
    common.stored("the API keys cannot be used", ApiKeyRecords::new)
}

/// A key as a value, without the key itself.
pub(super) fn value(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "scopes": key.scopes,
        "created": time(key.created),
        "expires": key.expires.map(time),
        "lastUsed": key.last_used.map(time),
    })
}

/// Seconds since 1970 as a time that can be read.
pub(crate) fn time(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| seconds.to_string(), |timestamp| timestamp.to_string())
}

/// The scopes of `--scope`, each of which may be several between spaces.
///
/// # Errors
/// When one of them is none.
pub(crate) fn scopes(given: &[String]) -> Result<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for scope in given.iter().flat_map(|scopes| scopes.split(' ')).filter(|scope| !scope.is_empty()) {
        if !is_scope(scope) {
            let problem = format!("{scope:?} is no scope");
            return Err(UserError::usage(
                problem,
                "scopes are ASCII, without spaces, quotes and backslashes",
            ));
        }
        if !all.iter().any(|known| known == scope) {
            all.push(scope.to_owned());
        }
    }
    Ok(all)
}

/// A time as it is written in an option: a whole number with its unit.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and its unit: 45m, 12h or 90d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_with_its_unit() {
        for (text, seconds) in [("45s", 45), ("5m", 300), ("12h", 43_200), ("90d", 7_776_000)] {
            assert_eq!(lifetime(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "d", "90", "0d", "-1d", "1.5h", "9999999999d", "1µ"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }

    #[test]
    fn scopes_stand_between_spaces_and_once() {
        assert_eq!(scopes(&["a b".into(), "b  c".into()]).unwrap(), ["a", "b", "c"]);
        assert!(scopes(&["a\"b".into()]).is_err());
    }
}
