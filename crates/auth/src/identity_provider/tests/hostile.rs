//! Answers that must not sign anybody in.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::fake::{Fake, STATE, parameters};
use crate::{
    identity_provider::{ProviderKind, SignInError},
    resource_server::tests::fixture::{TestKey, now},
};

#[tokio::test]
async fn a_user_signs_in_by_a_code_with_pkce_and_a_nonce_and_without_a_resource() {
    let fake = Fake::new().await;
    let started = fake.begin().await;
    let asked = parameters(&started.url);
    assert_eq!(asked["client_id"], "anyport");
    assert_eq!(asked["redirect_uri"], "https://gateway.example/oauth/callback");
    assert_eq!((asked["state"].as_str(), asked["code_challenge_method"].as_str()), (STATE, "S256"));
    assert_eq!(asked["scope"], "openid");
    assert!(asked["nonce"].len() >= 43 && !asked.contains_key("resource"));
    let (user, _) = fake.sign_in(json!({})).await.unwrap();
    assert_eq!((user.issuer.as_str(), user.subject.as_str()), (fake.server.url.as_str(), "alice"));
    let (head, form) = fake.requests("/token").remove(0);
    assert!(head.contains("authorization: basic ") && head.contains("accept: application/json"), "{head}");
    assert_eq!((form["grant_type"].as_str(), form["code"].as_str()), ("authorization_code", "the-code"));
    assert!(form["code_verifier"].len() >= 43 && !form.contains_key("resource"));
}

/// Invariant: A user is signed in only by an ID token of the provider that was made for this client and this very sign-in.
#[tokio::test]
async fn an_id_token_is_refused_for_what_it_claims() {
    let fake = Fake::new().await;
    for (changes, why) in [
        (json!({ "nonce": "of-another-sign-in" }), "nonce"),
        (json!({ "nonce": null }), "nonce"),
        (json!({ "aud": "another" }), "aud"),
        (json!({ "aud": ["anyport", "another"] }), "aud"),
        (json!({ "aud": [] }), "aud"),
        (json!({ "aud": null }), "claims cannot be read"),
        (json!({ "azp": "another" }), "azp"),
        (json!({ "iss": format!("{}/", fake.server.url) }), "iss"),
        (json!({ "iss": "https://accounts.google.com" }), "iss"),
        (json!({ "iss": null }), "iss"),
        (json!({ "exp": now() - 61 }), "expired"),
        (json!({ "exp": null }), "no end"),
        (json!({ "nbf": now() + 90 }), "not valid yet"),
        (json!({ "sub": "" }), "sub"),
        (json!({ "sub": null }), "claims cannot be read"),
        (json!({ "sub": "s".repeat(256) }), "sub"),
    ] {
        let refused = fake.sign_in(changes.clone()).await.unwrap_err();
        assert!(matches!(&refused, SignInError::IdToken(_)), "{changes}: {refused}");
        assert!(refused.to_string().contains(why), "{changes}: {refused}");
        assert_eq!(refused.code(), "server_error");
    }
    assert!(fake.sign_in(json!({ "aud": ["anyport"], "azp": "anyport" })).await.is_ok());
}

#[tokio::test]
async fn an_id_token_is_refused_for_its_signature_and_type() {
    let fake = Fake::new().await;
    let started = fake.begin().await;
    let claims = fake.claims(&started.url, &json!({}));
    let good = fake.key.sign_with(json!({ "typ": "JWT" }), &claims);
    let (message, _) = good.rsplit_once('.').unwrap();
    let none = |alg: &str| {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "typ": "JWT" }).to_string());
        format!("{header}.{}.", message.split('.').nth(1).unwrap())
    };
    let other = TestKey::new("k");
    for (token, why) in [
        (other.sign_with(json!({ "typ": "JWT" }), &claims), "signature"),
        (TestKey::new("unknown").sign_with(json!({ "typ": "JWT" }), &claims), "none of its issuer's"),
        (none("none"), "algorithm"),
        (none("HS256"), "algorithm"),
        (
            format!("{message}.{}", good.rsplit_once('.').unwrap().1.replace(['A', 'B', 'C', 'D'], "e")),
            "signature",
        ),
        (fake.key.sign_with(json!({ "typ": "at+jwt" }), &claims), "typ"),
        (fake.key.sign_with(json!({ "typ": "logout+jwt" }), &claims), "typ"),
        (fake.key.sign_with(json!({ "typ": "JWT", "crit": ["b64"] }), &claims), "crit"),
        ("no token at all".to_owned(), "iss"),
    ] {
        fake.give(&token);
        let refused = fake.finish(&started, &[("state", STATE), ("code", "c")]).await.unwrap_err();
        assert!(matches!(&refused, SignInError::IdToken(_)), "{token}: {refused}");
        assert!(refused.to_string().contains(why), "{why} is not in {refused}");
    }
    let untyped = fake.key.sign_with(json!({}), &claims);
    fake.give(&untyped);
    assert!(fake.finish(&started, &[("state", STATE), ("code", "c")]).await.is_ok());
}

