//! Tokens that are signed with a secret of our own.

use std::time::Duration;

use anyport_transport::http::CredentialVerifier as _;
use jsonwebtoken::{Algorithm as Jwa, EncodingKey};
use serde_json::{Value, json};

use super::fixture::{ISSUER, RESOURCE, TestKey, claims, key_set, now, present, refusal};
use crate::{
    crypto::sign::jwt,
    resource_server::{ConfigError, Jwt, SHARED_SECRET_ISSUER, SharedSecretJwt, Verifiers},
};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn sign(claims: &Value) -> String {
    jwt(&json!({ "alg": "HS256", "typ": "JWT" }), claims, Jwa::HS256, &EncodingKey::from_secret(SECRET))
        .unwrap()
}

#[test]
fn a_token_of_the_note_is_accepted() {
    let verifier = SharedSecretJwt::new(SECRET).unwrap();
    let token =
        sign(&json!({ "user_id": "alice", "permissions": ["data:read"], "iat": now(), "exp": now() + 3600 }));
    let authorization = present(&verifier, &token).unwrap();
    assert_eq!(authorization.principal().issuer(), Some(SHARED_SECRET_ISSUER));
    assert_eq!(authorization.principal().subject(), Some("alice"));
    assert!(authorization.allows("data:read") && !authorization.allows("data:write"));
    let number = present(&verifier, &sign(&json!({ "user_id": 7, "exp": now() + 3600 }))).unwrap();
    assert_eq!(number.principal().subject(), Some("7"));
}

#[test]
fn what_it_issues_it_accepts() {
    let verifier =
        SharedSecretJwt::new(SECRET).unwrap().issuer("us").audience("notes").includes("write", ["read"]);
    let token = verifier.issue("alice", &["write".into()], Duration::from_secs(3600));
    let authorization = present(&verifier, token.expose()).unwrap();
    assert_eq!((authorization.principal().issuer(), authorization.allows("read")), (Some("us"), true));
}

#[test]
fn a_secret_that_can_be_guessed_is_refused() {
    assert_eq!(SharedSecretJwt::new(&SECRET[..31]).unwrap_err(), ConfigError::WeakSecret(31));
}

#[test]
fn what_a_token_names_must_be_right() {
    let verifier = SharedSecretJwt::new(SECRET).unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = json!({ "user_id": "alice", "exp": now() + 60 });
        claims[name] = value;
        present(&verifier, &sign(&claims))
    };
    assert!(with("aud", json!(RESOURCE)).is_ok() && with("sub", json!("bob")).is_ok());
    for (name, value, why) in [
        ("aud", json!("https://other.example"), "not for this server"),
        ("iss", json!(ISSUER), "another issuer"),
        ("exp", Value::Null, "no end"),
        ("exp", json!(now() - 65), "expired"),
        ("user_id", json!(""), "no user"),
        ("cnf", json!({ "jkt": "x" }), "cnf"),
        ("at_hash", json!("x"), "no access token"),
    ] {
        let refused = refusal(with(name, value));
        assert!(refused.contains(why), "{name}: {refused}");
    }
    let other = jwt(
        &json!({ "alg": "HS256" }),
        &json!({ "user_id": "a", "exp": now() + 60 }),
        Jwa::HS256,
        &EncodingKey::from_secret(b"other"),
    );
    assert!(refusal(present(&verifier, &other.unwrap())).contains("signature"));
    let stronger = jwt(
        &json!({ "alg": "HS512" }),
        &json!({ "user_id": "a", "exp": now() + 60 }),
        Jwa::HS512,
        &EncodingKey::from_secret(SECRET),
    );
    assert!(refusal(present(&verifier, &stronger.unwrap())).contains("HS256"));
}

/// Invariant: A token has one verifier, and no other is tried.
#[test]
fn a_token_has_one_verifier() {
    let (first, second) = (TestKey::new("1"), TestKey::new("2"));
    let of = |issuer: &str, key: &TestKey| Jwt::keys(issuer, &key_set(&[key])).unwrap();
    let verifiers =
        Verifiers::new().jwt(of(ISSUER, &first)).unwrap().jwt(of("https://second.example", &second)).unwrap();
    let verifiers = verifiers.shared_secret(SharedSecretJwt::new(SECRET).unwrap()).unwrap();
    assert_eq!(verifiers.authorization_servers(), [ISSUER, "https://second.example"]);
    present(&verifiers, &first.sign(&claims(json!({})))).unwrap();
    present(&verifiers, &second.sign(&claims(json!({ "iss": "https://second.example" })))).unwrap();
    present(&verifiers, &sign(&json!({ "user_id": "alice", "exp": now() + 60 }))).unwrap();
    for token in [
        second.sign(&claims(json!({}))),
        first.sign(&claims(json!({ "iss": "https://second.example" }))),
        first.sign(&claims(json!({ "iss": "https://third.example" }))),
        first.sign(&claims(json!({ "iss": null }))),
        sign(&claims(json!({ "user_id": "alice" }))),
        "opaque".to_owned(),
    ] {
        refusal(present(&verifiers, &token));
    }
    assert_eq!(
        Verifiers::new().jwt(of(ISSUER, &first)).unwrap().jwt(of(ISSUER, &second)).unwrap_err(),
        ConfigError::Twice(ISSUER.into())
    );
}
