//! What providers do otherwise than others.

use serde_json::{Value, json};

use super::fake::{Fake, STATE, parameters};
use crate::identity_provider::{ProviderKind, SignInError};

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const OTHER_TENANT: &str = "11111111-2222-3333-4444-555555555555";

async fn github() -> Fake {
    Fake::with(ProviderKind::GitHub, |url, options| {
        options.issuer = Some(format!("{url}/login/oauth"));
        options.allowed_subjects = vec!["583231".to_owned()];
    })
    .await
}

fn say(fake: &Fake, path: &str, status: u16, document: &Value) {
    let mut state = fake.server.state();
    state.documents.insert(path.to_owned(), document.to_string());
    state.statuses.insert(path.to_owned(), status);
}

#[tokio::test]
async fn a_user_of_github_is_the_number_that_its_api_says() {
    let fake = github().await;
    let started = fake.begin().await;
    assert!(started.url.starts_with(&format!("{}/login/oauth/authorize?", fake.server.url)));
    let asked = parameters(&started.url);
    assert!(!asked.contains_key("nonce") && !asked.contains_key("scope") && !asked.contains_key("resource"));
    assert_eq!(asked["code_challenge_method"], "S256");
    let token = json!({ "access_token": "gho_1", "token_type": "bearer", "scope": "" });
    say(&fake, "/login/oauth/access_token", 200, &token);
    let user = json!({ "login": "octocat", "id": 583231, "email": "somebody@else.example", "name": "1" });
    say(&fake, "/api/v3/user", 200, &user);
    let (user, tokens) = fake.finish(&started, &[("state", STATE), ("code", "c")]).await.unwrap();
    assert_eq!(user.subject, "583231");
    assert_eq!(user.issuer, format!("{}/login/oauth", fake.server.url));
    assert_eq!((tokens.expires_in, tokens.refresh_token), (None, None));
    let (head, form) = fake.requests("/login/oauth/access_token").remove(0);
    assert!(head.contains("accept: application/json"), "{head}");
    assert_eq!(form["client_secret"], "the-secret-of-the-client");
    let (head, _) = fake.requests("/api/v3/user").remove(0);
    assert!(head.contains("authorization: bearer gho_1") && head.contains("user-agent: "), "{head}");
}

#[tokio::test]
async fn errors_of_github_have_the_status_200() {
    let fake = github().await;
    let started = fake.begin().await;
    let error = json!({ "error": "bad_verification_code", "error_description": "The code passed is incorrect or expired." });
    say(&fake, "/login/oauth/access_token", 200, &error);
    let refused = fake.finish(&started, &[("state", STATE), ("code", "c")]).await.unwrap_err();
    assert_eq!(refused.code(), "server_error");
    assert_eq!(fake.requests("/api/v3/user").len(), 0);
}

#[tokio::test]
async fn a_user_whom_github_does_not_number_is_nobody() {
    let fake = github().await;
    let started = fake.begin().await;
    say(&fake, "/login/oauth/access_token", 200, &json!({ "access_token": "gho_1", "token_type": "bearer" }));
    for (status, user) in [
        (200, json!({ "login": "583231" })),
        (200, json!({ "id": "583231" })),
        (200, json!({ "id": -1 })),
        (401, json!({ "message": "Bad credentials" })),
        (403, json!({ "id": 583231 })),
        (302, json!({ "id": 583231 })),
    ] {
        say(&fake, "/api/v3/user", status, &user);
        let refused = fake.finish(&started, &[("state", STATE), ("code", "c")]).await;
        assert!(refused.is_err(), "{status} {user}");
    }
    say(&fake, "/api/v3/user", 200, &json!({ "id": 1 }));
    let refused = fake.finish(&started, &[("state", STATE), ("code", "c")]).await.unwrap_err();
    assert!(matches!(refused, SignInError::NotAdmitted { .. }), "{refused}");
}

async fn google(spelled: impl FnOnce(&str) -> String) -> Fake {
    Fake::with(ProviderKind::Google, |url, options| {
        options.issuer = Some(spelled(url));
        options.allowed_domains = vec!["example.com".to_owned()];
    })
    .await
}

#[tokio::test]
async fn google_is_asked_for_offline_access_by_parameters_and_never_by_a_scope() {
    let fake = google(str::to_owned).await;
    fake.describe(&fake.server.url, json!({ "scopes_supported": ["openid", "offline_access", "email"] }));
    let asked = parameters(&fake.begin().await.url);
    assert_eq!((asked["access_type"].as_str(), asked["prompt"].as_str()), ("offline", "consent"));
    assert_eq!(asked["scope"], "openid");
    assert!(fake.sign_in(json!({ "hd": "example.com" })).await.is_ok());
    // The address of a personal account may be of any domain.
    let personal = json!({ "email": "a@example.com", "email_verified": true });
    assert!(matches!(fake.sign_in(personal).await, Err(SignInError::NotAdmitted { .. })));
}

