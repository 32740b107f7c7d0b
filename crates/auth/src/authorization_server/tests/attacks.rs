//! The attacks on an authorization server, each refused with its exact status.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use anyport_metrics::Metrics;
use anyport_store::MemoryStore;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use serde_json::json;

use super::support::{Browser, ISSUER, PASSWORD, RESOURCE, Rig, WEB_CLIENT, authorize_url, settings};
use crate::{
    Verifier,
    authorization_server::{
        Answer, BUCKETS, ConfiguredClient, Interaction, LoginRoute, LoginStatus, Next, Parameters, Resources,
        User, UserAuthentication,
    },
};

#[tokio::test]
async fn a_code_is_good_once_and_for_its_own_client_alone() {
    let rig = Rig::new().await;
    let (client, other) = (rig.client(&[WEB_CLIENT]).await, rig.client(&["https://other.example/cb"]).await);
    let invalid = (400, "invalid_grant".to_owned());
    let (code, verifier) = rig.code(&client, WEB_CLIENT, "").await;
    let redeem =
        async |client: &str, uri: &str, verifier: &Verifier| rig.redeem(client, uri, &code, verifier).await;
    assert_eq!(redeem(&other, WEB_CLIENT, &verifier).await.error(), invalid, "another client");
    assert_eq!(
        redeem(&client, "https://client.example/other", &verifier).await.error(),
        invalid,
        "another redirect URI"
    );
    assert_eq!(
        redeem(&client, WEB_CLIENT, &Verifier::random().unwrap()).await.error(),
        invalid,
        "another verifier"
    );
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("code", &code),
        ("redirect_uri", WEB_CLIENT),
    ];
    assert_eq!(rig.post("/token", &form).await.error(), (400, "invalid_request".into()), "no verifier");
    let challenge = verifier.challenge();
    let plain = [&form[..], &[("code_verifier", challenge.as_str())]].concat();
    assert_eq!(rig.post("/token", &plain).await.error(), invalid, "the challenge as verifier");
    let tokens = redeem(&client, WEB_CLIENT, &verifier).await.tokens();
    rig.call(&tokens.access).await.unwrap();
    assert_eq!(redeem(&client, WEB_CLIENT, &verifier).await.error(), invalid, "a second time");
    // And what it gave is revoked.
    assert_eq!(rig.again().call(&tokens.access).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(rig.refresh(&client, &tokens.refresh).await.error(), invalid);
}

#[tokio::test]
async fn a_code_that_is_redeemed_twice_at_once_gives_nothing() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let (code, verifier) = rig.code(&client, WEB_CLIENT, "").await;
    let other = rig.again();
    let (one, two) = tokio::join!(
        rig.redeem(&client, WEB_CLIENT, &code, &verifier),
        other.redeem(&client, WEB_CLIENT, &code, &verifier)
    );
    let given = [one, two].into_iter().filter(|answer| answer.status() == 200);
    for tokens in given.map(|answer| answer.tokens()) {
        assert_eq!(rig.again().call(&tokens.access).await, Err(StatusCode::UNAUTHORIZED));
    }
}

/// Invariant: A refresh token that is used again after it was replaced ends every token of its grant.
#[tokio::test]
async fn a_stolen_refresh_token_is_noticed_however_often_it_was_replaced() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let stolen = rig.tokens(&client, WEB_CLIENT).await;
    let mut newest = stolen.refresh.clone();
    for _ in 0..18 {
        newest = rig.refresh(&client, &newest).await.tokens().refresh;
    }
    let invalid = (400, "invalid_grant".to_owned());
    assert_eq!(rig.refresh(&client, &stolen.refresh).await.error(), invalid);
    assert_eq!(rig.refresh(&client, &newest).await.error(), invalid);
}

