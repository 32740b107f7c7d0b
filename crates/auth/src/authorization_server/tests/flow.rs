//! What works: from registration to calls with a token, over restarts.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::support::{Browser, ISSUER, RESOURCE, Rig, WEB_CLIENT, authorize_url, settings};
use crate::{
    Secret, Verifier,
    authorization_server::{ConfiguredClient, ConsentMode, Resources},
};

#[tokio::test]
async fn a_client_registers_and_calls_in_the_name_of_the_user() {
    let rig = Rig::new().await;
    let metadata = json!({
        "client_name": "Robot",
        "redirect_uris": ["http://127.0.0.1:7777/callback"],
        "token_endpoint_auth_method": "none",
    });
    let registered = rig.register(&metadata).await;
    assert_eq!((registered.status(), registered.header("cache-control")), (StatusCode::CREATED, "no-store"));
    let registered = registered.json();
    assert_eq!(registered["redirect_uris"], metadata["redirect_uris"]);
    assert_eq!(registered["token_endpoint_auth_method"], "none");
    assert!(registered.get("client_secret").is_none());
    let client = registered["client_id"].as_str().unwrap();
    let (verifier, mut browser) = (Verifier::random().unwrap(), Browser::default());
    // Another port than the registered one, as the client chooses it anew at each start.
    let redirect_uri = "http://127.0.0.1:8888/callback";
    let url = authorize_url(client, redirect_uri, &verifier, "&scope=data:read");
    let page = browser.get(&rig, &url).await;
    for shown in ["Robot", "not verified", "127.0.0.1", "program on this device", "data:read", RESOURCE] {
        assert!(page.text().contains(shown), "{shown}: {page:?}");
    }
    let form = browser.consent(&rig, &page).await;
    assert!(form.text().contains("type=\"password\""), "{form:?}");
    let wrong = browser.password(&rig, &form, "ada", "wrong horse").await;
    assert_eq!(wrong.status(), 401);
    let answer = browser.password(&rig, &wrong, "ada", super::support::PASSWORD).await;
    assert_eq!(answer.status(), 303);
    assert!(answer.header("location").starts_with("http://127.0.0.1:8888/callback?code="), "{answer:?}");
    assert_eq!(
        (answer.parameter("state").as_deref(), answer.parameter("iss").as_deref()),
        (Some("a state"), Some(ISSUER))
    );
    let code = answer.parameter("code").unwrap();
    let answer = rig.redeem(client, redirect_uri, &code, &verifier).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let json = answer.json();
    assert_eq!(
        (&json["token_type"], &json["expires_in"], &json["scope"]),
        (&json!("Bearer"), &json!(3600), &json!("data:read"))
    );
    let tokens = answer.tokens();
    let caller = rig.call(&tokens.access).await.unwrap();
    assert!(caller.starts_with("ada-") && caller.ends_with(" data:read"), "{caller}");
    let newer = rig.refresh(client, &tokens.refresh).await.tokens();
    assert_eq!(rig.call(&newer.access).await.unwrap(), caller);
    // Calls that have begun with the token before go on.
    assert_eq!(rig.call(&tokens.access).await.unwrap(), caller);
}

/// Invariant: After a restart of the authorization server nobody registers or signs in again.
#[tokio::test]
async fn everything_survives_a_restart() {
    let rig = Rig::new().await;
    let client = rig.client(&["http://localhost/callback"]).await;
    let redirect_uri = "http://localhost:5000/callback";
    let (verifier, mut browser) = (Verifier::random().unwrap(), Browser::default());
    let page = browser.get(&rig, &authorize_url(&client, redirect_uri, &verifier, "")).await;
    let rig = rig.again();
    let form = browser.consent(&rig, &page).await;
    let rig = rig.again();
    let answer = browser.password(&rig, &form, "ada", super::support::PASSWORD).await;
    let code = answer.parameter("code").unwrap();
    let rig = rig.again();
    let tokens = rig.redeem(&client, redirect_uri, &code, &verifier).await.tokens();
    let rig = rig.again();
    rig.call(&tokens.access).await.unwrap();
    let newer = rig.refresh(&client, &tokens.refresh).await.tokens();
    rig.again().call(&newer.access).await.unwrap();
    // The user is still signed in to the browser, and consents only.
    let page = browser.get(&rig, &authorize_url(&client, redirect_uri, &verifier, "")).await;
    assert_eq!(browser.consent(&rig, &page).await.status(), 303);
}