/// Invariant: The issuer of a user is the text in the metadata of the provider, whichever way its final slash was configured.
#[tokio::test]
async fn the_final_slash_of_an_issuer_without_a_path_may_be_spelled_either_way() {
    let fake = google(|url| format!("{url}/")).await;
    let (user, _) = fake.sign_in(json!({ "hd": "example.com" })).await.unwrap();
    assert_eq!(user.issuer, fake.server.url);
    // The tokens are of the issuer of the metadata, byte for byte.
    let slashed = json!({ "hd": "example.com", "iss": format!("{}/", fake.server.url) });
    assert!(matches!(fake.sign_in(slashed).await, Err(SignInError::IdToken(_))));
}

async fn entra(place: &str, tenants: &[&str]) -> Fake {
    let fake = Fake::with(ProviderKind::Entra, |url, options| {
        options.issuer = Some(format!("{url}/{place}/v2.0"));
        options.tenants = tenants.iter().map(ToString::to_string).collect();
    })
    .await;
    let url = fake.server.url.clone();
    let keys = fake.server.state().documents["/keys"].clone();
    let metadata = json!({
        "issuer": format!("{url}/{place}/v2.0"), "jwks_uri": format!("{url}/keys"),
        "authorization_endpoint": format!("{url}/{place}/oauth2/v2.0/authorize"), "token_endpoint": format!("{url}/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
    });
    let mut state = fake.server.state();
    state.documents.insert(format!("/{place}/v2.0/.well-known/openid-configuration"), metadata.to_string());
    state.documents.insert(format!("/{place}/discovery/v2.0/keys"), keys);
    drop(state);
    fake
}

#[tokio::test]
async fn entra_is_asked_with_pkce_though_it_does_not_offer_it_and_without_a_resource() {
    let fake = entra(TENANT, &[]).await;
    let started = fake.begin().await;
    let asked = parameters(&started.url);
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["scope"], "openid offline_access");
    assert!(!asked.contains_key("resource"));
    let issuer = format!("{}/{TENANT}/v2.0", fake.server.url);
    let (user, _) = fake.sign_in(json!({ "iss": issuer, "tid": TENANT })).await.unwrap();
    assert_eq!(user.issuer, issuer);
    let (_, form) = fake.requests("/token").remove(0);
    assert_eq!(form["client_secret"], "the-secret-of-the-client");
}

/// Invariant: Of the tenants of one provider, only users of those that are named may sign in.
#[tokio::test]
async fn the_tenants_of_entra_are_told_apart_by_their_issuers() {
    let fake = entra("common", &[TENANT]).await;
    let started = fake.begin().await;
    assert!(started.url.starts_with(&format!("{}/common/oauth2/v2.0/authorize?", fake.server.url)));
    let of = |tenant: &str| {
        let claims =
            fake.claims(&started.url, &json!({ "iss": format!("{}/{tenant}/v2.0", fake.server.url) }));
        let id_token = fake.key.sign_with(json!({ "typ": "JWT" }), &claims);
        let token = json!({ "access_token": "at", "token_type": "Bearer", "id_token": id_token });
        say(&fake, "/common/oauth2/v2.0/token", 200, &token);
        fake.finish(&started, &[("state", STATE), ("code", "c")])
    };
    let (user, _) = of(TENANT).await.unwrap();
    assert_eq!(user.issuer, format!("{}/{TENANT}/v2.0", fake.server.url));
    for other in [OTHER_TENANT, "common", "{tenantid}"] {
        assert!(matches!(of(other).await, Err(SignInError::IdToken(_))), "{other}");
    }
}

#[tokio::test]
async fn okta_is_always_asked_for_scopes() {
    let fake = Fake::with(ProviderKind::Okta, |_, _| {}).await;
    assert_eq!(parameters(&fake.begin().await.url)["scope"], "openid offline_access");
    assert!(fake.sign_in(json!({})).await.is_ok());
}

#[tokio::test]
async fn an_openid_provider_is_asked_for_offline_access_where_it_lists_it() {
    let fake = Fake::new().await;
    fake.describe(&fake.server.url, json!({ "scopes_supported": ["openid", "offline_access"] }));
    let asked = parameters(&fake.begin().await.url);
    assert_eq!((asked["scope"].as_str(), asked["prompt"].as_str()), ("openid offline_access", "consent"));
    let fake = Fake::with(ProviderKind::OpenId, |_, options| {
        options.scopes = vec!["openid".into(), "profile".into()];
        options.authorize_params = vec![("audience".into(), "api".into())];
    })
    .await;
    let asked = parameters(&fake.begin().await.url);
    assert_eq!((asked["scope"].as_str(), asked["audience"].as_str()), ("openid profile", "api"));
    assert!(!asked.contains_key("prompt"));
}