/// Invariant: A refresh token that is used again after it was replaced ends every token of its grant.
#[tokio::test]
async fn a_refresh_token_that_was_stolen_ends_its_grant() {
    let rig = Rig::new().await;
    let (client, other) = (rig.client(&[WEB_CLIENT]).await, rig.client(&["https://other.example/cb"]).await);
    let invalid = (400, "invalid_grant".to_owned());
    let stolen = rig.tokens(&client, WEB_CLIENT).await;
    assert_eq!(rig.refresh(&other, &stolen.refresh).await.error(), invalid, "another client");
    let newer = rig.refresh(&client, &stolen.refresh).await.tokens();
    let newest = rig.refresh(&client, &newer.refresh).await.tokens();
    rig.call(&newest.access).await.unwrap();
    rig.wait(Duration::from_secs(30));
    assert_eq!(rig.refresh(&client, &newer.refresh).await.error(), invalid);
    assert_eq!(rig.refreshed_refusals(), 1);
    assert_eq!(rig.refresh(&client, &newest.refresh).await.error(), invalid);
    assert_eq!(rig.again().call(&newest.access).await, Err(StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn a_token_of_one_kind_is_none_of_another() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let (code, _) = rig.code(&client, WEB_CLIENT, "").await;
    let tokens = rig.tokens(&client, WEB_CLIENT).await;
    for bad in [&code, &tokens.refresh, &tokens.access.to_uppercase(), &format!("{}A", tokens.access), "apa_"]
    {
        assert_eq!(rig.call(bad).await, Err(StatusCode::UNAUTHORIZED), "{bad}");
    }
    // The id of a grant with another secret.
    let (id, secret) = tokens.access.split_at(37);
    let forged = format!("{id}{}", "A".repeat(secret.len()));
    assert_eq!(rig.call(&forged).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(rig.refresh(&client, &tokens.access).await.error(), (400, "invalid_grant".into()));
    assert_eq!(
        rig.refresh(&client, &forged.replace("apa_", "apr_")).await.error(),
        (400, "invalid_grant".into())
    );
    rig.call(&tokens.access).await.unwrap();
    rig.refresh(&client, &tokens.refresh).await.tokens();
}

#[tokio::test]
async fn a_token_is_for_one_endpoint_alone() {
    let mut settings = settings();
    let other = format!("{ISSUER}/s/x/mcp");
    settings.resources = {
        let other = other.clone();
        Resources::new(move || vec![RESOURCE.to_owned(), other.clone()])
    };
    let rig = Rig::with(settings).await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let verifier = Verifier::random().unwrap();
    let url = authorize_url(&client, WEB_CLIENT, &verifier, "").replace("%2Fmcp&", "%2Fs%2Fx%2Fmcp&");
    let url = if url.contains("%2Fs%2Fx%2Fmcp") {
        url
    } else {
        url.replace("example.com%2Fmcp", "example.com%2Fs%2Fx%2Fmcp")
    };
    let code = Browser::default().sign_in(&rig, &url).await.parameter("code").unwrap();
    assert_eq!(
        rig.redeem(&client, WEB_CLIENT, &code, &verifier).await.error(),
        (400, "invalid_target".into())
    );
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &*client),
        ("code", &code),
        ("code_verifier", verifier.secret().expose()),
        ("resource", &other),
    ];
    let tokens = rig.post("/token", &form).await.tokens();
    assert_eq!(rig.call(&tokens.access).await, Err(StatusCode::UNAUTHORIZED));
}

/// Invariant: Nothing is sent to a redirect URI that its client has not registered.
#[tokio::test]
async fn a_redirect_uri_that_is_not_registered_gets_a_page_and_never_a_redirect() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT, "http://127.0.0.1/cb"]).await;
    for uri in [
        "https://client.example/callback/",
        "https://client.example/callback/../evil",
        "https://client.example/callback%2F..%2Fevil",
        "https://client.example/callback?x=1",
        "https://client.example/callback#x",
        "https://client.example@evil.example/callback",
        "https://client.example.evil.example/callback",
        "https://CLIENT.example/callback",
        "https://client.example:8443/callback",
        "https://client.example/callback\r\nx: y",
        "https://client.example\\@evil.example/callback",
        "http://client.example/callback",
        "http://localhost:7/cb",
        "http://127.0.0.1:7/other",
        "http://127.0.0.1:7@evil.example/cb",
        "javascript:alert(1)",
        "",
    ] {
        let url = authorize_url(&client, uri, &Verifier::random().unwrap(), "");
        let answer = Browser::default().get(&rig, &url).await;
        assert_eq!((answer.status(), answer.header("location")), (StatusCode::BAD_REQUEST, ""), "{uri}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    }
    let url = authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "");
    for doubled in [
        format!("{url}&redirect_uri=https://evil.example"),
        format!("{url}&client_id=x"),
        format!("{url}&state=2"),
    ] {
        let answer = Browser::default().get(&rig, &doubled).await;
        assert_eq!((answer.status(), answer.header("location")), (StatusCode::BAD_REQUEST, ""), "{doubled}");
    }
    let unknown = authorize_url(
        "client-00000000000000000000000000000000",
        WEB_CLIENT,
        &Verifier::random().unwrap(),
        "",
    );
    assert_eq!(Browser::default().get(&rig, &unknown).await.status(), 400);
}

