//! Tokens as text: opaque to everybody else, and made of the id of a record and a secret of 256 bits.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER;
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use subtle::ConstantTimeEq as _;

use super::error::ServerError;
use crate::secret::Secret;

/// What a token is for. Its first letters say so, so that none is taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// An authorization code.
    Code,
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
    /// The next step of an interaction with a browser.
    Interaction,
}

/// The bytes of an id.
const ID: usize = 16;
/// The letters of a secret of 32 bytes in Base64.
const SECRET: usize = 43;

impl TokenKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Code => "apc_",
            Self::Access => "apa_",
            Self::Refresh => "apr_",
            Self::Interaction => "api_",
        }
    }

    /// A new token for the record `id`.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn random(self, id: &str) -> Result<Secret, ServerError> {
        Ok(self.text(id, &random_bytes::<32>()?))
    }

    /// The token that follows `token` of the same record: the same one whenever it is made of the same `salt`. It can be made
    /// only by someone who has both.
    pub(crate) fn derived(self, id: &str, token: &str, salt: &str) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes());
        let mut context = hmac::Context::with_key(&key);
        context.update(self.prefix().as_bytes());
        context.update(token.as_bytes());
        self.text(id, context.sign().as_ref())
    }

    fn text(self, id: &str, secret: &[u8]) -> Secret {
        Secret::new(format!("{}{id}_{}", self.prefix(), URL_SAFE_NO_PAD.encode(secret)))
    }

    /// The id of the record of a token that has the form of this kind.
    pub(crate) fn id(self, token: &str) -> Option<&str> {
        let (id, secret) = token.strip_prefix(self.prefix())?.split_at_checked(2 * ID)?;
        let is_id = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (is_id && secret.strip_prefix('_')?.len() == SECRET).then_some(id)
    }
}

/// A new id of a record.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn random_id() -> Result<String, ServerError> {
    Ok(HEXLOWER.encode(&random_bytes::<ID>()?))
}

/// 256 random bits as text.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn random_text() -> Result<Secret, ServerError> {
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?)))
}

fn random_bytes<const N: usize>() -> Result<[u8; N], ServerError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| ServerError::NoRandomness)?;
    Ok(bytes)
}

/// What is stored of a token: its SHA-256. A token is random, so that its hash needs no salt and no work.
pub(crate) fn hash(token: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, token.as_bytes()).as_ref())
}

/// Whether `token` has this hash, in constant time.
pub(crate) fn has_hash(token: &str, stored: &str) -> bool {
    hash(token).as_bytes().ct_eq(stored.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_record_and_its_kind_alone() {
        let id = random_id().unwrap();
        let token = TokenKind::Access.random(&id).unwrap();
        assert_eq!(TokenKind::Access.id(token.expose()), Some(id.as_str()));
        assert_eq!(TokenKind::Refresh.id(token.expose()), None);
        for bad in ["", "apa_", "apa_ä", &token.expose()[..70], &format!("{}x", token.expose())] {
            assert_eq!(TokenKind::Access.id(bad), None, "{bad}");
        }
        assert!(has_hash(token.expose(), &hash(token.expose())) && !has_hash("other", &hash(token.expose())));
    }

    #[test]
    fn a_derived_token_is_the_same_again_and_takes_both_halves() {
        let derived = |token, salt| TokenKind::Refresh.derived("0".repeat(32).as_str(), token, salt);
        assert_eq!(derived("a", "s"), derived("a", "s"));
        assert_ne!(derived("a", "s"), derived("b", "s"));
        assert_ne!(derived("a", "s"), derived("a", "t"));
        assert_ne!(
            derived("a", "s").expose()[4..],
            TokenKind::Access.derived(&"0".repeat(32), "a", "s").expose()[4..]
        );
    }
}
