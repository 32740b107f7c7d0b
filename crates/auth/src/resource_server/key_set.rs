//! The public keys of an issuer (RFC 7517).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse, ThumbprintHash},
};
use serde::Deserialize;
use serde_json::Value;

use super::{algorithm, algorithm::Algorithm};

/// The keys with which an issuer may have signed.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Arc<VerificationKey>>,
}

/// One key of an issuer.
#[derive(Debug)]
pub(super) struct VerificationKey {
    id: Option<String>,
    /// What the key is, so that it is recognised in the next key set.
    thumbprint: String,
    algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
    is_current: AtomicBool,
}

impl KeySet {
    /// Reads a key set. Keys that do not verify signatures, or not by a known algorithm, are left out: an issuer may have others.
    ///
    /// # Errors
    /// If it is no key set.
    pub(super) fn parse(document: &[u8], max_keys: usize) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let Document { keys } = serde_json::from_slice(document).map_err(|error| error.to_string())?;
        if keys.len() > max_keys {
            tracing::warn!(
                found = keys.len(),
                max_keys,
                "a key set has too many keys (max_keys): the first are used"
            );
        }
        let usable = keys.into_iter().take(max_keys).filter_map(VerificationKey::read);
        Ok(Self { keys: usable.map(Arc::new).collect() })
    }

    /// The keys that may have signed a token with this header.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &Arc<VerificationKey>> {
        let fits = move |key: &&Arc<VerificationKey>| {
            key.algorithms.contains(&algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id))
        };
        self.keys.iter().filter(fits)
    }

    /// This set after `older`: the keys that are in both stay what they were, so that tokens which they have verified stay
    /// verified; the others of `older` are current no more.
    pub(super) fn succeed(mut self, older: &Self) -> Self {
        for key in &mut self.keys {
            if let Some(known) = older.keys.iter().find(|known| known.is_same(key)) {
                *key = known.clone();
            }
        }
        for known in &older.keys {
            let stays = self.keys.iter().any(|key| key.is_same(known));
            known.is_current.store(stays, Ordering::Release);
        }
        self
    }
}

impl VerificationKey {
    fn read(jwk: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let is_for_signatures = match &jwk.common.public_key_use {
            Some(used) => *used == PublicKeyUse::Signature,
            None => jwk.common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify)),
        };
        let algorithms = algorithms_of(&jwk);
        if !is_for_signatures || algorithms.is_empty() {
            return None;
        }
        Some(Self {
            id: jwk.common.key_id.clone(),
            thumbprint: jwk.thumbprint(ThumbprintHash::SHA256).ok()?,
            algorithms,
            key: DecodingKey::from_jwk(&jwk).ok()?,
            is_current: AtomicBool::new(true),
        })
    }

    /// Whether it is still in its issuer's key set.
    pub(super) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Acquire)
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.id, &self.thumbprint, &self.algorithms) == (&other.id, &other.thumbprint, &other.algorithms)
    }
}

/// The algorithms by which a public key verifies: those of its kind, or the one that it names. A secret (`oct`) is published by
/// nobody who knows what he does, and never used.
pub(super) fn algorithms_of(jwk: &Jwk) -> Vec<Algorithm> {
    let of_kind: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[Algorithm::Es256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[Algorithm::Es384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDsa],
        AlgorithmParameters::RSA(_) => algorithm::RSA,
        _ => &[],
    };
    let is_named = |algorithm: &&Algorithm| {
        jwk.common.key_algorithm.is_none_or(|named| named.to_string() == algorithm.name())
    };
    of_kind.iter().filter(is_named).copied().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::verify::install;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn parse(keys: &Value) -> KeySet {
        install();
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), 100).unwrap()
    }

    #[test]
    fn keys_that_verify_no_signature_are_left_out() {
        let set = parse(&json!([
            { "kty": "OKP", "crv": "Ed25519", "x": X, "kid": "good" },
            { "kty": "OKP", "crv": "Ed25519", "x": X, "kid": "encrypts", "use": "enc" },
            { "kty": "OKP", "crv": "Ed25519", "x": X, "kid": "signs", "key_ops": ["sign"] },
            { "kty": "oct", "k": "c2VjcmV0", "kid": "secret" },
            { "kty": "AKP", "alg": "ML-DSA-44", "kid": "future" },
            { "kty": "OKP", "crv": "Ed25519", "x": X, "kid": "other", "alg": "RS256" },
            "nonsense",
        ]));
        let ids: Vec<_> = set.keys.iter().map(|key| key.id.as_deref().unwrap()).collect();
        assert_eq!(ids, ["good"]);
        assert_eq!(set.find(Some("good"), Algorithm::EdDsa).count(), 1);
        assert_eq!(set.find(Some("good"), Algorithm::Es256).count(), 0);
        assert_eq!(set.find(Some("other"), Algorithm::EdDsa).count(), 0);
        assert_eq!(set.find(None, Algorithm::EdDsa).count(), 1);
    }

    /// Limit: max_keys.
    #[test]
    fn more_than_max_keys_are_not_read() {
        let key = |id: usize| json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "kid": id.to_string() });
        let keys: Vec<Value> = (0..5).map(key).collect();
        install();
        let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), 3).unwrap();
        assert_eq!(set.keys.len(), 3);
        assert!(KeySet::parse(b"[]", 3).is_err() && KeySet::parse(b"{}", 3).is_err());
    }

    #[test]
    fn a_key_is_current_while_it_is_in_the_set() {
        let of = |ids: &[&str]| {
            let key = |id: &&str| json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "kid": id });
            parse(&Value::Array(ids.iter().map(key).collect()))
        };
        let first = of(&["a", "b"]);
        let (a, b) = (first.keys[0].clone(), first.keys[1].clone());
        let second = of(&["b", "c"]).succeed(&first);
        assert!(!a.is_current() && b.is_current());
        assert!(Arc::ptr_eq(&second.keys[0], &b));
    }
}
