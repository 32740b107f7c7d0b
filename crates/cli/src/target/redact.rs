use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt,
    path::Path,
    sync::{Mutex, PoisonError, RwLock},
};

use anyport_guards::Mask;
use serde_json::Value;

/// A value that may be a secret: no log and no message shows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretValue(pub(crate) String);

impl SecretValue {
    /// Hides `value`, also where others repeat it: see [`redacted`].
    pub(crate) fn new(value: String) -> Self {
        // The scheme before a token is no secret, and is not always repeated with it.
        for secret in [value.as_str(), value.rsplit(' ').next().unwrap_or_default()] {
            let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner).iter().any(|one| one == secret);
            if !known && is_worth_hiding(secret) {
                KNOWN.write().unwrap_or_else(PoisonError::into_inner).push(secret.to_owned());
            }
        }
        Self(value)
    }
}

/// Hides the tokens of a login, and those that it had before for as long as they may still be repeated. Each renewal brings new ones.
#[derive(Default)]
pub(crate) struct HiddenTokens(Mutex<VecDeque<String>>);

impl HiddenTokens {
    /// The most secrets that stay hidden.
    const KEPT: usize = 12;

    /// Hides `secrets` from now on.
    pub(crate) fn hide<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) {
        let mut hidden = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets {
            // One that is still in use counts as new.
            hidden.retain(|one| one != secret);
            hidden.push_back(SecretValue::new(secret.to_owned()).0);
        }
        while hidden.len() > Self::KEPT {
            let oldest = hidden.pop_front();
            KNOWN.write().unwrap_or_else(PoisonError::into_inner).retain(|one| Some(one) != oldest.as_ref());
        }
    }

    /// Hides none of them any longer.
    pub(crate) fn release(&self) {
        let hidden = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        KNOWN.write().unwrap_or_else(PoisonError::into_inner).retain(|one| !hidden.contains(one));
    }
}

/// Hides secrets for as long as this is there: the callers of a gateway come and go.
#[derive(Default)]
pub(crate) struct HiddenWhileUsed(HiddenTokens);

impl HiddenWhileUsed {
    /// Hides `secrets` from now on.
    pub(crate) fn hide<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) {
        self.0.hide(secrets);
    }
}

impl Drop for HiddenWhileUsed {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(COVER)
    }
}

/// The redacted values, a whole before its parts. A server may repeat a request in an error, and a program its
/// environment on its standard error: so all output goes through [`redacted`].
static KNOWN: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Stands for what is hidden.
pub(crate) const COVER: &str = "<hidden>";

/// Shorter values are words such as `true` that stand everywhere; and everybody may know a path.
const SHORTEST: usize = 8;

fn is_worth_hiding(value: &str) -> bool {
    value.len() >= SHORTEST && !Path::new(value).exists()
}

/// What is covered in logs beside secrets.
static LOG_MASK: RwLock<Option<Mask>> = RwLock::new(None);

/// Covers data in the log from now on, as `mask` says.
pub(crate) fn set_log_mask(mask: Option<Mask>) {
    *LOG_MASK.write().unwrap_or_else(PoisonError::into_inner) = mask;
}

/// A text of the log without anything that was hidden, and with the data of the log's mask covered.
pub(crate) fn redacted_for_log(text: &str) -> Cow<'_, str> {
    let text = redacted(text);
    let mask = LOG_MASK.read().unwrap_or_else(PoisonError::into_inner);
    match mask.as_ref().map(|mask| mask.text(&text).into_owned()) {
        Some(covered) if covered != *text => Cow::Owned(covered),
        _ => text,
    }
}

/// `text` without anything that was hidden.
pub(crate) fn redacted(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for secret in KNOWN.read().unwrap_or_else(PoisonError::into_inner).iter() {
        if text.contains(secret) {
            text = Cow::Owned(text.replace(secret, COVER));
        }
    }
    text
}

/// The same in every text of a value.
pub(crate) fn redact_json(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(other) = redacted(text) {
                *text = other;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(redact_json),
        Value::Object(object) => object.values_mut().for_each(redact_json),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Invariant: What was given to reach a server appears in no error, log or recording, even if the server
    /// repeats it.
    #[test]
    fn what_is_hidden_is_covered_wherever_it_stands() {
        let token = SecretValue::new("Bearer hidden-token-1".into());
        SecretValue::new("true".into());
        SecretValue::new(env!("CARGO_MANIFEST_DIR").into());
        assert_eq!(format!("{token:?}"), "<hidden>");
        assert_eq!(redacted("bad: Bearer hidden-token-1!"), "bad: <hidden>!");
        assert_eq!(redacted("hidden-token-1 is true"), "<hidden> is true");
        assert_eq!(redacted(env!("CARGO_MANIFEST_DIR")), env!("CARGO_MANIFEST_DIR"));
        let mut value = json!({"a": ["x hidden-token-1", 1]});
        redact_json(&mut value);
        assert_eq!(value, json!({"a": ["x <hidden>", 1]}));
    }

    #[test]
    fn tokens_are_hidden_until_many_others_have_followed() {
        let tokens = HiddenTokens::default();
        let token = |number: usize| format!("token-of-the-test-{number:02}");
        for number in 0..=HiddenTokens::KEPT {
            tokens.hide([token(number).as_str(), token(number).as_str()]);
        }
        assert_eq!(redacted(&token(0)), token(0), "it has ended long since");
        assert!((1..=HiddenTokens::KEPT).all(|number| redacted(&token(number)) == COVER));
    }
}
