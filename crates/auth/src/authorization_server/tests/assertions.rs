//! Tokens for the assertions of identity providers that are trusted.

use std::sync::Arc;

use anyport_metrics::Metrics;
use anyport_store::{Clock, MemoryStore};
use anyport_transport::client::http::Endpoint;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::support::{Answer, Browser, ISSUER, RESOURCE, Rig, settings};
use crate::{
    Secret,
    authorization_server::{BUCKETS, ConfiguredClient, TrustedIdentityProvider, TrustedIdentityProviders},
    resource_server::{
        VerifierLimits,
        tests::{
            fixture::{TestKey, now},
            server::Server,
        },
    },
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const IDP: &str = "https://acme.idp.example";

struct Enterprise {
    rig: Rig,
    key: TestKey,
    /// Its keys are fetched from here.
    _server: Server,
}

impl Enterprise {
    async fn new() -> Self {
        let (server, key) = (Server::start().await, TestKey::new("k"));
        server.publish(&[&key]);
        let provider = TrustedIdentityProvider {
            issuer: IDP.to_owned(),
            keys_url: Some(format!("{}/keys", server.url)),
            endpoint: Some(Endpoint::new(&server.url).unwrap().without_proxy()),
        };
        let store = Arc::new(MemoryStore::new(&BUCKETS, &Metrics::new()));
        let with = (&Clock::default(), VerifierLimits::default(), &Metrics::new());
        let trusted = TrustedIdentityProviders::new(&[provider], store, with).unwrap();
        let client = |id: &str, secret: Option<&str>| ConfiguredClient {
            id: id.to_owned(),
            name: None,
            redirect_uris: vec!["https://assistant.example/cb".to_owned()],
            secret: secret.map(Secret::new),
        };
        let settings = settings()
            .client(client("assistant", Some("its-secret")))
            .client(client("public", None))
            .default_scopes(["basic".to_owned()])
            .trusted_identity_providers(trusted);
        Self { rig: Rig::with(settings).await, key, _server: server }
    }

    fn assertion(&self, changes: &Value) -> String {
        let mut claims = json!({
            "iss": IDP, "sub": "U019488227", "aud": ISSUER, "resource": RESOURCE, "client_id": "assistant",
            "jti": crate::pkce::random().unwrap().expose(), "iat": now(), "exp": now() + 300, "scope": "read write",
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.key.sign_with(json!({ "typ": "oauth-id-jag+jwt" }), &claims)
    }

    async fn present(&self, assertion: &str, more: &[(&str, &str)]) -> Answer {
        let basic = format!("Basic {}", STANDARD.encode("assistant:its-secret"));
        let form = [&[("grant_type", JWT_BEARER), ("assertion", assertion)][..], more].concat();
        self.rig.post_as("/token", &basic, &form).await
    }
}

#[tokio::test]
async fn an_assertion_gives_an_access_token_and_no_refresh_token() {
    let enterprise = Enterprise::new().await;
    let metadata =
        Browser::default().get(&enterprise.rig, "/.well-known/oauth-authorization-server").await.json();
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(JWT_BEARER)));
    let answer = enterprise.present(&enterprise.assertion(&json!({})), &[]).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = answer.json();
    assert_eq!((&answer["token_type"], &answer["scope"]), (&json!("Bearer"), &json!("read write")));
    assert!(answer.get("refresh_token").is_none(), "{answer}");
    let caller = enterprise.rig.call(answer["access_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(caller, "U019488227 read,write");
    let fewer = [("scope", "write admin"), ("resource", RESOURCE)];
    let answer = enterprise.present(&enterprise.assertion(&json!({})), &fewer).await.json();
    assert_eq!(answer["scope"], "write");
    let unlimited = enterprise.assertion(&json!({ "scope": null }));
    assert_eq!(enterprise.present(&unlimited, &[("scope", "admin basic")]).await.json()["scope"], "basic");
}

/// Invariant: An assertion is used up by the request that gets a token for it, and by no other.
#[tokio::test]
async fn an_assertion_of_a_request_that_is_refused_can_be_presented_again() {
    let enterprise = Enterprise::new().await;
    let good = enterprise.assertion(&json!({}));
    let many: Vec<String> = (0..51).map(|number| format!("s{number}")).collect();
    for (more, error) in [
        (("resource", "https://other.example/mcp"), "invalid_target"),
        (("scope", "admin"), "invalid_scope"),
        (("scope", "a\"b"), "invalid_scope"),
        (("scope", &*many.join(" ")), "invalid_scope"),
    ] {
        assert_eq!(enterprise.present(&good, &[more]).await.error(), (400, error.to_owned()), "{more:?}");
    }
    assert_eq!(enterprise.present(&good, &[]).await.json()["scope"], "read write");
    assert_eq!(enterprise.present(&good, &[]).await.error(), (400, "invalid_grant".to_owned()));
    // Its own scopes are looked at like those of a request.
    for scope in ["a\"b", "a\tb", &many.join(" ")] {
        let answer = enterprise.present(&enterprise.assertion(&json!({ "scope": scope })), &[]).await;
        assert_eq!(answer.error(), (400, "invalid_grant".to_owned()), "{scope}");
    }
}

#[tokio::test]
async fn an_assertion_that_is_not_for_this_request_gives_nothing() {
    let enterprise = Enterprise::new().await;
    let invalid = (400, "invalid_grant".to_owned());
    for changes in [
        json!({ "client_id": "public" }),
        json!({ "aud": RESOURCE }),
        json!({ "resource": "https://other.example/mcp" }),
        json!({ "iss": "https://other.example" }),
        json!({ "exp": now() - 61 }),
    ] {
        let answer = enterprise.present(&enterprise.assertion(&changes), &[]).await;
        assert_eq!(answer.error(), invalid, "{changes}");
    }
    let used = enterprise.assertion(&json!({}));
    assert_eq!(enterprise.present(&used, &[]).await.status(), 200);
    assert_eq!(enterprise.present(&used, &[]).await.error(), invalid);
    let elsewhere = [("resource", "https://other.example/mcp")];
    let answer = enterprise.present(&enterprise.assertion(&json!({})), &elsewhere).await;
    assert_eq!(answer.error(), (400, "invalid_target".to_owned()));
    assert_eq!(enterprise.present("", &[]).await.error(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn a_client_that_cannot_prove_itself_presents_no_assertion() {
    let enterprise = Enterprise::new().await;
    let assertion = enterprise.assertion(&json!({ "client_id": "public" }));
    let form = [("grant_type", JWT_BEARER), ("assertion", assertion.as_str()), ("client_id", "public")];
    let answer = enterprise.rig.post("/token", &form).await;
    assert_eq!(answer.error(), (400, "unauthorized_client".to_owned()));
    let assertion = enterprise.assertion(&json!({}));
    let form = [("grant_type", JWT_BEARER), ("assertion", assertion.as_str()), ("client_id", "assistant")];
    let answer = enterprise.rig.post("/token", &form).await;
    assert_eq!(answer.error(), (401, "invalid_client".to_owned()));
    let nobody = Rig::new().await;
    let client = nobody.client(&["https://client.example/callback"]).await;
    let form =
        [("grant_type", JWT_BEARER), ("assertion", assertion.as_str()), ("client_id", client.as_str())];
    assert_eq!(nobody.post("/token", &form).await.error(), (400, "unsupported_grant_type".to_owned()));
}
