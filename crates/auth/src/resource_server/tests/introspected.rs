//! Tokens that an authorization server is asked about.

use std::{sync::Arc, time::Duration};

use anyport_metrics::Metrics;
use anyport_transport::http::{CredentialVerifier as _, Verification};
use serde_json::{Value, json};

use super::{
    fixture::{ISSUER, RESOURCE, bearer, head, now, present, present_late, refusal, result, retry_after},
    server::{Server, advance},
};
use crate::resource_server::{Introspection, VerifierLimits, Verifiers};

fn verifier(server: &Server) -> Introspection {
    Introspection::new(ISSUER, format!("{}/introspect", server.url), "us", "a secret").unwrap()
}

fn tell(server: &Server, token: &str, changes: Value) {
    let mut answer =
        json!({ "active": true, "sub": "alice", "aud": RESOURCE, "scope": "read", "exp": now() + 600 });
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    server.state().tokens.insert(token.into(), answer);
}

/// Limit: introspection_cache.
#[tokio::test]
async fn an_answer_is_used_for_half_a_minute_and_asked_for_once() {
    let server = Server::start().await;
    tell(&server, "good", json!({}));
    let verifier = Arc::new(verifier(&server));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let verifier = verifier.clone();
        waiting.spawn(async move { present_late(&*verifier, "good").await });
    }
    for answer in waiting.join_all().await {
        let authorization = answer.unwrap();
        assert_eq!(authorization.principal().subject(), Some("alice"));
        assert!(authorization.allows("read"));
    }
    assert_eq!(server.requests("/introspect"), 1);
    let (head, body) = server.state().requests[0].clone();
    assert!(head.contains("authorization: Basic dXM6YStzZWNyZXQ="), "{head}");
    assert!(body.contains("token=good") && !body.contains("client_secret"));
    advance(Duration::from_secs(29)).await;
    present(&*verifier, "good").unwrap();
    advance(Duration::from_secs(2)).await;
    present_late(&*verifier, "good").await.unwrap();
    assert_eq!(server.requests("/introspect"), 2);
}

#[tokio::test]
async fn a_stream_that_is_open_learns_of_a_revocation_at_once() {
    let server = Server::start().await;
    tell(&server, "good", json!({}));
    let verifier = verifier(&server).secret_in_body();
    present_late(&verifier, "good").await.unwrap();
    assert!(server.state().requests[0].1.contains("client_secret=a+secret"));
    server.state().tokens.clear();
    present(&verifier, "good").unwrap();
    let again = result(verifier.verify_again(&bearer("good"), RESOURCE)).await;
    assert!(refusal(again).contains("not active"));
    // From now on requests know, too.
    assert!(refusal(present(&verifier, "good")).contains("not active"));
}

/// Invariant: A token is for the server that it names, by the issuer that it names, and for no other.
#[tokio::test]
async fn what_the_answer_says_is_checked_like_a_token() {
    let server = Server::start().await;
    let verifier = verifier(&server);
    for (number, (changes, why)) in [
        (json!({ "active": false }), "not active"),
        (json!({ "aud": null }), "not for this server"),
        (json!({ "aud": ["https://other.example"] }), "not for this server"),
        (json!({ "iss": "https://other.example" }), "another issuer"),
        (json!({ "exp": now() - 65 }), "expired"),
        (json!({ "nbf": now() + 65 }), "not valid yet"),
        (json!({ "nbf": now() + 65, "exp": null }), "not valid yet"),
        (json!({ "token_type": "refresh_token" }), "a refresh token"),
        (json!({ "typ": "Refresh" }), "no access token"),
        (json!({ "sub": null }), "no subject"),
        (json!({ "cnf": { "jkt": "x" } }), "bound to a key"),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("token-{number}");
        tell(&server, &token, changes.clone());
        let refused = refusal(present_late(&verifier, &token).await);
        assert!(refused.contains(why), "{changes}: {refused}");
        refusal(present(&verifier, &token));
    }
    assert!(refusal(present_late(&verifier, "unknown").await).contains("not active"));
}