/// Requests of a client that are wrong, with their errors.
fn wrong_requests(client: &str) -> [(String, &'static str); 5] {
    let url = authorize_url(client, WEB_CLIENT, &Verifier::random().unwrap(), "");
    [
        (url.replace("S256", "plain"), "invalid_request"),
        (url.replace("response_type=code", "response_type=token"), "unsupported_response_type"),
        (format!("{url}&request_uri=https://evil.example"), "request_not_supported"),
        (url.replace("mcp.example.com%2Fmcp", "other.example%2Fmcp"), "invalid_target"),
        (format!("{url}&scope=%22"), "invalid_scope"),
    ]
}

/// Invariant: A link to the authorization server leads to no redirect URI that a client has registered by itself, unless the user has
/// decided so on a page.
#[tokio::test]
async fn a_wrong_request_of_a_client_that_anybody_can_register_gets_a_page_and_never_a_redirect() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT, "http://127.0.0.1/cb"]).await;
    for (url, error) in wrong_requests(&client) {
        let page = Browser::default().get(&rig, &url).await;
        assert_eq!((page.status(), page.header("location")), (StatusCode::BAD_REQUEST, ""), "{url}");
        for shown in ["Robot", "not verified", "client.example"] {
            assert!(page.text().contains(shown), "{shown}: {page:?}");
        }
        // The user may go on, and the client then learns what is wrong.
        let link = format!("<a rel=\"noreferrer\" href=\"{WEB_CLIENT}?error={error}&amp;");
        assert!(
            page.text().contains(&link) && page.text().contains("&amp;state=a+state&amp;iss="),
            "{page:?}"
        );
        assert!(!page.text().contains("refresh"), "no page of ours goes on by itself: {page:?}");
    }
    let url = authorize_url(&client, "http://127.0.0.1:7/cb", &Verifier::random().unwrap(), "&scope=%22");
    let page = Browser::default().get(&rig, &url).await;
    assert_eq!((page.status(), page.header("location")), (StatusCode::BAD_REQUEST, ""));
}

