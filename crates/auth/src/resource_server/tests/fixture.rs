//! What signs tokens and presents them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyport_service::Authorization;
use anyport_transport::http::{Credential, CredentialError, CredentialVerifier, Scheme, Verification};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Request, request::Parts};
use jsonwebtoken::{Algorithm, EncodingKey};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use crate::crypto::sign::jwt;

pub(crate) const ISSUER: &str = "https://login.example.com/tenant";
pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";

/// A key of an issuer, or of a client that proves itself.
pub(crate) struct TestKey {
    id: String,
    key: EncodingKey,
    x: String,
}

impl TestKey {
    pub(crate) fn new(id: &str) -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        Self { id: id.to_owned(), key: EncodingKey::from_ed_der(pkcs8.as_ref()), x }
    }

    /// The public key.
    pub(crate) fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": self.x, "kid": self.id })
    }

    /// A token with this header, whose `alg` and `kid` are added if it has none.
    pub(crate) fn sign_with(&self, mut header: Value, claims: &Value) -> String {
        for (name, value) in [("alg", json!("EdDSA")), ("kid", json!(self.id))] {
            if header.get(name).is_none() {
                header[name] = value;
            }
        }
        jwt(&header, claims, Algorithm::EdDSA, &self.key).unwrap()
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(json!({ "typ": "at+jwt" }), claims)
    }
}

/// A key set.
pub(crate) fn key_set(keys: &[&TestKey]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a good token, with `changes`; `null` takes one away.
pub(crate) fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "iat": now(), "exp": now() + 600, "scope": "read",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub(crate) fn head() -> Parts {
    Request::post("/mcp").body(()).unwrap().into_parts().0
}

pub(crate) fn bearer(token: &str) -> Credential {
    Credential::new(Scheme::Bearer, token)
}

/// The result of what needs nothing to be fetched.
#[track_caller]
pub(crate) fn ready(verification: Verification) -> Result<Authorization, CredentialError> {
    match verification {
        Verification::Ready(result) => result,
        Verification::Pending(_) => panic!("it waits for something"),
    }
}

/// Presents `token` for [`RESOURCE`].
#[track_caller]
pub(crate) fn present(
    verifier: &impl CredentialVerifier,
    token: &str,
) -> Result<Authorization, CredentialError> {
    ready(verifier.verify(&bearer(token), &head(), RESOURCE))
}

/// The text of a refusal.
#[track_caller]
pub(crate) fn refusal(result: Result<Authorization, CredentialError>) -> String {
    match result {
        Err(CredentialError::Invalid(why) | CredentialError::InvalidProof(why)) => why.into_owned(),
        other => panic!("{other:?}"),
    }
}

/// The result, whatever it waits for.
pub(crate) async fn result(verification: Verification) -> Result<Authorization, CredentialError> {
    match verification {
        Verification::Ready(result) => result,
        Verification::Pending(result) => result.await,
    }
}

/// Presents `token` for [`RESOURCE`], and waits.
pub(crate) async fn present_late(
    verifier: &impl CredentialVerifier,
    token: &str,
) -> Result<Authorization, CredentialError> {
    result(verifier.verify(&bearer(token), &head(), RESOURCE)).await
}

/// After which time a request may be repeated, where that is the answer.
#[track_caller]
pub(crate) fn retry_after(result: Result<Authorization, CredentialError>) -> Duration {
    match result {
        Err(CredentialError::Unavailable { retry_after, .. }) => retry_after,
        other => panic!("{other:?}"),
    }
}
