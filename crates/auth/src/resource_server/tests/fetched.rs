//! Keys that are fetched: once for all, again in time, and not for attackers.

use std::{sync::Arc, time::Duration};

use anyport_metrics::Metrics;
use anyport_transport::http::CredentialVerifier as _;
use serde_json::json;

use super::{
    fixture::{
        ISSUER, RESOURCE, TestKey, bearer, claims, head, now, present, present_late, refusal, result,
        retry_after,
    },
    server::{Server, advance},
};
use crate::resource_server::{Jwt, VerifierLimits};

const MINUTE: Duration = Duration::from_secs(60);

fn verifier(server: &Server) -> Jwt {
    Jwt::keys_at(ISSUER, format!("{}/keys", server.url)).unwrap()
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_that_wait() {
    let (server, key, metrics) = (Server::start().await, TestKey::new("1"), Metrics::new());
    server.publish(&[&key]);
    let verifier = Arc::new(verifier(&server).metrics(&metrics));
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (verifier, token) = (verifier.clone(), key.sign(&claims(json!({ "jti": number }))));
        waiting.spawn(async move { present_late(&*verifier, &token).await });
    }
    assert!(waiting.join_all().await.iter().all(Result::is_ok));
    assert_eq!(server.requests("/keys"), 1);
    present(&*verifier, &key.sign(&claims(json!({ "jti": "x" })))).unwrap();
    let fetches = |sample: &anyport_metrics::Sample| {
        sample.name == "anyport_key_set_fetches_total" && sample.value == 1
    };
    assert!(metrics.snapshot().iter().any(fetches));
}

#[tokio::test]
async fn the_metadata_of_the_issuer_names_the_keys() {
    let (server, key) = (Server::start().await, TestKey::new("1"));
    server.publish(&[&key]);
    let issuer = format!("{}/tenant", server.url);
    let place = "/.well-known/openid-configuration/tenant";
    let document = json!({ "issuer": issuer, "jwks_uri": format!("{}/keys", server.url) });
    server.state().documents.insert(place.into(), document.to_string());
    let verifier = Jwt::discover(&issuer).unwrap();
    present_late(&verifier, &key.sign(&claims(json!({ "iss": issuer })))).await.unwrap();
    assert_eq!(server.requests("/.well-known/oauth-authorization-server/tenant"), 1);
    let other = json!({ "issuer": "https://other.example", "jwks_uri": format!("{}/keys", server.url) });
    server.state().documents.insert(place.into(), other.to_string());
    let verifier = Jwt::discover(&issuer).unwrap();
    retry_after(present_late(&verifier, &key.sign(&claims(json!({ "iss": issuer })))).await);
}

/// Invariant: However many tokens of a client name unknown keys, their issuer is asked for its keys once in 30 s.
/// Limit: key_refetch_interval.
#[tokio::test]
async fn a_flood_of_unknown_keys_makes_one_fetch_in_half_a_minute() {
    let (server, key, other) = (Server::start().await, TestKey::new("1"), TestKey::new("x"));
    server.publish(&[&key]);
    let verifier = verifier(&server);
    let old = json!({ "iat": now() - 300 });
    present_late(&verifier, &key.sign(&claims(old.clone()))).await.unwrap();
    for (round, fetches) in [(0, 2), (1, 3)] {
        for number in 0..50 {
            let token = other.sign_with(json!({ "kid": format!("{round}-{number}") }), &claims(old.clone()));
            assert!(refusal(present_late(&verifier, &token).await).contains("key is none"));
        }
        assert_eq!(server.requests("/keys"), fetches);
        advance(Duration::from_secs(31)).await;
    }
    present(&verifier, &key.sign(&claims(old))).unwrap();
}