#[tokio::test]
async fn an_error_goes_to_a_configured_client_with_state_and_issuer() {
    let (id, secret) = ("team".to_owned(), None);
    let configured = ConfiguredClient { id, name: None, redirect_uris: vec![WEB_CLIENT.into()], secret };
    let rig = Rig::with(settings().client(configured)).await;
    let url = authorize_url("team", WEB_CLIENT, &Verifier::random().unwrap(), "");
    for (url, error) in wrong_requests("team") {
        let answer = Browser::default().get(&rig, &url).await;
        assert_eq!(
            (answer.status(), answer.parameter("error").as_deref()),
            (StatusCode::SEE_OTHER, Some(error)),
            "{url}"
        );
        assert!(answer.header("location").starts_with(&format!("{WEB_CLIENT}?")), "{answer:?}");
        assert_eq!(
            (answer.parameter("state").as_deref(), answer.parameter("iss").as_deref()),
            (Some("a state"), Some(ISSUER))
        );
    }
    let mut browser = Browser::default();
    let page = browser.get(&rig, &url).await;
    let denied =
        browser.post(&rig, "/oauth/consent", &[("interaction", &page.hidden()), ("decision", "deny")]).await;
    assert_eq!(
        (denied.status(), denied.parameter("error").as_deref()),
        (StatusCode::SEE_OTHER, Some("access_denied"))
    );
    assert_eq!(denied.parameter("iss").as_deref(), Some(ISSUER));
}

/// Invariant: An authorization goes on only in the browser in which it has begun, and each of its forms is used once.
#[tokio::test]
async fn a_form_counts_once_from_its_own_page_and_browser() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let url = authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "");
    let (mut browser, mut victim) = (Browser::default(), Browser::default());
    let page = browser.get(&rig, &url).await;
    victim.get(&rig, &url).await;
    let allow = |page: &super::support::Answer| {
        vec![("interaction".to_owned(), page.hidden()), ("decision".to_owned(), "allow".to_owned())]
    };
    let post = async |browser: &mut Browser, path: &str, form: &[(String, String)]| {
        let form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.post(&rig, path, &form).await.status().as_u16()
    };
    assert_eq!(post(&mut victim, "/oauth/consent", &allow(&page)).await, 403, "a form of another browser");
    assert_eq!(post(&mut Browser::default(), "/oauth/consent", &allow(&page)).await, 403, "no cookie");
    assert_eq!(
        post(&mut browser, "/oauth/consent", &[("decision".into(), "allow".into())]).await,
        403,
        "no token"
    );
    for site in ["cross-site", "same-site", "none"] {
        let mut from_elsewhere = browser.clone();
        from_elsewhere.headers.insert("sec-fetch-site", site.parse().unwrap());
        assert_eq!(post(&mut from_elsewhere, "/oauth/consent", &allow(&page)).await, 403, "{site}");
    }
    let mut from_elsewhere = browser.clone();
    from_elsewhere.headers.insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(post(&mut from_elsewhere, "/oauth/consent", &allow(&page)).await, 403, "another origin");
    assert_eq!(post(&mut browser, "/oauth/login", &allow(&page)).await, 403, "the consent is skipped");
    // Two renders of one page are each good.
    let second = browser.get(&rig, &url).await;
    let form = browser.consent(&rig, &page).await;
    assert_eq!(post(&mut browser, "/oauth/consent", &allow(&page)).await, 403, "a second time");
    browser.consent(&rig, &second).await;
    assert_eq!(browser.clone().password(&rig, &form, "nobody", PASSWORD).await.status(), 401);
    assert_eq!(browser.password(&rig, &form, "ada", PASSWORD).await.status(), 403, "a form that was sent");
}

#[tokio::test]
async fn pages_are_neither_framed_nor_kept() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let mut browser = Browser::default();
    let page = browser.get(&rig, &authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "")).await;
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert!(!page.header("content-security-policy").contains("form-action"));
    assert_eq!((page.header("x-frame-options"), page.header("referrer-policy")), ("DENY", "same-origin"));
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(
        page.header("set-cookie").starts_with("__Host-") && page.header("set-cookie").ends_with("; Secure")
    );
}

#[tokio::test]
async fn a_name_of_a_client_is_text() {
    let rig = Rig::new().await;
    let metadata = json!({ "client_name": "<script>x</script>\u{202e}", "redirect_uris": [WEB_CLIENT] });
    let client = rig.register(&metadata).await.json()["client_id"].as_str().unwrap().to_owned();
    let page = Browser::default()
        .get(&rig, &authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), ""))
        .await;
    assert!(page.text().contains("&lt;script&gt;") && !page.text().contains("<script"), "{page:?}");
}

