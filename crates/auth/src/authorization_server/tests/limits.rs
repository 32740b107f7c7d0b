//! The limits, each of which is hit.

use std::time::Duration;

use serde_json::json;

use super::support::{Browser, PASSWORD, Rig, WEB_CLIENT, authorize_url, limits, settings};
use crate::Verifier;

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
    let few = limits().max_registrations(3).registrations_per_hour(6);
    let rig = Rig::with(settings().limits(few)).await;
    let large = json!({ "redirect_uris": [WEB_CLIENT], "x": "x".repeat(16 << 10) });
    assert_eq!(rig.register(&large).await.error(), (413, "invalid_client_metadata".into()));
    let many: Vec<String> = (0..9).map(|number| format!("https://a.example/{number}")).collect();
    assert_eq!(
        rig.register(&json!({ "redirect_uris": many })).await.error(),
        (400, "invalid_redirect_uri".into())
    );
    for number in 0..3 {
        rig.client(&[&format!("https://a.example/{number}")]).await;
    }
    let full = rig.register(&json!({ "redirect_uris": ["https://a.example/3"] })).await;
    assert_eq!(full.error(), (503, "temporarily_unavailable".into()));
    // One that is there needs no room.
    rig.client(&["https://a.example/0"]).await;
    let often = rig.register(&json!({ "redirect_uris": ["https://a.example/0"] })).await;
    assert_eq!(
        (often.error(), often.header("retry-after")),
        ((429, "temporarily_unavailable".into()), "3600")
    );
    for limit in ["max_registration", "max_redirect_uris", "registrations_per_hour", "max_registrations"] {
        assert_eq!(rig.refusals(limit), 1, "{limit}");
    }
    tokio::time::advance(Duration::from_secs(3600)).await;
    rig.client(&["https://a.example/0"]).await;
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
    assert_eq!(browser.password(&rig, &form, "bob", "wrong horse").await.status(), 401);
}
