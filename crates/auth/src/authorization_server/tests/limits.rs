//! The limits, each of which is hit.

use std::time::Duration;

use http::Request;
use http_body_util::Full;
use serde_json::json;

use super::support::{Browser, PASSWORD, Rig, WEB_CLIENT, authorize_url, limits, settings};
use crate::{Verifier, authorization_server::ConsentMode};

impl Rig {
    pub(super) fn refreshed_refusals(&self) -> u64 {
        self.refusals("refresh_retry")
    }
}

/// Limit: authorization_code, access_token, refresh_token.
#[tokio::test]
async fn codes_and_tokens_end() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let (code, verifier) = rig.code(&client, WEB_CLIENT, "").await;
    let tokens = rig.tokens(&client, WEB_CLIENT).await;
    rig.wait(Duration::from_secs(59));
    rig.wait(Duration::from_secs(1));
    assert_eq!(
        rig.redeem(&client, WEB_CLIENT, &code, &verifier).await.error(),
        (400, "invalid_grant".into())
    );
    assert_eq!(rig.refusals("authorization_code"), 1);
    rig.call(&tokens.access).await.unwrap();
    rig.wait(Duration::from_secs(3600 - 60));
    assert!(rig.again().call(&tokens.access).await.is_err());
    let newer = rig.refresh(&client, &tokens.refresh).await.tokens();
    rig.wait(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(rig.refresh(&client, &newer.refresh).await.error(), (400, "invalid_grant".into()));
    assert_eq!(rig.refusals("refresh_token"), 1);
}

/// Limit: max_registration, max_redirect_uris, registrations_per_hour, max_registrations.
#[tokio::test(start_paused = true)]
async fn registrations_are_bounded() {
    let few = limits().max_registrations(3).registrations_per_hour(2);
    let rig = Rig::with(settings().limits(few)).await;
    let large = json!({ "redirect_uris": [WEB_CLIENT], "x": "x".repeat(16 << 10) });
    assert_eq!(rig.register(&large).await.error(), (413, "invalid_client_metadata".into()));
    let many: Vec<String> = (0..9).map(|number| format!("https://a.example/{number}")).collect();
    assert_eq!(
        rig.register(&json!({ "redirect_uris": many })).await.error(),
        (400, "invalid_redirect_uri".into())
    );
    for number in [0, 1] {
        rig.client(&[&format!("https://a.example/{number}")]).await;
    }
    let third = json!({ "redirect_uris": ["https://a.example/2"] });
    let often = rig.register(&third).await;
    assert_eq!(
        (often.error(), often.header("retry-after")),
        ((429, "temporarily_unavailable".into()), "3600")
    );
    // Neither one that is there nor one that is refused needs room: they do not count.
    rig.client(&["https://a.example/0"]).await;
    tokio::time::advance(Duration::from_secs(3600)).await;
    for _ in 0..4 {
        rig.client(&["https://a.example/0"]).await;
        rig.register(&json!({ "redirect_uris": ["x"] })).await;
    }
    assert_eq!(rig.register(&third).await.status(), 201);
    let full = rig.register(&json!({ "redirect_uris": ["https://a.example/3"] })).await;
    assert_eq!(full.error(), (503, "temporarily_unavailable".into()));
    rig.client(&["https://a.example/0"]).await;
    for limit in ["max_registration", "max_redirect_uris", "registrations_per_hour", "max_registrations"] {
        assert_eq!(rig.refusals(limit), 1, "{limit}");
    }
}