#[tokio::test]
async fn a_client_that_is_not_proven_gets_401() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let confidential =
        json!({ "redirect_uris": [WEB_CLIENT], "token_endpoint_auth_method": "client_secret_basic" });
    let confidential = rig.register(&confidential).await.json()["client_id"].as_str().unwrap().to_owned();
    let refused = (401, "invalid_client".to_owned());
    let form = |client: &str, secret: Option<&str>| {
        let mut form = vec![
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("client_id".to_owned(), client.to_owned()),
        ];
        form.extend(secret.map(|secret| ("client_secret".to_owned(), secret.to_owned())));
        form
    };
    for form in [
        form("client-00000000000000000000000000000000", None),
        form("nobody", None),
        form(&confidential, None),
        form(&confidential, Some("wrong")),
        form(&client, Some("it has none")),
    ] {
        let pairs: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(rig.post("/token", &pairs).await.error(), refused, "{form:?}");
        assert_eq!(rig.post("/revoke", &pairs).await.error(), refused, "{form:?}");
    }
    // What stands behind a `&` belongs to the id: "CLIENT&x:".
    let longer = format!("Basic {}", STANDARD.encode(format!("{confidential}&x:wrong")));
    let named = [("grant_type", "refresh_token"), ("client_id", &*confidential)];
    assert_eq!(rig.post_as("/token", &longer, &named).await.error(), (400, "invalid_request".into()));
    let by_header = rig.post_as("/token", "Basic eDp5", &[("grant_type", "refresh_token")]).await;
    assert_eq!(by_header.error(), refused);
    assert!(by_header.header("www-authenticate").starts_with("Basic "), "{by_header:?}");
    let both = rig.post_as("/token", "Basic eDp5", &[("client_secret", "y")]).await;
    assert_eq!(both.error(), (400, "invalid_request".into()));
}

#[tokio::test]
async fn requests_for_tokens_that_are_not_in_order_are_refused() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    for (form, code) in [
        (vec![("client_id", &*client)], "invalid_request"),
        (vec![("client_id", &client), ("grant_type", "password")], "unsupported_grant_type"),
        (vec![("client_id", &client), ("grant_type", "client_credentials")], "unsupported_grant_type"),
        (vec![("client_id", &client), ("grant_type", "refresh_token")], "invalid_request"),
        (
            vec![("client_id", &client), ("client_id", "x"), ("grant_type", "refresh_token")],
            "invalid_request",
        ),
        (
            vec![("client_id", &client), ("grant_type", "authorization_code"), ("code", "x")],
            "invalid_request",
        ),
    ] {
        assert_eq!(rig.post("/token", &form).await.error(), (400, code.into()), "{form:?}");
    }
    let json = http::Request::post("/token")
        .header("host", "mcp.example.com")
        .header("content-type", "application/json");
    let answer = rig.send(json.body(http_body_util::Full::new("{}".into())).unwrap()).await;
    assert_eq!(answer.error(), (400, "invalid_request".into()));
}