#[tokio::test]
async fn servers_without_subjects_name_users_and_clients() {
    let server = Server::start().await;
    let verifier = verifier(&server);
    for (token, changes, subject) in [
        (
            "user",
            json!({ "sub": null, "username": "alice", "client_id": "app", "exp": null }),
            "username:alice",
        ),
        ("mark", json!({ "sub": "client_id:alice" }), "sub:client_id:alice"),
        ("client", json!({ "sub": null, "client_id": "alice" }), "client_id:alice"),
    ] {
        tell(&server, token, changes);
        let authorization = present_late(&verifier, token).await.unwrap();
        assert_eq!(authorization.principal().subject(), Some(subject));
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_refuses_no_token_for_good() {
    let server = Server::start().await;
    tell(&server, "good", json!({}));
    server.state().is_broken = true;
    let verifier = verifier(&server);
    retry_after(present_late(&verifier, "good").await);
    server.state().is_broken = false;
    present_late(&verifier, "good").await.unwrap();
    server.state().tokens.insert("odd".into(), json!("nonsense"));
    retry_after(present_late(&verifier, "odd").await);
}

/// Limit: max_introspections.
#[tokio::test]
async fn so_many_tokens_are_asked_about_at_once() {
    let (server, metrics) = (Server::start().await, Metrics::new());
    let limits = VerifierLimits::default().max_introspections(1);
    let verifier = verifier(&server).limits(limits).metrics(&metrics);
    let first = verifier.verify(&bearer("one"), &head(), RESOURCE);
    assert!(matches!(first, Verification::Pending(_)));
    retry_after(present(&verifier, "two"));
    assert_eq!(metrics.refusals("max_introspections").value(), 1);
    refusal(result(first).await);
}

/// Invariant: A client whose tokens are made up has its authorization server asked about so many of them alone.
/// Limit: max_refused_introspections.
#[tokio::test]
async fn a_client_with_made_up_tokens_is_soon_asked_about_no_more_of_them() {
    let (server, metrics) = (Server::start().await, Metrics::new());
    tell(&server, "known", json!({}));
    tell(&server, "good", json!({}));
    let limits = VerifierLimits::default().max_refused_introspections(3).max_cached_tokens(3);
    let verifier = verifier(&server).limits(limits).metrics(&metrics);
    let from = async |token: &str, address: &str| {
        let credential = bearer(token).from(address.parse().ok());
        result(verifier.verify(&credential, &head(), RESOURCE)).await
    };
    from("known", "192.0.2.1").await.unwrap();
    for number in 0..3 {
        refusal(from(&format!("made-up-{number}"), "192.0.2.1").await);
    }
    for number in 3..20 {
        assert!(
            retry_after(from(&format!("made-up-{number}"), "192.0.2.1").await) <= Duration::from_secs(60)
        );
    }
    assert_eq!(server.requests("/introspect"), 4);
    assert_eq!(metrics.refusals("max_refused_introspections").value(), 17);
    from("known", "192.0.2.1").await.expect("what is known is not asked about");
    from("good", "192.0.2.2").await.expect("another client");
    advance(Duration::from_secs(61)).await;
    from("good", "192.0.2.1").await.unwrap();
}

#[tokio::test]
async fn tokens_without_a_known_form_are_introspected_and_signed_ones_of_others_are_not() {
    let server = Server::start().await;
    tell(&server, "opaque", json!({}));
    let verifiers = Verifiers::new().introspection(verifier(&server)).unwrap();
    present_late(&verifiers, "opaque").await.unwrap();
    let other = super::fixture::TestKey::new("1").sign(&json!({ "iss": "https://other.example" }));
    refusal(present(&verifiers, &other));
    // Most of a key that was mistyped is a secret, too.
    for length in [42, 43, 44] {
        refusal(present(&verifiers, &format!("apk_0123456789ab_{}", "x".repeat(length))));
    }
    assert_eq!(server.requests("/introspect"), 1);
}
