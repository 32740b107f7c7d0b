//! The authorization server before an identity provider: clients, browsers, attackers and the provider.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use anyport_metrics::Metrics;
use anyport_service::Principal;
use anyport_store::{MemoryStore, Store};
use anyport_transport::client::http::Endpoint;
use http::StatusCode;
use serde_json::json;

use super::support::{Answer, Browser, ISSUER, RESOURCE, Rig, Tokens, WEB_CLIENT, authorize_url, settings};
use crate::{
    CONNECT_ATTEMPTS, CallerLogin, CallerLoginLimits, CallerLogins, LoginServer, SignIn, SignInOptions,
    Vault, Verifier,
    authorization_server::{
        AuthorizationServerSettings, BUCKETS, ConsentMode, PROVIDER_CALLBACK, ProviderUsers,
    },
    identity_provider::{
        ProviderLogins,
        tests::fake::{Fake, parameters},
    },
};

/// An authorization server, and the provider that it is before.
struct Proxy {
    rig: Rig,
    provider: Fake,
    client: String,
    verifier: Verifier,
}

impl Proxy {
    async fn new() -> Self {
        Self::before(Fake::new().await).await
    }

    async fn before(provider: Fake) -> Self {
        Self::with(provider, settings()).await
    }

    async fn with(provider: Fake, settings: AuthorizationServerSettings) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(&BUCKETS, &Metrics::new()));
        let sealer = anyport_seal::Sealer::new(&anyport_seal::Key::from_bytes([7; 32]));
        let life = Duration::from_secs(31 * 86_400);
        let logins = ProviderLogins::new(provider.provider.clone(), store.clone(), sealer, life);
        let users = Arc::new(ProviderUsers::new(provider.provider.clone(), logins));
        let now = Arc::new(Mutex::new(SystemTime::now()));
        let rig = Rig::of(store, settings, now, Metrics::new(), users);
        let client = rig.client(&[WEB_CLIENT]).await;
        Self { rig, provider, client, verifier: Verifier::random().unwrap() }
    }

    fn url(&self) -> String {
        authorize_url(&self.client, WEB_CLIENT, &self.verifier, "&scope=a+b")
    }

    /// Consents. Returns the URL of the provider's page.
    async fn consent(&self, browser: &mut Browser) -> String {
        let page = browser.get(&self.rig, &self.url()).await;
        let answer = browser.consent(&self.rig, &page).await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        answer.header("location").to_owned()
    }

    /// Has the provider sign the user of `page` in, with a token that has `changes`.
    fn give(&self, page: &str, changes: &serde_json::Value) {
        let claims = self.provider.claims(page, changes);
        self.provider.give(&self.provider.key.sign_with(json!({ "typ": "JWT" }), &claims));
    }

    /// Brings the provider's answer to `page` back.
    async fn call_back(&self, browser: &mut Browser, page: &str, more: &str) -> Answer {
        let state = parameters(page).remove("state").unwrap();
        browser.get(&self.rig, &format!("{PROVIDER_CALLBACK}?state={state}{more}")).await
    }

    async fn tokens(&self) -> Tokens {
        let mut browser = Browser::default();
        let page = self.consent(&mut browser).await;
        self.give(&page, &json!({}));
        let answer = self.call_back(&mut browser, &page, "&code=c").await;
        let code = answer.parameter("code").unwrap_or_else(|| panic!("{answer:?}"));
        self.rig.redeem(&self.client, WEB_CLIENT, &code, &self.verifier).await.tokens()
    }

    fn requests(&self) -> usize {
        self.provider.requests("/token").len()
    }

    /// Both clocks go on, and what was read of a token is forgotten.
    async fn wait(&self, time: Duration) {
        self.provider.advance(time.as_secs());
        self.rig.wait(time);
        crate::resource_server::tests::server::advance(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn a_user_of_the_provider_signs_in_and_calls_with_a_token_of_ours() {
    let proxy = Proxy::new().await;
    let mut browser = Browser::default();
    let consent = browser.get(&proxy.rig, &proxy.url()).await;
    assert!(consent.text().contains(proxy.provider.provider.title()), "{consent:?}");
    let page = proxy.consent(&mut browser).await;
    let asked = parameters(&page);
    assert_eq!(asked["client_id"], "anyport", "the one client of ours, never the caller's");
    assert!(!page.contains("client.example") && !page.contains("mcp.example.com%2Fmcp"), "{page}");
    proxy.give(&page, &json!({}));
    let answer = proxy.call_back(&mut browser, &page, "&code=c").await;
    assert_eq!(answer.status(), 303);
    assert!(answer.header("location").starts_with(&format!("{WEB_CLIENT}?")));
    assert_eq!(answer.parameter("iss").unwrap(), ISSUER);
    assert_eq!(answer.parameter("state").unwrap(), "a state");
    let code = answer.parameter("code").unwrap();
    let tokens = proxy.rig.redeem(&proxy.client, WEB_CLIENT, &code, &proxy.verifier).await;
    assert!(!tokens.text().contains("at-1") && !tokens.text().contains("rt-1"), "{tokens:?}");
    let caller = proxy.rig.call(&tokens.tokens().access).await.unwrap();
    assert_eq!(caller, "alice a,b");
    assert!(RESOURCE.starts_with(ISSUER));
}

/// Invariant: The browser goes to the provider only after its user has consented to the client.
#[tokio::test]
async fn nobody_is_sent_to_the_provider_without_a_consent() {
    let proxy = Proxy::new().await;
    let mut browser = Browser::default();
    let page = browser.get(&proxy.rig, &proxy.url()).await;
    assert_eq!((page.status(), page.header("location")), (StatusCode::OK, ""));
    // The token of the consent page is no state of a login.
    let callback = format!("{PROVIDER_CALLBACK}?state={}&code=c", page.hidden());
    let answer = browser.get(&proxy.rig, &callback).await;
    assert_eq!((answer.status(), answer.header("location")), (StatusCode::FORBIDDEN, ""));
    let form = [("interaction", &*page.hidden()), ("decision", "deny")];
    let denied = browser.post(&proxy.rig, "/oauth/consent", &form).await;
    assert_eq!(denied.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(proxy.requests(), 0);
}

/// Invariant: The provider's answer is accepted once, and from the browser that has consented alone.
#[tokio::test]
async fn an_answer_of_the_provider_is_refused_to_another_browser_and_a_second_time() {
    let proxy = Proxy::new().await;
    // The attacker consents, and sends the provider's page to the victim, who is signed in there.
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let page = proxy.consent(&mut attacker).await;
    proxy.give(&page, &json!({ "sub": "victim" }));
    for browser in [&mut victim, &mut Browser::default()] {
        let refused = proxy.call_back(browser, &page, "&code=c").await;
        assert_eq!((refused.status(), refused.header("location")), (StatusCode::FORBIDDEN, ""));
    }
    // Nor with a cookie of a browser that is known for something else.
    proxy.consent(&mut victim).await;
    let refused = proxy.call_back(&mut victim, &page, "&code=c").await;
    assert_eq!((refused.status(), proxy.requests()), (StatusCode::FORBIDDEN, 0), "the code was not redeemed");
    let answer = proxy.call_back(&mut attacker, &page, "&code=c").await;
    assert!(answer.parameter("code").is_some(), "{answer:?}");
    let again = proxy.call_back(&mut attacker, &page, "&code=c").await;
    assert_eq!((again.status(), again.header("location")), (StatusCode::FORBIDDEN, ""));
    assert_eq!(proxy.requests(), 1);
}

#[tokio::test]
async fn a_callback_without_a_state_or_with_two_is_refused() {
    let proxy = Proxy::new().await;
    let mut browser = Browser::default();
    let page = proxy.consent(&mut browser).await;
    for query in ["code=c", "state=&code=c", "state=guessed&code=c"] {
        let refused = browser.get(&proxy.rig, &format!("{PROVIDER_CALLBACK}?{query}")).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{query}");
    }
    let state = parameters(&page).remove("state").unwrap();
    for more in [format!("&code=c&state={state}"), "&code=c&code=d".to_owned()] {
        let refused = proxy.call_back(&mut browser, &page, &more).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{more}");
    }
    assert_eq!(proxy.requests(), 0);
}

/// Invariant: A mix-up of providers, or an ID token of another sign-in, gives no code.
#[tokio::test]
async fn what_the_provider_answers_wrongly_becomes_an_error_for_the_client() {
    let proxy = Proxy::new().await;
    for (more, changes, error) in [
        ("&error=access_denied&error_description=words+of+the+provider", json!({}), "access_denied"),
        ("&error=server_error", json!({}), "server_error"),
        ("&error=temporarily_unavailable", json!({}), "temporarily_unavailable"),
        ("&code=c&iss=https%3A%2F%2Fattacker.example", json!({}), "server_error"),
        ("&code=c", json!({ "nonce": "of-another" }), "server_error"),
        ("&code=c", json!({ "aud": "another" }), "server_error"),
    ] {
        let mut browser = Browser::default();
        let page = proxy.consent(&mut browser).await;
        proxy.give(&page, &changes);
        let answer = proxy.call_back(&mut browser, &page, more).await;
        assert_eq!(answer.parameter("error").as_deref(), Some(error), "{more} {changes}: {answer:?}");
        assert_eq!(answer.parameter("iss").as_deref(), Some(ISSUER));
        assert_eq!(answer.parameter("state").as_deref(), Some("a state"));
        assert_eq!(answer.parameter("code"), None);
        assert!(!answer.header("location").contains("words"), "{answer:?}");
    }
}

/// Invariant: Tokens of ours end when the identity provider refuses to renew its own.
#[tokio::test]
async fn tokens_end_when_the_provider_ends_the_login() {
    let proxy = Proxy::new().await;
    let tokens = proxy.tokens().await;
    // The provider's token has ended, and is renewed.
    let renewed = json!({ "access_token": "at-2", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt-2" });
    proxy.provider.answer(200, &renewed);
    proxy.provider.advance(3600);
    let tokens = proxy.rig.refresh(&proxy.client, &tokens.refresh).await.tokens();
    assert_eq!(proxy.rig.call(&tokens.access).await.unwrap(), "alice a,b");
    // Out of order: calls go on, and refreshes are to be tried again.
    proxy.provider.advance(3600);
    proxy.provider.answer(503, &json!({}));
    crate::resource_server::tests::server::advance(Duration::from_secs(10)).await;
    assert_eq!(proxy.rig.call(&tokens.access).await.unwrap(), "alice a,b");
    let later = proxy.rig.refresh(&proxy.client, &tokens.refresh).await;
    assert_eq!(later.error(), (503, "temporarily_unavailable".to_owned()));
    // Refused: everything ends.
    proxy.provider.answer(400, &json!({ "error": "invalid_grant" }));
    crate::resource_server::tests::server::advance(Duration::from_secs(20)).await;
    assert_eq!(proxy.rig.call(&tokens.access).await, Err(StatusCode::UNAUTHORIZED));
    let ended = proxy.rig.refresh(&proxy.client, &tokens.refresh).await;
    assert_eq!(ended.error(), (400, "invalid_grant".to_owned()));
}

/// Invariant: A consent that is remembered counts for the user who gave it: another one who signs in at the provider is asked.
#[tokio::test]
async fn a_remembered_consent_is_the_word_of_one_user_alone() {
    let proxy = Proxy::with(Fake::new().await, settings().consent(ConsentMode::Remember)).await;
    let mut browser = Browser::default();
    let page = proxy.consent(&mut browser).await;
    proxy.give(&page, &json!({}));
    assert!(proxy.call_back(&mut browser, &page, "&code=c").await.parameter("code").is_some());
    browser.headers.insert("sec-fetch-site", "none".parse().unwrap());
    // Her consent leads to the provider at once; who signs in there is somebody else.
    for (subject, error) in [("alice", None), ("bob", Some("access_denied"))] {
        let answer = browser.get(&proxy.rig, &proxy.url()).await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        let page = answer.header("location").to_owned();
        proxy.give(&page, &json!({ "sub": subject }));
        let answer = proxy.call_back(&mut browser, &page, "&code=c").await;
        assert_eq!(answer.parameter("error").as_deref(), error, "{subject}");
        assert_eq!(answer.parameter("code").is_some(), error.is_none());
    }
    // Bob is signed in now, and is asked.
    let asked = browser.get(&proxy.rig, &proxy.url()).await;
    assert!(asked.text().contains("/oauth/consent"), "{asked:?}");
}

#[tokio::test]
async fn tokens_live_by_their_own_clock_and_not_by_that_of_the_provider() {
    let proxy = Proxy::before(Fake::new().await).await;
    let mut browser = Browser::default();
    let page = proxy.consent(&mut browser).await;
    let id_token =
        proxy.provider.key.sign_with(json!({ "typ": "JWT" }), &proxy.provider.claims(&page, &json!({})));
    let short =
        json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 300, "id_token": id_token });
    proxy.provider.answer(200, &short);
    let answer = proxy.call_back(&mut browser, &page, "&code=c").await;
    let code = answer.parameter("code").unwrap();
    let tokens = proxy.rig.redeem(&proxy.client, WEB_CLIENT, &code, &proxy.verifier).await.tokens();
    proxy.wait(Duration::from_secs(3000)).await;
    assert_eq!(proxy.rig.call(&tokens.access).await.unwrap(), "alice a,b");
    proxy.wait(Duration::from_secs(700)).await;
    assert_eq!(proxy.rig.call(&tokens.access).await, Err(StatusCode::UNAUTHORIZED));
    proxy.rig.refresh(&proxy.client, &tokens.refresh).await.tokens();
}

#[tokio::test]
async fn a_revoked_grant_forgets_the_tokens_of_the_provider_and_no_other_grant() {
    let proxy = Proxy::new().await;
    let (one, other) = (proxy.tokens().await, proxy.tokens().await);
    let form = [("client_id", proxy.client.as_str()), ("token", one.refresh.as_str())];
    assert_eq!(proxy.rig.post("/revoke", &form).await.status(), 200);
    assert_eq!(proxy.rig.call(&one.access).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(proxy.rig.call(&other.access).await.unwrap(), "alice a,b");
    let requests = proxy.requests();
    proxy.provider.advance(3600);
    assert_eq!(proxy.rig.call(&one.access).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(proxy.requests(), requests, "the provider is not asked about a grant that has ended");
}

/// Invariant: Where users sign in at an identity provider, a server behind the gateway is connected by the same user of that provider alone.
#[tokio::test]
async fn who_connects_a_server_signs_in_at_the_provider_as_the_same_user() {
    let mut proxy = Proxy::new().await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(&[&CONNECT_ATTEMPTS], &Metrics::new()));
    let sealer = anyport_seal::Sealer::new(&anyport_seal::Key::from_bytes([7; 32]));
    let logins = CallerLogins::new(ISSUER, store, sealer, CallerLoginLimits::default(), &Metrics::new());
    let far = Endpoint::new("http://127.0.0.1:1/mcp").unwrap();
    let vault = Vault::in_memory().unwrap();
    let sign_in = move |account: &str| SignIn::new(&far, account, vault.clone(), SignInOptions::default());
    logins.add(LoginServer { name: "far".into(), title: "Far".into(), sign_in: Arc::new(sign_in) });
    proxy.rig.connecting(&logins);
    let alice = Principal::subject_of(proxy.provider.issuer(), "alice");
    let login = CallerLogin::new(&logins, "far", &alice).unwrap();
    let page = login.page("").unwrap().strip_prefix(ISSUER).unwrap().to_owned();
    for (subject, status, said) in [("bob", 403, "for another user"), ("alice", 200, "Connect Far")] {
        let mut browser = Browser::default();
        let answer = browser.get(&proxy.rig, &page).await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        let at_provider = answer.header("location").to_owned();
        assert_eq!(parameters(&at_provider)["client_id"], "anyport", "{at_provider}");
        proxy.give(&at_provider, &json!({ "sub": subject }));
        let back = proxy.call_back(&mut browser, &at_provider, "&code=c").await;
        assert_eq!((back.status().as_u16(), back.header("location")), (303, &*page), "{back:?}");
        let opened = browser.get(&proxy.rig, &page).await;
        assert!(opened.status() == status && opened.text().contains(said), "{subject}: {opened:?}");
    }
}