/// Limit: registrations_per_hour.
#[tokio::test]
async fn registrations_behind_a_proxy_count_for_the_client_and_not_for_the_proxy() {
    let one = limits().registrations_per_hour(1);
    let mut rig = Rig::with(settings().limits(one)).await;
    rig.trust("203.0.113.0/24");
    let mut number = 0;
    let mut register = async |rig: &Rig, forwarded: &str| {
        number += 1;
        let metadata = json!({ "redirect_uris": [format!("https://a.example/{number}")] });
        let request = Request::post("/register").header("host", "mcp.example.com");
        let request = request.header("content-type", "application/json").header("x-forwarded-for", forwarded);
        rig.send(request.body(Full::new(metadata.to_string().into())).unwrap()).await.status().as_u16()
    };
    assert_eq!(register(&rig, "198.51.100.1").await, 201);
    assert_eq!(register(&rig, "198.51.100.1").await, 429);
    assert_eq!(register(&rig, "6.6.6.6, 198.51.100.1").await, 429, "what the client says of itself");
    assert_eq!(register(&rig, "198.51.100.2").await, 201);
    // A network of one user.
    assert_eq!(register(&rig, "2001:db8::1").await, 201);
    assert_eq!(register(&rig, "2001:db8::2").await, 429);
    rig.trust("10.0.0.0/8");
    assert_eq!(register(&rig, "198.51.100.3").await, 201, "the proxy itself");
    assert_eq!(register(&rig, "198.51.100.4").await, 429, "who is not trusted is not believed");
}

/// Limit: max_interactions.
#[tokio::test]
async fn authorizations_that_begin_are_bounded() {
    let rig = Rig::with(settings().limits(limits().max_interactions(2))).await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let url = authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "");
    for status in [200, 200, 503] {
        assert_eq!(Browser::default().get(&rig, &url).await.status(), status);
    }
    assert_eq!(rig.refusals("max_interactions"), 1);
}

/// Limit: max_interactions_per_address.
#[tokio::test]
async fn browsers_of_one_address_leave_places_to_others() {
    let mut rig = Rig::with(settings().limits(limits().max_interactions_per_address(2))).await;
    rig.trust("203.0.113.7");
    let client = rig.client(&[WEB_CLIENT]).await;
    let url = authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "");
    let begin = async |address: &str| {
        let mut browser = Browser::default();
        browser.headers.insert("x-forwarded-for", address.parse().unwrap());
        browser.get(&rig, &url).await.status().as_u16()
    };
    for status in [200, 200, 503, 503] {
        assert_eq!(begin("198.51.100.1").await, status);
    }
    assert_eq!(begin("198.51.100.2").await, 200);
    assert_eq!((rig.refusals("max_interactions_per_address"), rig.refusals("max_interactions")), (2, 0));
}

/// Limit: login_attempts.
#[tokio::test]
async fn passwords_are_tried_five_times_a_minute() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let mut browser = Browser::default();
    let page = browser.get(&rig, &authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "")).await;
    let mut form = browser.consent(&rig, &page).await;
    for status in [401, 401, 401, 401, 401, 429] {
        form = browser.password(&rig, &form, "ada", "wrong horse").await;
        assert_eq!(form.status(), status);
    }
    assert_eq!(rig.refusals("login_attempts"), 1);
    form = browser.password(&rig, &form, "ada", PASSWORD).await;
    assert_eq!(form.status(), 429, "the right one is not looked at, either");
    // Another user is not locked out.
    form = browser.password(&rig, &form, "bob", "wrong horse").await;
    assert_eq!(form.status(), 401);
    // Processes on one store count together.
    form = browser.password(&rig.again(), &form, "ADA", PASSWORD).await;
    assert_eq!(form.status(), 429);
    rig.wait(Duration::from_secs(60));
    assert_eq!(browser.password(&rig, &form, "ada", PASSWORD).await.status(), 303);
}