/// Invariant: A client with made-up keys does not keep others from using a new one.
/// Limit: max_key_refetches.
#[tokio::test]
async fn a_new_key_is_fetched_although_others_name_unknown_ones() {
    let (server, key, metrics) = (Server::start().await, TestKey::new("1"), Metrics::new());
    server.publish(&[&key]);
    let verifier = verifier(&server).limits(VerifierLimits::default().max_key_refetches(3)).metrics(&metrics);
    let from = async |token: &str, address: &str| {
        let credential = bearer(token).from(address.parse().ok());
        result(verifier.verify(&credential, &head(), RESOURCE)).await
    };
    let old = json!({ "iat": now() - 300 });
    let made_up = |id: String| TestKey::new("x").sign_with(json!({ "kid": id }), &claims(old.clone()));
    from(&key.sign(&claims(old.clone())), "192.0.2.1").await.unwrap();
    for number in 0..20 {
        refusal(from(&made_up(number.to_string()), "192.0.2.1").await);
    }
    assert_eq!(server.requests("/keys"), 2);
    let next = TestKey::new("2");
    server.publish(&[&key, &next]);
    from(&next.sign(&claims(json!({}))), "192.0.2.2").await.expect("its client has not looked for any key");
    // One key is sought once, whoever has it; and all together so many.
    for address in ["192.0.2.3", "192.0.2.4"] {
        refusal(from(&made_up("0".into()), address).await);
    }
    assert_eq!(server.requests("/keys"), 3);
    for number in 5..9 {
        refusal(from(&made_up(format!("n{number}")), &format!("192.0.2.{number}")).await);
    }
    assert_eq!((server.requests("/keys"), metrics.refusals("max_key_refetches").value()), (4, 3));
    advance(Duration::from_secs(31)).await;
    refusal(from(&made_up("again".into()), "192.0.2.1").await);
    assert_eq!(server.requests("/keys"), 5);
}

/// Invariant: Whoever names unknown keys, their issuer is asked for its keys once in 30 s, and each time all that have come meanwhile are served.
#[tokio::test]
async fn strangers_delay_a_new_key_by_half_a_minute_and_no_more() {
    let (server, key, next) = (Server::start().await, TestKey::new("1"), TestKey::new("2"));
    server.publish(&[&key]);
    let verifier = verifier(&server);
    let from = async |token: &str, address: &str| {
        let credential = bearer(token).from(address.parse().ok());
        result(verifier.verify(&credential, &head(), RESOURCE)).await
    };
    let old = json!({ "iat": now() - 300 });
    let flood = async |round: u32| {
        for number in 0..10 {
            let kid = json!({ "kid": format!("{round}-{number}") });
            let token = TestKey::new("x").sign_with(kid, &claims(old.clone()));
            refusal(from(&token, &format!("192.0.2.{number}")).await);
        }
    };
    from(&key.sign(&claims(old.clone())), "198.51.100.1").await.unwrap();
    flood(1).await;
    assert_eq!(server.requests("/keys"), 2);
    server.publish(&[&key, &next]);
    let token = next.sign(&claims(json!({})));
    assert!(retry_after(from(&token, "198.51.100.1").await) <= Duration::from_secs(30));
    advance(Duration::from_secs(31)).await;
    flood(2).await;
    assert_eq!(server.requests("/keys"), 3);
    from(&token, "198.51.100.1").await.expect("the fetch for the strangers has brought it");
}

#[tokio::test]
async fn a_token_that_is_younger_than_the_keys_is_not_refused_for_good() {
    let (server, key, next) = (Server::start().await, TestKey::new("1"), TestKey::new("2"));
    server.publish(&[&key]);
    let verifier = verifier(&server);
    let attack = TestKey::new("x").sign(&claims(json!({ "iat": now() - 300 })));
    refusal(present_late(&verifier, &attack).await);
    server.publish(&[&key, &next]);
    let token = next.sign(&claims(json!({})));
    assert!(retry_after(present_late(&verifier, &token).await) <= Duration::from_secs(30));
    advance(Duration::from_secs(31)).await;
    present_late(&verifier, &token).await.unwrap();
}

/// Invariant: No valid token is refused while its issuer changes its keys.
#[tokio::test]
async fn keys_are_rotated_under_load() {
    let (server, first) = (Server::start().await, TestKey::new("0"));
    server.publish(&[&first]);
    let verifier = Arc::new(verifier(&server));
    let mut older = first;
    for round in 1..6 {
        let newer = TestKey::new(&round.to_string());
        server.publish(&[&older, &newer]);
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..40 {
            let signer = if number % 2 == 0 { &older } else { &newer };
            let (verifier, token) = (verifier.clone(), signer.sign(&claims(json!({ "jti": number }))));
            calls.spawn(async move {
                let first = present_late(&*verifier, &token).await;
                (first, present_late(&*verifier, &token).await)
            });
        }
        for (first, second) in calls.join_all().await {
            assert!(first.is_ok() && second.is_ok(), "round {round}: {first:?}, {second:?}");
        }
        older = newer;
        advance(MINUTE).await;
    }
    assert!(server.requests("/keys") <= 6, "{}", server.requests("/keys"));
}

