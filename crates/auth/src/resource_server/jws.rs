//! A token in the compact form of JWS (RFC 7515, section 7.1), before anything in it is believed.

use anyport_transport::http::CredentialError;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, Header, crypto, decode_header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{limits::VerifierLimits, refusal::invalid};

/// A token whose signature was not verified yet.
pub(super) struct UnverifiedToken<'a> {
    /// The header. What it says about keys (`jku`, `jwk`, `x5u`, `x5c`) is never used, except for the `jwk` of a proof.
    pub(super) header: Header,
    /// Header and payload, which the signature is over.
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> UnverifiedToken<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// If it is too long, has not this form, or uses an algorithm or extension that is not known. The algorithm `none` is none.
    pub(super) fn parse(token: &'a str, limits: &VerifierLimits) -> Result<Self, CredentialError> {
        if token.len() > limits.max_token {
            return Err(invalid("the token is longer than is read (max_token)"));
        }
        let (message, payload, signature) = parts(token).ok_or(invalid("the token is no signed JWT"))?;
        let header = decode_header(token)
            .map_err(|_| invalid("the token's header cannot be read, or its algorithm is not supported"))?;
        // RFC 7515, section 4.1.11: "If any of the listed extension Header Parameters are not understood and supported by the
        // recipient, then the JWS is invalid." None is.
        if header.crit.is_some() {
            return Err(invalid(
                "the token's header has critical extensions (crit), which are not supported",
            ));
        }
        if header.kid.as_ref().is_some_and(|kid| kid.len() > limits.max_key_id) {
            return Err(invalid("the token's key id is longer than is read (max_key_id)"));
        }
        Ok(Self { header, message, payload, signature })
    }

    /// What the payload claims, unverified.
    pub(super) fn claims<T: DeserializeOwned>(&self) -> Result<T, CredentialError> {
        read(self.payload).ok_or(invalid("the token's claims cannot be read"))
    }

    /// The header with all its members.
    pub(super) fn raw_header(&self) -> Option<Value> {
        read(self.message.split('.').next()?)
    }

    /// Whether `key` made the signature by the header's algorithm.
    pub(super) fn is_signed_by(&self, key: &DecodingKey) -> bool {
        crypto::verify(self.signature, self.message.as_bytes(), key, self.header.alg).unwrap_or(false)
    }
}

/// The issuer that a token claims to be of, if it has the form of a signed token. Nothing of it is verified.
pub(crate) fn claimed_issuer(token: &str) -> Option<Option<String>> {
    #[derive(serde::Deserialize)]
    struct Claimed {
        iss: Option<String>,
    }
    let (_, payload, _) = parts(token)?;
    Some(read::<Claimed>(payload).and_then(|claimed| claimed.iss))
}

/// What the signature is over, the payload, and the signature.
fn parts(token: &str) -> Option<(&str, &str, &str)> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let is_base64 = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // A header is a JSON object, so it begins like this. An opaque token with two dots rarely does.
    let is_jws = header.starts_with('e')
        && is_base64(header)
        && is_base64(payload)
        && (signature.is_empty() || is_base64(signature));
    is_jws.then_some((message, payload, signature))
}

fn read<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