/// Limit: login_attempts_of_user.
#[tokio::test]
async fn attempts_at_one_address_lock_nobody_out_at_another_unless_there_are_many() {
    let mut rig = Rig::with(settings().limits(limits().login_attempts_of_user(12))).await;
    rig.trust("203.0.113.7");
    let client = rig.client(&[WEB_CLIENT]).await;
    let mut browser = Browser::default();
    let page = browser.get(&rig, &authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "")).await;
    let mut form = browser.consent(&rig, &page).await;
    let mut attempt = async |address: &str, password: &str| {
        browser.headers.insert("x-forwarded-for", address.parse().unwrap());
        form = browser.password(&rig, &form, "ada", password).await;
        form.status().as_u16()
    };
    for status in [401, 401, 401, 401, 401, 429, 429, 429, 429] {
        assert_eq!(attempt("198.51.100.1", "wrong horse").await, status);
    }
    // What was refused at one address does not count for the user.
    for status in [401, 401, 401, 401, 401, 429] {
        assert_eq!(attempt("198.51.100.2", "wrong horse").await, status);
    }
    assert_eq!(attempt("198.51.100.3", "wrong horse").await, 401);
    assert_eq!(attempt("198.51.100.4", PASSWORD).await, 303, "ada herself");
    assert_eq!(rig.refusals("login_attempts"), 5);
    assert_eq!(rig.refusals("login_attempts_of_user"), 0);
}

/// Limit: login_attempts_of_user.
#[tokio::test]
async fn attempts_from_everywhere_together_are_bounded() {
    let mut rig = Rig::with(settings().limits(limits().login_attempts_of_user(2))).await;
    rig.trust("203.0.113.7");
    let client = rig.client(&[WEB_CLIENT]).await;
    let mut browser = Browser::default();
    let page = browser.get(&rig, &authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "")).await;
    let mut form = browser.consent(&rig, &page).await;
    for (number, status) in [401, 401, 429].into_iter().enumerate() {
        browser.headers.insert("x-forwarded-for", format!("198.51.100.{number}").parse().unwrap());
        form = browser.password(&rig, &form, "ada", "wrong horse").await;
        assert_eq!(form.status(), status);
    }
    assert_eq!(rig.refusals("login_attempts_of_user"), 1);
}

/// Limit: interaction.
#[tokio::test]
async fn a_page_that_was_left_open_has_expired() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let url = authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "");
    let mut browser = Browser::default();
    let (page, other) = (browser.get(&rig, &url).await, browser.get(&rig, &url).await);
    rig.wait(Duration::from_secs(599));
    let form = browser.consent(&rig, &page).await;
    rig.wait(Duration::from_secs(1));
    assert_eq!(browser.consent(&rig, &other).await.status(), 403);
    // The user who went on has ten minutes more.
    rig.wait(Duration::from_secs(598));
    assert_eq!(browser.password(&rig, &form, "ada", PASSWORD).await.status(), 303);
}

/// Limit: browser_session, remembered_consent.
#[tokio::test]
async fn a_user_stays_signed_in_for_half_a_day() {
    let rig = Rig::with(settings().consent(ConsentMode::Remember)).await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let url = authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "");
    let mut browser = Browser::default();
    browser.headers.insert("sec-fetch-site", "none".parse().unwrap());
    let mut from_page = Browser::default();
    from_page.sign_in(&rig, &url).await;
    browser.cookies = from_page.cookies.clone();
    rig.wait(Duration::from_secs(12 * 3600 - 1));
    assert_eq!(browser.get(&rig, &url).await.status(), 303, "signed in, and the consent is remembered");
    rig.wait(Duration::from_secs(1));
    let page = browser.get(&rig, &url).await;
    assert_eq!(page.status(), 200);
    from_page.cookies = browser.cookies.clone();
    let form = from_page.consent(&rig, &page).await;
    assert!(form.text().contains("type=\"password\""), "{form:?}");
    from_page.password(&rig, &form, "ada", PASSWORD).await;
    browser.cookies = from_page.cookies.clone();
    assert_eq!(browser.get(&rig, &url).await.status(), 303);
    rig.wait(Duration::from_secs(30 * 24 * 3600));
    browser.cookies = {
        let mut later = Browser::default();
        // Another client, whose consent says nothing of this one.
        let other = rig.client(&["https://other.example/cb"]).await;
        later
            .sign_in(
                &rig,
                &authorize_url(&other, "https://other.example/cb", &Verifier::random().unwrap(), ""),
            )
            .await;
        later.cookies
    };
    let client = rig.client(&[WEB_CLIENT]).await;
    let url = authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "");
    assert_eq!(browser.get(&rig, &url).await.status(), 200, "the consent is forgotten");
}

