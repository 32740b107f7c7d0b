//! Tokens that their issuer has signed for something else than access.

use serde_json::json;

use super::fixture::{ISSUER, TestKey, claims, key_set, present, refusal};
use crate::resource_server::Jwt;

/// Invariant: A token of another kind is no access token, whoever signed it.
#[test]
fn tokens_of_another_type_are_refused() {
    let key = TestKey::new("1");
    let verifier = Jwt::keys(ISSUER, &key_set(&[&key])).unwrap();
    let good = claims(json!({}));
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt"] {
        present(&verifier, &key.sign_with(json!({ "typ": typ }), &good)).unwrap();
    }
    present(&verifier, &key.sign_with(json!({}), &good)).unwrap();
    for typ in ["oauth-id-jag+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "id_token+jwt", "JOSE", ""] {
        let refused = refusal(present(&verifier, &key.sign_with(json!({ "typ": typ }), &good)));
        assert!(refused.contains("typ"), "{typ}: {refused}");
    }
    let strict =
        Jwt::keys(ISSUER, &key_set(&[&key])).unwrap().types(["Application/Notes+JWT"]).untyped(false);
    present(&strict, &key.sign_with(json!({ "typ": "notes+jwt" }), &good)).unwrap();
    assert!(present(&strict, &key.sign_with(json!({}), &good)).is_err());
}

/// Invariant: A token of another kind is no access token, whoever signed it.
#[test]
fn tokens_that_are_all_typed_jwt_are_told_apart_by_their_claims() {
    let key = TestKey::new("1");
    let verifier = Jwt::keys(ISSUER, &key_set(&[&key])).unwrap();
    for (what, changes) in [
        ("ID token", json!({ "scope": null, "nonce": "n" })),
        ("ID token of a code", json!({ "at_hash": "h" })),
        ("ID token with a code", json!({ "c_hash": "h" })),
        ("ID token of Keycloak", json!({ "typ": "ID" })),
        ("refresh token of Keycloak", json!({ "typ": "Refresh" })),
        ("ID token of Cognito", json!({ "token_use": "id" })),
        ("logout token", json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } })),
    ] {
        let refused = refusal(present(&verifier, &key.sign_with(json!({ "typ": "JWT" }), &claims(changes))));
        assert!(refused.contains("no access token"), "{what}: {refused}");
    }
    for (what, changes) in [
        ("of Keycloak, of before 24", json!({ "typ": "Bearer", "nonce": "n" })),
        ("of Cognito", json!({ "token_use": "access" })),
        ("of Hydra", json!({ "token_use": "access_token" })),
        ("of Entra", json!({ "scope": null, "scp": "read", "nonce": "n" })),
    ] {
        present(&verifier, &key.sign_with(json!({ "typ": "JWT" }), &claims(changes))).expect(what);
    }
}