/// Invariant: A route of the authorization server answers in the form of OAuth, or with a page, also what is refused before it.
#[tokio::test]
async fn what_is_refused_before_a_route_is_refused_in_its_form() {
    let rig = Rig::new().await;
    let request = |method: Method, path: &str, host: &str| {
        http::Request::builder().method(method).uri(path).header("host", host)
    };
    let none = http_body_util::Full::default;
    let (ours, large) = ("mcp.example.com", (64 << 20).to_string());
    for path in ["/token", "/register", "/revoke"] {
        let get = rig.send(request(Method::GET, path, ours).body(none()).unwrap()).await;
        assert_eq!((get.error(), get.header("allow")), ((405, "invalid_request".into()), "POST"), "{path}");
        assert_eq!(get.header("content-type"), "application/json");
        let elsewhere = rig.send(request(Method::POST, path, "evil.example").body(none()).unwrap()).await;
        assert_eq!(elsewhere.error(), (421, "invalid_request".into()), "{path}");
        let large = request(Method::POST, path, ours).header("content-length", &large);
        let large = rig.send(large.body(none()).unwrap()).await;
        assert_eq!((large.error(), large.header("connection")), ((413, "invalid_request".into()), "close"));
        assert_eq!(large.header("access-control-allow-origin"), "");
    }
    for path in ["/authorize", "/oauth/consent", "/oauth/login"] {
        let put = rig.send(request(Method::PUT, path, ours).body(none()).unwrap()).await;
        let elsewhere = rig.send(request(Method::GET, path, "evil.example").body(none()).unwrap()).await;
        let page = request(Method::GET, path, ours).header("origin", "https://evil.example");
        let page = rig.send(page.body(none()).unwrap()).await;
        for (answer, status) in [(put, 405), (elsewhere, 421), (page, 403)] {
            assert_eq!((answer.status().as_u16(), answer.header("location")), (status, ""), "{path}");
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path} {answer:?}");
            assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
        }
    }
    // The endpoint of MCP has its own form.
    let mcp = rig.send(request(Method::PUT, "/mcp", ours).body(none()).unwrap()).await;
    assert_eq!(mcp.json()["jsonrpc"], "2.0");
}

/// An identity provider, whose callback an attacker may have somebody else open.
struct Provider(Arc<Mutex<LoginStatus>>);

impl UserAuthentication for Provider {
    fn provider(&self) -> Option<&str> {
        Some("login.example.com")
    }

    fn route(&self) -> LoginRoute {
        LoginRoute { method: Method::GET, path: "/oauth/callback", parameter: "state" }
    }

    fn begin<'a>(&'a self, interaction: &'a mut Interaction) -> Answer<'a, Next> {
        interaction.data = json!({ "nonce": 7 });
        let url = format!("https://login.example.com/authorize?state={}", interaction.token.expose());
        Box::pin(async { Next::Redirect(url) })
    }

    fn resume<'a>(&'a self, interaction: &'a mut Interaction, _: &'a Parameters) -> Answer<'a, Next> {
        assert_eq!(interaction.data["nonce"], 7);
        let (issuer, subject) = ("https://login.example.com".to_owned(), "1".to_owned());
        let user = User { issuer, subject, name: "Ada".into(), login: Some("l".into()), scopes: None };
        Box::pin(async { Next::User(user) })
    }

    fn status<'a>(&'a self, _: &'a str) -> Answer<'a, LoginStatus> {
        let status = *self.0.lock().unwrap();
        Box::pin(async move { status })
    }

    fn end<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        *self.0.lock().unwrap() = LoginStatus::Ended;
        Box::pin(async {})
    }
}

fn behind_provider() -> (Rig, Arc<Mutex<LoginStatus>>) {
    let status = Arc::new(Mutex::new(LoginStatus::Active));
    let store = Arc::new(MemoryStore::new(&BUCKETS, &Metrics::new()));
    let now = Arc::new(Mutex::new(SystemTime::now()));
    let rig = Rig::of(store, settings(), now, Metrics::new(), Arc::new(Provider(status.clone())));
    (rig, status)
}