/// Limit: registration_idle.
#[tokio::test]
async fn a_client_that_is_not_used_is_removed_and_one_that_is_used_stays() {
    let rig = Rig::new().await;
    let (used, idle) = (rig.client(&[WEB_CLIENT]).await, rig.client(&["https://idle.example/cb"]).await);
    let mut tokens = rig.tokens(&used, WEB_CLIENT).await;
    for _ in 0..4 {
        rig.wait(Duration::from_secs(10 * 24 * 3600));
        tokens = rig.refresh(&used, &tokens.refresh).await.tokens();
    }
    assert_eq!(rig.refresh(&idle, "apr_").await.error(), (401, "invalid_client".into()));
    let url = authorize_url(&idle, "https://idle.example/cb", &Verifier::random().unwrap(), "");
    assert_eq!(Browser::default().get(&rig, &url).await.status(), 400);
}

/// Limit: grant_life.
#[tokio::test]
async fn a_grant_ends_however_often_it_is_used() {
    let rig = Rig::new().await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let mut tokens = rig.tokens(&client, WEB_CLIENT).await;
    for _ in 0..8 {
        rig.wait(Duration::from_secs(10 * 24 * 3600));
        tokens = rig.refresh(&client, &tokens.refresh).await.tokens();
    }
    rig.wait(Duration::from_secs(10 * 24 * 3600));
    assert_eq!(rig.refresh(&client, &tokens.refresh).await.error(), (400, "invalid_grant".into()));
    assert_eq!(rig.refusals("grant_life"), 1);
}

/// Limit: refresh_retry.
#[tokio::test]
async fn the_time_for_retries_is_a_limit() {
    let rig = Rig::with(settings().limits(limits().refresh_retry(Duration::from_secs(2)))).await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let tokens = rig.tokens(&client, WEB_CLIENT).await;
    rig.refresh(&client, &tokens.refresh).await.tokens();
    rig.wait(Duration::from_secs(2));
    assert_eq!(rig.refresh(&client, &tokens.refresh).await.error(), (400, "invalid_grant".into()));
    assert_eq!(rig.refusals("refresh_retry"), 1);
}

/// Limit: grant_cache.
#[tokio::test]
async fn what_was_read_of_a_token_is_used_for_seconds() {
    for (cache, is_known) in [(Duration::from_secs(600), true), (Duration::ZERO, false)] {
        let rig = Rig::with(settings().limits(limits().grant_cache(cache))).await;
        let client = rig.client(&[WEB_CLIENT]).await;
        let tokens = rig.tokens(&client, WEB_CLIENT).await;
        rig.call(&tokens.access).await.unwrap();
        rig.post("/revoke", &[("client_id", &client), ("token", &tokens.access)]).await;
        assert_eq!(rig.call(&tokens.access).await.is_ok(), is_known);
    }
}

/// Limit: max_password_checks.
#[tokio::test(start_paused = true)]
async fn few_passwords_are_checked_at_once() {
    // None at all, as if others took every place.
    let rig = Rig::with(settings().limits(limits().max_password_checks(0))).await;
    let client = rig.client(&[WEB_CLIENT]).await;
    let mut browser = Browser::default();
    let page = browser.get(&rig, &authorize_url(&client, WEB_CLIENT, &Verifier::random().unwrap(), "")).await;
    let form = browser.consent(&rig, &page).await;
    assert_eq!(browser.password(&rig, &form, "ada", PASSWORD).await.status(), 503);
    assert_eq!(rig.refusals("max_password_checks"), 1);
}