#[tokio::test]
async fn a_token_answer_without_an_id_token_signs_nobody_in() {
    let fake = Fake::new().await;
    let started = fake.begin().await;
    fake.answer(200, &json!({ "access_token": "at", "token_type": "Bearer" }));
    let refused = fake.finish(&started, &[("state", STATE), ("code", "c")]).await.unwrap_err();
    assert_eq!(refused.to_string(), "the ID token of the provider is not believed: none was given");
}

/// Invariant: An answer of another provider, or to another sign-in, leads to no request with its code.
#[tokio::test]
async fn a_mix_up_of_providers_is_noticed_before_the_code_is_sent() {
    let fake = Fake::new().await;
    fake.describe(&fake.server.url, json!({ "authorization_response_iss_parameter_supported": true }));
    let started = fake.begin().await;
    for pairs in [
        vec![("state", STATE), ("code", "c"), ("iss", "https://attacker.example")],
        vec![("state", STATE), ("code", "c")],
        vec![("state", "of-another"), ("code", "c"), ("iss", fake.server.url.as_str())],
        vec![("code", "c"), ("iss", fake.server.url.as_str())],
        vec![("state", STATE), ("iss", fake.server.url.as_str())],
        vec![("state", STATE), ("error", "access_denied"), ("iss", "https://attacker.example")],
    ] {
        let refused = fake.finish(&started, &pairs).await.unwrap_err();
        assert_eq!(refused.code(), "server_error", "{pairs:?}: {refused}");
    }
    assert_eq!(fake.requests("/token").len(), 0);
}

/// Invariant: The errors of a provider reach clients as codes, without the provider's words.
#[tokio::test]
async fn the_errors_of_a_provider_become_codes_for_the_client() {
    let fake = Fake::new().await;
    let started = fake.begin().await;
    for (error, code) in [
        ("access_denied", "access_denied"),
        ("login_required", "access_denied"),
        ("consent_required", "access_denied"),
        ("interaction_required", "access_denied"),
        ("server_error", "server_error"),
        ("temporarily_unavailable", "temporarily_unavailable"),
        ("invalid_scope", "server_error"),
        ("unauthorized_client", "server_error"),
    ] {
        let answer = [("state", STATE), ("error", error), ("error_description", "words of the provider")];
        assert_eq!(fake.finish(&started, &answer).await.unwrap_err().code(), code, "{error}");
    }
    for (status, answer, code) in [
        (400, json!({ "error": "invalid_grant" }), "server_error"),
        (401, json!({ "error": "invalid_client" }), "server_error"),
        (200, json!({ "error": "bad_verification_code" }), "server_error"),
        (503, json!({}), "temporarily_unavailable"),
        (429, json!({}), "temporarily_unavailable"),
        (200, json!({ "token_type": "Bearer" }), "server_error"),
        (302, json!({}), "server_error"),
    ] {
        fake.answer(status, &answer);
        let refused = fake.finish(&started, &[("state", STATE), ("code", "c")]).await.unwrap_err();
        assert_eq!(refused.code(), code, "{status} {answer}: {refused}");
        assert!(!refused.to_string().contains("the-secret"), "{refused}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_are_no_fault_of_the_user() {
    let fake = Fake::new().await;
    let started = fake.begin().await;
    let claims = fake.claims(&started.url, &json!({}));
    fake.give(&fake.key.sign(&claims).replace("at+jwt", ""));
    fake.server.state().documents.remove("/keys");
    fake.give(&fake.key.sign_with(json!({ "typ": "JWT" }), &claims));
    let refused = fake.finish(&started, &[("state", STATE), ("code", "c")]).await.unwrap_err();
    assert_eq!(refused.code(), "temporarily_unavailable", "{refused}");
}

#[tokio::test]
async fn only_those_who_are_named_may_sign_in() {
    let of = |subjects: &'static [&'static str], domains: &'static [&'static str]| {
        Fake::with(ProviderKind::OpenId, |_, options| {
            options.allowed_subjects = subjects.iter().map(ToString::to_string).collect();
            options.allowed_domains = domains.iter().map(ToString::to_string).collect();
        })
    };
    let fake = of(&["bob"], &[]).await;
    let refused = fake.sign_in(json!({})).await.unwrap_err();
    assert!(matches!(&refused, SignInError::NotAdmitted { subject, .. } if subject == "alice"));
    assert_eq!(refused.code(), "access_denied");
    assert!(fake.sign_in(json!({ "sub": "bob" })).await.is_ok());

    let fake = of(&["bob"], &["Example.com"]).await;
    assert_eq!(parameters(&fake.begin().await.url)["scope"], "openid email");
    let email = |email: &str, is_verified: Value| json!({ "email": email, "email_verified": is_verified });
    for (claims, is_admitted) in [
        (email("a@example.com", json!(true)), true),
        (email("a@EXAMPLE.COM", json!("true")), true),
        (email("a@example.com", json!(false)), false),
        (email("a@example.com", json!("false")), false),
        (email("a@example.com", json!(null)), false),
        (email("a@sub.example.com", json!(true)), false),
        (email("a@example.com@evil.example", json!(true)), false),
        (email("example.com", json!(true)), false),
        (json!({ "hd": "example.com" }), false),
        (json!({ "sub": "bob" }), true),
    ] {
        assert_eq!(fake.sign_in(claims.clone()).await.is_ok(), is_admitted, "{claims}");
    }
}