#[tokio::test]
async fn a_retried_refresh_gets_the_same_tokens_again() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let tokens = rig.tokens(&client, WEB_CLIENT).await;
    let first = rig.refresh(&client, &tokens.refresh).await.tokens();
    rig.wait(Duration::from_secs(29));
    // Another process of the server, as well.
    let again = rig.again().refresh(&client, &tokens.refresh).await;
    assert_eq!(again.json()["expires_in"], 3600 - 29);
    let again = again.tokens();
    assert_eq!((&again.access, &again.refresh), (&first.access, &first.refresh));
    rig.call(&again.access).await.unwrap();
    rig.refresh(&client, &first.refresh).await.tokens();
}

#[tokio::test]
async fn several_refreshes_at_once_get_the_same_tokens() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let tokens = rig.tokens(&client, WEB_CLIENT).await;
    let other = rig.again();
    let (one, two, three) = tokio::join!(
        rig.refresh(&client, &tokens.refresh),
        other.refresh(&client, &tokens.refresh),
        rig.refresh(&client, &tokens.refresh)
    );
    let (one, two, three) = (one.tokens(), two.tokens(), three.tokens());
    assert!(one.refresh == two.refresh && two.refresh == three.refresh && one.access == three.access);
}

#[tokio::test]
async fn a_refresh_may_narrow_the_scopes_and_never_widen_them() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let tokens = rig.tokens(&client, WEB_CLIENT).await;
    let refresh = async |token: &str, scope: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &client),
            ("refresh_token", token),
            ("scope", scope),
        ];
        rig.post("/token", &form).await
    };
    assert_eq!(refresh(&tokens.refresh, "a c").await.error(), (400, "invalid_scope".into()));
    let narrowed = refresh(&tokens.refresh, "b").await;
    assert_eq!(narrowed.json()["scope"], "b");
    let narrowed = narrowed.tokens();
    assert!(rig.call(&narrowed.access).await.unwrap().ends_with(" b"));
    let whole = rig.refresh(&client, &narrowed.refresh).await;
    assert_eq!(whole.json()["scope"], "a b");
}

/// Invariant: A refresh gives nothing that the configuration does not give any more: neither a scope nor a client.
#[tokio::test]
async fn a_refresh_follows_the_configuration_of_now() {
    let client = ConfiguredClient {
        id: "team".into(),
        name: None,
        redirect_uris: vec![WEB_CLIENT.into()],
        secret: None,
    };
    let rig = Rig::with(settings().client(client.clone())).await;
    let tokens = rig.tokens("team", WEB_CLIENT).await;
    let with = |scopes: &[&str]| {
        let scopes = scopes.iter().map(|&scope| scope.to_owned());
        rig.again_with(settings().client(client.clone()).scopes(scopes))
    };
    // A scope that is gone is left out, also where it is asked for.
    let fewer = with(&["b", "c"]);
    let answer = fewer.refresh("team", &tokens.refresh).await;
    assert_eq!(answer.json()["scope"], "b");
    let tokens = answer.tokens();
    assert!(fewer.call(&tokens.access).await.unwrap().ends_with(" b"));
    let refresh = async |rig: &Rig, scope: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "team"),
            ("refresh_token", &*tokens.refresh),
            ("scope", scope),
        ];
        rig.post("/token", &form).await
    };
    assert_eq!(refresh(&fewer, "a").await.error(), (400, "invalid_scope".into()));
    assert_eq!(refresh(&fewer, "c").await.error(), (400, "invalid_scope".into()), "was never granted");
    // Nothing is left: the user signs in again, and the client does not ask in vain for ever.
    assert_eq!(with(&["c"]).refresh("team", &tokens.refresh).await.error(), (400, "invalid_grant".into()));
    let gone = rig.again().refresh("team", &tokens.refresh).await;
    assert_eq!(gone.error(), (401, "invalid_client".into()), "the client is not in the file any more");
    // Nothing was used up by what was refused, and what is given again comes back.
    let whole = with(&["a", "b"]).refresh("team", &tokens.refresh).await;
    assert_eq!(whole.json()["scope"], "a b");
}

