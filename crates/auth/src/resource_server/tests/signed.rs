//! Signatures, headers, and the claims that say for whom and how long a token is.

use std::time::Duration;

use anyport_transport::http::CredentialVerifier as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm as Jwa, EncodingKey};
use serde_json::{Value, json};

use super::fixture::{
    ISSUER, RESOURCE, TestKey, bearer, claims, head, key_set, now, present, ready, refusal,
};
use crate::{
    crypto::sign::jwt,
    resource_server::{Algorithm, Jwt, VerifierLimits},
};

fn verifier(key: &TestKey) -> Jwt {
    Jwt::keys(ISSUER, &key_set(&[key])).unwrap()
}

#[test]
fn a_good_token_says_who_calls_and_what_he_may() {
    let key = TestKey::new("1");
    let verifier = verifier(&key).includes("write", ["read"]).includes("admin", ["write"]);
    let token =
        key.sign(&claims(json!({ "scope": "a b", "scp": ["c"], "permissions": ["admin"], "roles": "d" })));
    for _ in 0..2 {
        let authorization = present(&verifier, &token).unwrap();
        assert_eq!(
            (authorization.principal().issuer(), authorization.principal().subject()),
            (Some(ISSUER), Some("alice"))
        );
        let scopes: Vec<_> = authorization.scopes().unwrap().collect();
        assert_eq!(scopes, ["a", "admin", "b", "c", "d", "read", "write"]);
        assert!(authorization.expires().is_some());
    }
}

#[test]
fn a_token_without_scopes_may_nothing() {
    let key = TestKey::new("1");
    let authorization = present(&verifier(&key), &key.sign(&claims(json!({ "scope": null })))).unwrap();
    assert_eq!(authorization.scopes().unwrap().count(), 0);
    assert!(!authorization.allows("read"));
}

/// Invariant: A token is for the server that it names, by the issuer that it names, and for no other.
#[test]
fn issuer_and_audience_are_compared_byte_for_byte() {
    let key = TestKey::new("1");
    let verifier = verifier(&key).audience("api://notes");
    let check = |changes: Value| present(&verifier, &key.sign(&claims(changes)));
    for good in
        [json!({}), json!({ "aud": "api://notes" }), json!({ "aud": ["https://other.example", RESOURCE] })]
    {
        check(good).unwrap();
    }
    for (changes, why) in [
        (json!({ "iss": format!("{ISSUER}/") }), "another issuer"),
        (json!({ "iss": "https://LOGIN.example.com/tenant" }), "another issuer"),
        (json!({ "iss": null }), "another issuer"),
        (json!({ "iss": [ISSUER] }), "claims cannot be read"),
        (json!({ "aud": null }), "not for this server"),
        (json!({ "aud": [] }), "not for this server"),
        (json!({ "aud": format!("{RESOURCE}/") }), "not for this server"),
        (json!({ "aud": "https://mcp.example.com" }), "not for this server"),
        (json!({ "aud": "https://mcp.example.com/mcp/other" }), "not for this server"),
        (json!({ "aud": [7] }), "claims cannot be read"),
        (json!({ "sub": null }), "no subject"),
        (json!({ "sub": "" }), "no subject"),
    ] {
        let refused = refusal(check(changes.clone()));
        assert!(refused.contains(why), "{changes}: {refused}");
    }
}

/// Invariant: A token is for the server that it names, by the issuer that it names, and for no other.
#[test]
fn a_cached_token_is_for_its_resource_alone() {
    let key = TestKey::new("1");
    let verifier = verifier(&key);
    let token = key.sign(&claims(json!({})));
    present(&verifier, &token).unwrap();
    let elsewhere = ready(verifier.verify(&bearer(&token), &head(), "https://mcp.example.com/other"));
    assert!(refusal(elsewhere).contains("not for this server"));
}

/// Limit: clock_leeway.
#[test]
fn clocks_may_differ_by_a_minute_and_no_more() {
    let key = TestKey::new("1");
    let verifier = verifier(&key);
    let now = now();
    for (changes, is_good) in [
        (json!({ "exp": now - 55 }), true),
        (json!({ "exp": now - 65 }), false),
        (json!({ "nbf": now + 55 }), true),
        (json!({ "nbf": now + 65 }), false),
        (json!({ "iat": now + 55 }), true),
        (json!({ "iat": now + 65 }), false),
        (json!({ "exp": null }), false),
        (json!({ "exp": -1 }), false),
        (json!({ "exp": now as f64 + 0.5 }), true),
        (json!({ "exp": 1e300 }), true),
        (json!({ "exp": "tomorrow" }), false),
    ] {
        let checked = present(&verifier, &key.sign(&claims(changes.clone())));
        assert_eq!(checked.is_ok(), is_good, "{changes}");
    }
    let strict = super::super::Jwt::keys(ISSUER, &key_set(&[&key])).unwrap().leeway(Duration::ZERO);
    assert!(refusal(present(&strict, &key.sign(&claims(json!({ "exp": now - 5 }))))).contains("expired"));
}