/// Limits: key_set_max_age, token_cache.
#[tokio::test]
async fn a_key_that_was_taken_back_verifies_no_token_any_more() {
    let (server, key, next) = (Server::start().await, TestKey::new("1"), TestKey::new("2"));
    server.publish(&[&key]);
    let verifier = verifier(&server).limits(VerifierLimits::default().token_cache(60 * MINUTE));
    let token = key.sign(&claims(json!({ "exp": now() + 36_000 })));
    present_late(&verifier, &token).await.unwrap();
    server.publish(&[&next]);
    advance(8 * MINUTE).await;
    present(&verifier, &token).unwrap();
    advance(3 * MINUTE).await;
    assert!(refusal(present_late(&verifier, &token).await).contains("key is none"));
}

#[tokio::test]
async fn keys_are_fetched_again_before_they_are_too_old() {
    let (server, key) = (Server::start().await, TestKey::new("1"));
    server.publish(&[&key]);
    let verifier = verifier(&server);
    present_late(&verifier, &key.sign(&claims(json!({})))).await.unwrap();
    advance(9 * MINUTE + MINUTE / 2).await;
    present(&verifier, &key.sign(&claims(json!({ "jti": 2 })))).unwrap();
    while server.requests("/keys") < 2 {
        tokio::task::yield_now().await;
    }
}

/// Limit: key_set_stale.
#[tokio::test]
async fn keys_that_cannot_be_fetched_again_are_used_for_an_hour() {
    let (server, key) = (Server::start().await, TestKey::new("1"));
    server.publish(&[&key]);
    let verifier = verifier(&server);
    let token = key.sign(&claims(json!({ "exp": now() + 36_000 })));
    present_late(&verifier, &token).await.unwrap();
    server.state().is_broken = true;
    for _ in 0..5 {
        advance(11 * MINUTE).await;
        present_late(&verifier, &token).await.unwrap();
    }
    advance(6 * MINUTE).await;
    assert!(retry_after(present_late(&verifier, &token).await) <= Duration::from_secs(5));
    server.state().is_broken = false;
    advance(Duration::from_secs(6)).await;
    present_late(&verifier, &token).await.unwrap();
}

/// Limit: key_fetch_timeout.
#[tokio::test]
async fn an_issuer_that_says_nothing_is_not_waited_for_for_ever() {
    let server = Server::start().await;
    server.state().is_silent = true;
    let verifier = verifier(&server).limits(VerifierLimits::default().key_fetch_timeout(MINUTE));
    let token = TestKey::new("1").sign(&claims(json!({})));
    let waiting = tokio::spawn(async move { present_late(&verifier, &token).await });
    while server.requests("/keys") == 0 {
        tokio::task::yield_now().await;
    }
    advance(MINUTE).await;
    retry_after(waiting.await.unwrap());
}

/// Limit: max_key_set.
#[tokio::test]
async fn keys_that_were_never_fetched_refuse_no_token_for_good() {
    let (server, key) = (Server::start().await, TestKey::new("1"));
    server.publish(&[&key]);
    let token = key.sign(&claims(json!({})));
    let small = verifier(&server).limits(VerifierLimits::default().max_key_set(20));
    retry_after(present_late(&small, &token).await);
    // The next attempt comes after a pause.
    retry_after(present(&small, &token));
    assert_eq!(server.requests("/keys"), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_no_fetch() {
    let (server, key) = (Server::start().await, TestKey::new("1"));
    server.publish(&[&key]);
    let verifier = verifier(&server);
    let token = key.sign(&claims(json!({})));
    drop(verifier.verify(&bearer(&token), &head(), RESOURCE));
    result(verifier.verify(&bearer(&token), &head(), RESOURCE)).await.unwrap();
    assert_eq!(server.requests("/keys"), 1);
}
