//! Several verifiers, of which each token has one.

use std::sync::Arc;

use anyport_metrics::Metrics;
use anyport_seal::{Key, Sealer};
use anyport_store::{MemoryStore, Store};
use anyport_transport::http::{CredentialVerifier as _, DpopSupport, PublicUrl};
use serde_json::json;

use super::fixture::{ISSUER, TestKey, bearer, claims, key_set, present};
use crate::{
    authorization_server::{
        AuthorizationServer, AuthorizationServerLimits, AuthorizationServerSettings, BUCKETS, IssuedTokens,
        LocalUsers, Resources,
    },
    resource_server::{API_KEY_USES, API_KEYS, ApiKeys, Introspection, Jwt, SharedSecretJwt, Verifiers},
};

const INTROSPECTED: &str = "https://opaque.example";

fn issued() -> IssuedTokens {
    let public_url: PublicUrl = "https://mcp.example.com".parse().unwrap();
    let (metrics, limits) = (Metrics::new(), AuthorizationServerLimits::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(&BUCKETS, &metrics));
    let users = Arc::new(LocalUsers::new(store.clone(), &public_url, limits, &metrics));
    let settings = AuthorizationServerSettings::new(public_url, Resources::new(Vec::new));
    let sealer = Sealer::new(&Key::from_bytes([7; 32]));
    IssuedTokens::of(&AuthorizationServer::new(settings, store, sealer, users).unwrap())
}

/// Invariant: A token is shown to the authorization server that has issued it, and to no other.
#[test]
fn each_token_is_of_the_issuer_that_has_given_it() {
    let key = TestKey::new("1");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(&[&API_KEYS, &API_KEY_USES], &Metrics::new()));
    let secret = SharedSecretJwt::new(&[7; 32]).unwrap();
    let of_secret = secret.issue("ada", &[], std::time::Duration::from_secs(60));
    let verifiers = Verifiers::new()
        .jwt(Jwt::keys(ISSUER, &key_set(&[&key])).unwrap())
        .and_then(|all| all.shared_secret(secret))
        .and_then(|all| all.introspection(Introspection::new(INTROSPECTED, INTROSPECTED, "us", "s")?))
        .and_then(|all| all.api_keys(ApiKeys::new(store)))
        .and_then(|all| all.issued(issued()))
        .unwrap();
    let signed = key.sign(&claims(json!({})));
    for _ in 0..2 {
        for (token, issuer) in [
            (&*signed, Some(ISSUER)),
            ("opaque", Some(INTROSPECTED)),
            (&*key.sign(&claims(json!({ "iss": INTROSPECTED }))), Some(INTROSPECTED)),
            (&*key.sign(&claims(json!({ "iss": "https://other.example" }))), None),
            (of_secret.expose(), None),
            (&format!("apa_{}_{}", "0".repeat(32), "x".repeat(43)), None),
            (&format!("apk_0123456789ab_{}", "x".repeat(43)), None),
        ] {
            assert_eq!(verifiers.issuer_of(&bearer(token)), issuer, "{token}");
        }
        // What is known of a token that was verified changes nothing.
        present(&verifiers, &signed).unwrap();
        present(&verifiers, of_secret.expose()).unwrap();
    }
}

#[test]
fn bound_tokens_are_required_only_where_all_tokens_can_be_bound() {
    let key = TestKey::new("1");
    let bound = || {
        let jwt = Jwt::keys(ISSUER, &key_set(&[&key])).unwrap().dpop(DpopSupport::Required);
        Verifiers::new().jwt(jwt).unwrap()
    };
    assert_eq!(bound().dpop_support(), DpopSupport::Required);
    assert_eq!(bound().issued(issued()).unwrap().dpop_support(), DpopSupport::Offered);
    let secret = SharedSecretJwt::new(&[7; 32]).unwrap();
    assert_eq!(bound().shared_secret(secret).unwrap().dpop_support(), DpopSupport::Offered);
}