/// Invariant: A browser is sent to an identity provider only after its user has consented, and only that browser comes back.
#[tokio::test]
async fn a_callback_belongs_to_the_browser_that_has_consented() {
    let (rig, _) = behind_provider();
    let client = rig.client(&[WEB_CLIENT]).await;
    let verifier = Verifier::random().unwrap();
    let url = authorize_url(&client, WEB_CLIENT, &verifier, "");
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let page = attacker.get(&rig, &url).await;
    assert!(page.text().contains("login.example.com"), "the consent names the provider: {page:?}");
    victim.get(&rig, &url).await;
    // The token of the consent is none of a callback: the consent cannot be skipped.
    let skipped = format!("/oauth/callback?code=x&state={}", page.hidden());
    assert_eq!(attacker.get(&rig, &skipped).await.status(), 403);
    let upstream = attacker.consent(&rig, &page).await;
    let callback = format!("/oauth/callback?code=x&state={}", upstream.parameter("state").unwrap());
    for mut other in [victim, Browser::default()] {
        assert_eq!(other.get(&rig, &callback).await.status(), 403);
    }
    assert_eq!(attacker.get(&rig, "/oauth/callback?code=x").await.status(), 403);
    let answer = attacker.get(&rig, &callback).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(attacker.get(&rig, &callback).await.status(), 403, "a second time");
    let code = answer.parameter("code").unwrap();
    let tokens = rig.redeem(&client, WEB_CLIENT, &code, &verifier).await.tokens();
    assert!(rig.call(&tokens.access).await.unwrap().starts_with("1 "));
}

/// Invariant: A code or a refresh token that is used again ends the login at the provider with its grant.
#[tokio::test]
async fn a_reuse_ends_what_is_kept_of_the_provider() {
    for of_code in [true, false] {
        let (rig, status) = behind_provider();
        let client = rig.client(&[WEB_CLIENT]).await;
        let (verifier, mut browser) = (Verifier::random().unwrap(), Browser::default());
        let page = browser.get(&rig, &authorize_url(&client, WEB_CLIENT, &verifier, "")).await;
        let upstream = browser.consent(&rig, &page).await;
        let callback = format!("/oauth/callback?code=x&state={}", upstream.parameter("state").unwrap());
        let code = browser.get(&rig, &callback).await.parameter("code").unwrap();
        let tokens = rig.redeem(&client, WEB_CLIENT, &code, &verifier).await.tokens();
        assert_eq!(*status.lock().unwrap(), LoginStatus::Active);
        let reused = match of_code {
            true => rig.redeem(&client, WEB_CLIENT, &code, &verifier).await,
            false => {
                let newer = rig.refresh(&client, &tokens.refresh).await.tokens();
                rig.refresh(&client, &newer.refresh).await.tokens();
                rig.refresh(&client, &tokens.refresh).await
            }
        };
        assert_eq!(reused.error(), (400, "invalid_grant".into()));
        assert_eq!(*status.lock().unwrap(), LoginStatus::Ended);
        assert_eq!(rig.call(&tokens.access).await, Err(StatusCode::UNAUTHORIZED));
    }
}

#[tokio::test]
async fn tokens_end_with_the_login_at_the_provider() {
    let (rig, status) = behind_provider();
    let client = rig.client(&[WEB_CLIENT]).await;
    let tokens = async |rig: &Rig| {
        let (verifier, mut browser) = (Verifier::random().unwrap(), Browser::default());
        let page = browser.get(rig, &authorize_url(&client, WEB_CLIENT, &verifier, "")).await;
        let upstream = browser.consent(rig, &page).await;
        let callback = format!("/oauth/callback?code=x&state={}", upstream.parameter("state").unwrap());
        let code = browser.get(rig, &callback).await.parameter("code").unwrap();
        rig.redeem(&client, WEB_CLIENT, &code, &verifier).await.tokens()
    };
    let first = tokens(&rig).await;
    *status.lock().unwrap() = LoginStatus::Unknown;
    let unknown = rig.refresh(&client, &first.refresh).await;
    assert_eq!(
        (unknown.error(), unknown.header("retry-after")),
        ((503, "temporarily_unavailable".into()), "5")
    );
    rig.call(&first.access).await.unwrap();
    *status.lock().unwrap() = LoginStatus::Active;
    let second = rig.refresh(&client, &first.refresh).await.tokens();
    *status.lock().unwrap() = LoginStatus::Ended;
    assert_eq!(rig.call(&second.access).await, Err(StatusCode::UNAUTHORIZED));
    *status.lock().unwrap() = LoginStatus::Active;
    assert_eq!(rig.refresh(&client, &second.refresh).await.error(), (400, "invalid_grant".into()));
}