/// Invariant: A token is verified by a key of its issuer alone, whatever it says of keys and algorithms itself.
#[test]
fn headers_of_attackers_are_refused() {
    let (key, other) = (TestKey::new("1"), TestKey::new("1"));
    let verifier = verifier(&key);
    let good = claims(json!({}));
    let unsigned = |header: Value, signature: &str| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", part(&header), part(&good))
    };
    // The public key is known to everybody: here it is a secret.
    let public = URL_SAFE_NO_PAD.decode(key.jwk()["x"].as_str().unwrap()).unwrap();
    let mixed =
        jwt(&json!({ "alg": "HS256", "kid": "1" }), &good, Jwa::HS256, &EncodingKey::from_secret(&public));
    for (token, why) in [
        (unsigned(json!({ "alg": "none" }), ""), "algorithm"),
        (unsigned(json!({ "alg": "None", "kid": "1" }), "AAAA"), "algorithm"),
        (unsigned(json!({ "alg": "EdDSA", "kid": "1" }), ""), "signature"),
        (mixed.unwrap(), "algorithm is not allowed"),
        (other.sign(&good), "signature is wrong"),
        (other.sign_with(json!({ "jwk": other.jwk() }), &good), "signature is wrong"),
        (
            other.sign_with(json!({ "jku": "https://attacker.example/keys", "kid": "9" }), &good),
            "key is none",
        ),
        (
            other.sign_with(json!({ "x5u": "https://attacker.example/cert", "kid": "9" }), &good),
            "key is none",
        ),
        (key.sign_with(json!({ "crit": ["exp"], "exp": 1 }), &good), "crit"),
        (key.sign_with(json!({ "crit": [] }), &good), "crit"),
        (key.sign_with(json!({ "kid": "k".repeat(600) }), &good), "max_key_id"),
        (key.sign_with(json!({ "kid": "k".repeat(1 << 20) }), &good), "max_token"),
        (key.sign_with(json!({ "kid": 7 }), &good), "header cannot be read"),
        ("opaque".to_owned(), "no signed JWT"),
        ("e.e.e.e".to_owned(), "no signed JWT"),
        (format!("{} ", key.sign(&good)), "no signed JWT"),
    ] {
        let refused = refusal(present(&verifier, &token));
        assert!(refused.contains(why), "{refused}, where {why} was expected");
    }
}

#[test]
fn what_a_good_token_says_of_keys_is_never_used() {
    let key = TestKey::new("1");
    let token = key.sign_with(json!({ "jku": "https://attacker.example/keys" }), &claims(json!({})));
    present(&verifier(&key), &token).unwrap();
}

#[test]
fn a_token_without_a_key_id_is_verified_by_the_key_that_fits() {
    let (first, second) = (TestKey::new("1"), TestKey::new("2"));
    let verifier = Jwt::keys(ISSUER, &key_set(&[&first, &second])).unwrap();
    present(&verifier, &second.sign_with(json!({ "kid": null }), &claims(json!({})))).unwrap();
}

/// Limit: max_keys_tried.
#[test]
fn a_token_without_a_key_id_is_compared_with_so_many_keys() {
    let keys: Vec<TestKey> = (0..5).map(|number| TestKey::new(&number.to_string())).collect();
    let set = key_set(&keys.iter().collect::<Vec<_>>());
    let metrics = anyport_metrics::Metrics::new();
    let limited = |most| {
        let limits = VerifierLimits::default().max_keys_tried(most);
        Jwt::keys(ISSUER, &set).unwrap().limits(limits).metrics(&metrics)
    };
    let token = keys[4].sign_with(json!({ "kid": null }), &claims(json!({})));
    present(&limited(5), &token).unwrap();
    assert!(refusal(present(&limited(4), &token)).contains("max_keys_tried"));
    assert_eq!(metrics.refusals("max_keys_tried").value(), 1);
    present(&limited(4), &keys[4].sign(&claims(json!({})))).expect("it names its key");
}

#[test]
fn an_algorithm_that_is_not_allowed_is_refused_although_the_key_fits() {
    let key = TestKey::new("1");
    let verifier = verifier(&key).algorithms([Algorithm::Rs256]);
    assert!(refusal(present(&verifier, &key.sign(&claims(json!({}))))).contains("algorithm is not allowed"));
}

/// Limit: max_token.
#[test]
fn a_token_that_is_too_long_is_not_read() {
    let key = TestKey::new("1");
    let verifier = verifier(&key).limits(VerifierLimits::default().max_token(200));
    assert!(refusal(present(&verifier, &key.sign(&claims(json!({}))))).contains("max_token"));
}