#[tokio::test]
async fn the_metadata_says_what_clients_look_for() {
    let rig = Rig::new().await;
    let get = |path: &str| {
        Request::get(path).header("host", "mcp.example.com").header("origin", "https://page.example")
    };
    let answer =
        rig.send(get("/.well-known/oauth-authorization-server").body(Full::default()).unwrap()).await;
    assert_eq!((answer.status(), answer.header("access-control-allow-origin")), (StatusCode::OK, "*"));
    let metadata = answer.json();
    assert_eq!(metadata["issuer"], ISSUER);
    for (name, path) in [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("registration_endpoint", "/register"),
        ("revocation_endpoint", "/revoke"),
    ] {
        assert_eq!(metadata[name], format!("{ISSUER}{path}"));
    }
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert!(metadata["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("none")));
    // No ID tokens, so no document of OpenID Connect.
    let openid = rig.send(get("/.well-known/openid-configuration").body(Full::default()).unwrap()).await;
    assert_ne!(openid.status(), 200);
    // The resource names it.
    let resource =
        rig.send(get("/.well-known/oauth-protected-resource/mcp").body(Full::default()).unwrap()).await;
    assert_eq!(resource.json()["authorization_servers"], json!([ISSUER]));
}

#[tokio::test]
async fn pages_of_every_origin_register_and_redeem_but_see_no_page_of_ours() {
    let rig = Rig::new().await;
    let preflight = |path: &str| {
        let request = Request::builder().method(Method::OPTIONS).uri(path).header("host", "mcp.example.com");
        let request =
            request.header("origin", "https://page.example").header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "content-type").body(Full::default()).unwrap()
    };
    for path in ["/register", "/token", "/revoke"] {
        let answer = rig.send(preflight(path)).await;
        assert_eq!(
            (answer.status(), answer.header("access-control-allow-origin")),
            (StatusCode::NO_CONTENT, "*"),
            "{path}"
        );
        assert_eq!(answer.header("access-control-allow-headers"), "content-type");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    for path in ["/authorize", "/oauth/consent", "/oauth/login", "/mcp", "/who"] {
        let answer = rig.send(preflight(path)).await;
        assert_eq!(
            (answer.status(), answer.header("access-control-allow-origin")),
            (StatusCode::FORBIDDEN, ""),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_client_of_the_configuration_proves_itself_in_either_way() {
    let client = ConfiguredClient {
        id: "team:app".into(),
        name: Some("The team's app".into()),
        redirect_uris: vec![WEB_CLIENT.into()],
        secret: Some(Secret::new("a secret: of+it")),
    };
    let rig = Rig::with(settings().client(client)).await;
    let page = Browser::default()
        .get(&rig, &authorize_url("team:app", WEB_CLIENT, &Verifier::random().unwrap(), ""))
        .await;
    assert!(page.text().contains("The team&#39;s app") && !page.text().contains("not verified"), "{page:?}");
    for by_header in [true, false] {
        let (code, verifier) = rig.code("team:app", WEB_CLIENT, "").await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("code_verifier", verifier.secret().expose()),
        ];
        let answer = match by_header {
            // "team%3Aapp:a+secret%3A+of%2Bit"
            true => rig.post_as("/token", "Basic dGVhbSUzQWFwcDphK3NlY3JldCUzQStvZiUyQml0", &form).await,
            false => {
                let form =
                    [&form[..], &[("client_id", "team:app"), ("client_secret", "a secret: of+it")]].concat();
                rig.post("/token", &form).await
            }
        };
        answer.tokens();
    }
}

#[tokio::test]
async fn a_confidential_client_that_registers_gets_a_secret_of_its_own() {
    let rig = Rig::new().await;
    let metadata =
        json!({ "redirect_uris": [WEB_CLIENT], "token_endpoint_auth_method": "client_secret_post" });
    let (one, other) = (rig.register(&metadata).await.json(), rig.register(&metadata).await.json());
    assert_ne!(one["client_id"], other["client_id"]);
    let (id, secret) = (one["client_id"].as_str().unwrap(), one["client_secret"].as_str().unwrap());
    assert_eq!(one["client_secret_expires_at"], 0);
    let (code, verifier) = rig.code(id, WEB_CLIENT, "").await;
    let form = |secret: &'static str| {
        [("grant_type", "authorization_code"), ("client_secret", secret)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let mut with_secret = form("").to_vec();
    with_secret[1].1 = secret.to_owned();
    with_secret.extend(
        [("client_id", id), ("code", &code), ("code_verifier", verifier.secret().expose())]
            .map(|(name, value)| (name.into(), value.into())),
    );
    let pairs: Vec<(&str, &str)> =
        with_secret.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    rig.post("/token", &pairs).await.tokens();
}

#[tokio::test]
async fn a_token_is_revoked_with_its_whole_grant() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let tokens = rig.tokens(&client, WEB_CLIENT).await;
    let revoke = async |client: &str, token: &str| {
        rig.post("/revoke", &[("client_id", client), ("token", token)]).await.status()
    };
    let other = rig.client(&["https://other.example/cb"]).await;
    assert_eq!(revoke(&other, &tokens.refresh).await, 200);
    rig.call(&tokens.access).await.unwrap();
    assert_eq!(revoke(&client, &tokens.refresh).await, 200);
    assert_eq!(revoke(&client, &tokens.refresh).await, 200);
    assert_eq!(rig.again().call(&tokens.access).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(rig.refresh(&client, &tokens.refresh).await.error(), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn the_tokens_of_a_removed_user_end() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let tokens = rig.tokens(&client, WEB_CLIENT).await;
    rig.users.remove("ada").await.unwrap().unwrap();
    // Another user of the same name is somebody else.
    rig.users.add("ada", &Secret::new(super::support::PASSWORD), None).await.unwrap();
    assert_eq!(rig.refresh(&client, &tokens.refresh).await.error(), (400, "invalid_grant".into()));
    assert_eq!(rig.again().call(&tokens.access).await, Err(StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn a_user_grants_only_the_scopes_that_are_its_own() {
    let rig = Rig::new().await;
    rig.users.remove("ada").await.unwrap();
    rig.users.add("ada", &Secret::new(super::support::PASSWORD), Some(vec!["a".into()])).await.unwrap();
    let client = rig.client(&[WEB_CLIENT]).await;
    let tokens = rig.tokens(&client, WEB_CLIENT).await;
    assert!(rig.call(&tokens.access).await.unwrap().ends_with(" a"));
    let url = authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "&scope=b");
    let refused = Browser::default().sign_in(&rig, &url).await;
    assert_eq!(refused.parameter("error").as_deref(), Some("access_denied"));
    // Every request needs this scope, so each user may grant it: without it, no token of the user would be accepted.
    let rig = rig.again_with(settings().required_scopes(["mcp".to_owned()]));
    let (code, verifier) = rig.code(&client, WEB_CLIENT, "&scope=mcp+a+b").await;
    let tokens = rig.redeem(&client, WEB_CLIENT, &code, &verifier).await.tokens();
    assert!(rig.call(&tokens.access).await.unwrap().ends_with(" mcp,a"));
}

#[tokio::test]
async fn a_consent_is_remembered_only_where_no_other_site_can_use_it() {
    let rig = Rig::with(settings().consent(ConsentMode::Remember)).await;
    let client = rig.client(&[WEB_CLIENT, "http://127.0.0.1/cb"]).await;
    let (verifier, mut browser) = (Verifier::random().unwrap(), Browser::default());
    let url = |redirect_uri: &str, more: &str| authorize_url(&client, redirect_uri, &verifier, more);
    browser.sign_in(&rig, &url(WEB_CLIENT, "&scope=a")).await;
    browser.sign_in(&rig, &url("http://127.0.0.1:7/cb", "&scope=a")).await;
    let asks = async |browser: &mut Browser, site: Option<&str>, url: &str| {
        browser.headers.clear();
        if let Some(site) = site {
            browser.headers.insert("sec-fetch-site", site.parse().unwrap());
        }
        browser.get(&rig, url).await.status() == 200
    };
    assert!(!asks(&mut browser, Some("none"), &url(WEB_CLIENT, "&scope=a")).await);
    assert!(asks(&mut browser, Some("cross-site"), &url(WEB_CLIENT, "&scope=a")).await);
    assert!(asks(&mut browser, Some("same-site"), &url(WEB_CLIENT, "&scope=a")).await);
    assert!(asks(&mut browser, None, &url(WEB_CLIENT, "&scope=a")).await);
    assert!(asks(&mut browser, Some("none"), &url(WEB_CLIENT, "&scope=a+b")).await, "a further scope");
    assert!(asks(&mut browser, Some("none"), &url("http://127.0.0.1:7/cb", "&scope=a")).await, "loopback");
    assert!(
        asks(&mut Browser::default(), Some("none"), &url(WEB_CLIENT, "&scope=a")).await,
        "another browser"
    );
}

#[tokio::test]
async fn a_page_of_ours_has_the_user_sign_in_and_come_back() {
    let rig = Rig::new().await;
    let (mut browser, mut request) = (Browser::default(), http::Request::new(bytes::Bytes::new()));
    let form = rig.server.sign_in(&request, "/connect/7?x=1").await;
    let cookie = form.headers()["set-cookie"].to_str().unwrap();
    let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
    browser.cookies.insert(name.into(), value.into());
    let form = super::support::Answer(form.map(|body| String::from_utf8(body.to_vec()).unwrap()));
    let answer = browser.password(&rig, &form, "ada", super::support::PASSWORD).await;
    assert_eq!((answer.status(), answer.header("location")), (StatusCode::SEE_OTHER, "/connect/7?x=1"));
    let cookies: Vec<String> =
        browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    request.headers_mut().insert(http::header::COOKIE, cookies.join("; ").parse().unwrap());
    assert_eq!(rig.server.signed_in(request.headers()).await.unwrap().unwrap().name, "ada");
    for elsewhere in ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\nb"] {
        assert_eq!(rig.server.sign_in(&request, elsewhere).await.status(), 403, "{elsewhere}");
    }
}

#[tokio::test]
async fn a_user_who_is_somebody_else_signs_out_and_the_authorization_begins_again() {
    let rig = Rig::new().await;
    rig.users.add("bob", &Secret::new(super::support::PASSWORD), None).await.unwrap();
    let client = rig.client(&[WEB_CLIENT]).await;
    let (verifier, mut browser) = (Verifier::random().unwrap(), Browser::default());
    let url = authorize_url(&client, WEB_CLIENT, &verifier, "&scope=a");
    assert!(!browser.get(&rig, &url).await.text().contains("Not you?"), "nobody is signed in yet");
    browser.sign_in(&rig, &url).await;
    let page = browser.get(&rig, &url).await;
    assert!(page.text().contains("You are signed in as</dt><dd>ada</dd>"), "{page:?}");
    let (consent, sign_out) =
        page.text().split_once("Not you?").map(|(form, _)| form.rsplit_once("<form").unwrap()).unwrap();
    assert!(consent.contains("/oauth/consent"), "the form of the consent is the first: {page:?}");
    let field = |name: &str| {
        let (_, rest) = sign_out.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split_once('"').unwrap().0.replace("&amp;", "&")
    };
    let (token, return_to) = (field("token"), field("return_to"));
    // A request of another site, or without the form token of this browser, does not sign the user out.
    let session = browser.cookies["__Host-anyport-session"].clone();
    for (site, token) in [("cross-site", &*token), ("same-origin", "guessed"), ("same-origin", "")] {
        let mut other = browser.clone();
        other.headers.insert("sec-fetch-site", site.parse().unwrap());
        assert_eq!(other.post(&rig, "/oauth/sign-out", &[("token", token)]).await.status(), 403, "{site}");
    }
    let form = [("token", &*token), ("return_to", &*return_to)];
    let again = browser.post(&rig, "/oauth/sign-out", &form).await;
    assert_eq!((again.status(), again.header("location")), (StatusCode::SEE_OTHER, &*url));
    assert_eq!(browser.cookies["__Host-anyport-session"], "");
    assert!(again.header("set-cookie").contains("Max-Age=0"), "{again:?}");
    let page = browser.get(&rig, &url).await;
    let form = browser.consent(&rig, &page).await;
    let answer = browser.password(&rig, &form, "bob", super::support::PASSWORD).await;
    let code = answer.parameter("code").unwrap();
    let tokens = rig.redeem(&client, WEB_CLIENT, &code, &verifier).await.tokens();
    assert!(rig.call(&tokens.access).await.unwrap().starts_with("bob-"));
    // The earlier session has ended: a copy of its cookie does not work either.
    let mut copy = Browser::default();
    copy.cookies.insert("__Host-anyport-session".into(), session);
    assert!(copy.get(&rig, "/oauth/sign-out").await.text().contains("Nobody is signed in"));
    // The page of its own.
    let page = browser.get(&rig, "/oauth/sign-out").await;
    assert!(page.text().contains("<dd>bob</dd>"), "{page:?}");
    let (_, rest) = page.text().split_once("name=\"token\" value=\"").unwrap();
    let ended = browser.post(&rig, "/oauth/sign-out", &[("token", rest.split_once('"').unwrap().0)]).await;
    assert_eq!((ended.status(), ended.header("location")), (StatusCode::OK, ""));
    assert!(browser.get(&rig, "/oauth/sign-out").await.text().contains("Nobody is signed in"));
}

#[tokio::test]
async fn of_several_endpoints_a_client_names_one() {
    let two = || vec![RESOURCE.to_owned(), format!("{ISSUER}/s/x/mcp")];
    let mut settings = settings();
    settings.resources = Resources::new(two);
    let rig = Rig::with(settings).await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let url = authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "");
    let without = url.replace(&format!("&resource={}", "https%3A%2F%2Fmcp.example.com%2Fmcp"), "");
    assert_ne!(url, without);
    let refused = Browser::default().get(&rig, &without).await;
    assert!(refused.text().contains("error=invalid_target"), "{refused:?}");
}
