//! Tokens that are bound to a key: proofs of possession (RFC 9449).

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{crypto::sign::jwt, error::Error, pkce::random, secret::Secret};

/// The key that a token is bound to, of the curve P-256. It is kept in the sealed record of the credential.
#[derive(Clone)]
pub struct ProofKey {
    /// In PKCS#8 and base64url.
    stored: Secret,
    key: EncodingKey,
    /// The public part, as a JSON Web Key.
    public: Value,
}

/// The algorithm of proofs. RFC 9449 names none; every server that is known supports this one.
pub(crate) const ALGORITHM: &str = "ES256";

impl ProofKey {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn random() -> Result<Self, Error> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let document = document.map_err(|_| Error::NoRandomness)?;
        Self::from_pkcs8(document.as_ref()).ok_or(Error::NoRandomness)
    }

    fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new()).ok()?;
        // SEC 1 §2.3.3: an octet that says that both coordinates follow, and these.
        let [4, point @ ..] = pair.public_key().as_ref() else { return None };
        let (x, y) = point.split_at_checked(COORDINATE)?;
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Some(Self {
            stored: Secret::new(encoded(der)),
            key: EncodingKey::from_ec_der(der),
            public: json!({ "kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y) }),
        })
    }

    /// The proof of one request: that who sends it has the key. `token` is the access token that the request carries.
    ///
    /// RFC 9449 §4.2: `jti` is "unique", `htm` "the value of the HTTP method", `htu` "the HTTP target URI [...] of the request to
    /// which the JWT is attached, without query and fragment parts"; with an access token, `ath` is the "hash of the access
    /// token".
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn proof(
        &self,
        method: &str,
        url: &str,
        token: Option<&Secret>,
        nonce: Option<&str>,
        now: SystemTime,
    ) -> Result<HeaderValue, Error> {
        let header = json!({ "typ": "dpop+jwt", "alg": ALGORITHM, "jwk": self.public });
        let mut claims = json!({
            "jti": random()?.expose(),
            "htm": method,
            "htu": target(url),
            "iat": now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        });
        if let Some(token) = token {
            claims["ath"] = URL_SAFE_NO_PAD.encode(Sha256::digest(token.expose().as_bytes())).into();
        }
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        let proof = jwt(&header, &claims, Algorithm::ES256, &self.key).map_err(|_| Error::NoRandomness)?;
        // Base64 and points are what a header can hold.
        let mut value = HeaderValue::try_from(proof).map_err(|_| Error::NoRandomness)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// The bytes of a coordinate.
const COORDINATE: usize = 32;

/// `url` without its query and fragment.
fn target(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            url.into()
        }
        Err(_) => url.to_owned(),
    }
}

impl PartialEq for ProofKey {
    fn eq(&self, other: &Self) -> bool {
        self.stored == other.stored
    }
}

impl Eq for ProofKey {}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Serialize for ProofKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ProofKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Secret::deserialize(deserializer)?;
        let der = URL_SAFE_NO_PAD.decode(stored.expose()).ok();
        der.and_then(|der| Self::from_pkcs8(&der))
            .ok_or_else(|| D::Error::custom("no key of the curve P-256"))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn parts(proof: &HeaderValue) -> (Value, Value, String, Vec<u8>) {
        let text = proof.to_str().unwrap();
        let (message, signature) = text.rsplit_once('.').unwrap();
        let (header, claims) = message.split_once('.').unwrap();
        let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        (read(header), read(claims), message.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap())
    }

    #[test]
    fn a_proof_is_of_one_request_and_can_be_verified() {
        let (key, token) = (ProofKey::random().unwrap(), Secret::new("token"));
        let proof = |nonce| {
            let url = "https://a.example/mcp?q=1#f";
            key.proof("POST", url, Some(&token), nonce, UNIX_EPOCH).unwrap()
        };
        let (header, claims, message, signature) = parts(&proof(None));
        assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
        assert!(header["jwk"].get("d").is_none(), "the private key stays here");
        assert_eq!(claims["htu"], "https://a.example/mcp");
        assert_eq!(claims["ath"], URL_SAFE_NO_PAD.encode(Sha256::digest("token")));
        assert_eq!((&claims["htm"], &claims["iat"], claims.get("nonce")), (&json!("POST"), &json!(0), None));
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(header["jwk"][name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(message.as_bytes(), &signature)
            .unwrap();
        let (_, other, ..) = parts(&proof(Some("n")));
        assert_eq!(other["nonce"], "n");
        assert_ne!(other["jti"], claims["jti"]);
    }

    #[test]
    fn a_stored_key_is_the_same_key_and_is_not_shown() {
        let key = ProofKey::random().unwrap();
        let stored = serde_json::to_string(&key).unwrap();
        let read: ProofKey = serde_json::from_str(&stored).unwrap();
        assert_eq!((&read, &read.public), (&key, &key.public));
        assert!(!format!("{key:?}").contains(key.stored.expose()));
        assert!(serde_json::from_str::<ProofKey>("\"AAAA\"").is_err());
    }
}
