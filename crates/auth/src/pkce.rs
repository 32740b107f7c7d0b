//! Proof that the client which redeems a code is the one that asked for it (RFC 7636), and other random values.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{error::Error, secret::Secret};

/// The verifier of one login.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verifier(Secret);

impl Verifier {
    /// A new one, of 256 random bits.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn random() -> Result<Self, Error> {
        Ok(Self(random()?))
    }

    /// What is sent with the code.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// What is sent before, from which nobody learns the verifier.
    ///
    /// 2026-07-28, security-considerations §Authorization Code Protection: "MCP clients **MUST** use the `S256` code challenge
    /// method when technically capable".
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.expose().as_bytes()))
    }
}

/// Whether `verifier` is the one that `challenge` (`S256`) was made of.
///
/// RFC 7636 §4.6: "BASE64URL-ENCODE(SHA256(ASCII(code_verifier))) == code_challenge".
pub(crate) fn is_verifier_of(verifier: &Secret, challenge: &str) -> bool {
    // §4.1: "with a minimum length of 43 characters and a maximum length of 128 characters".
    let text = verifier.expose();
    let is_verifier = (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    is_verifier && Verifier(verifier.clone()).challenge().as_bytes().ct_eq(challenge.as_bytes()).into()
}

/// 256 random bits as text, which no URL and no header has to escape.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn random() -> Result<Secret, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let verifier = Verifier(Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert_eq!(verifier.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn each_verifier_is_new_and_long_enough() {
        let (one, other) = (Verifier::random().unwrap(), Verifier::random().unwrap());
        assert_ne!(one.secret().expose(), other.secret().expose());
        assert_eq!(one.secret().expose().len(), 43);
        assert!(!format!("{one:?}").contains(one.secret().expose()));
    }
}
