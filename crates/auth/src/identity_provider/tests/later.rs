//! What becomes of a login after its user has signed in.

use std::{sync::Arc, time::Duration};

use anyport_metrics::Metrics;
use anyport_store::{MemoryStore, Store};
use serde_json::{Value, json};

use super::fake::{Fake, STATE, options};
use crate::identity_provider::{
    PROVIDER_LOGINS, PROVIDER_REFRESH_LEASES, ProviderKind,
    ProviderLoginStatus::{Active, Ended, Unknown},
    ProviderLogins, SignedInUser,
    admission::Admission,
};

const LIFE: Duration = Duration::from_secs(30 * 86_400);

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(&[&PROVIDER_LOGINS, &PROVIDER_REFRESH_LEASES], &Metrics::new()))
}

fn logins(fake: &Fake, store: &Arc<dyn Store>) -> ProviderLogins {
    let key = anyport_seal::Key::from_bytes([7; 32]);
    ProviderLogins::new(fake.provider.clone(), store.clone(), anyport_seal::Sealer::new(&key), LIFE)
}

/// A login whose tokens live for an hour, and its id.
async fn signed_in() -> (Fake, ProviderLogins, String) {
    let fake = Fake::new().await;
    let (user, tokens) = fake.sign_in(json!({})).await.unwrap();
    let logins = logins(&fake, &store());
    let id = logins.keep(&user, tokens).await.unwrap();
    (fake, logins, id)
}

fn renewed(number: u32, more: Value) -> Value {
    let mut answer =
        json!({ "access_token": format!("at-{number}"), "token_type": "Bearer", "expires_in": 3600 });
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer
}

fn refreshes(fake: &Fake) -> Vec<String> {
    let of = fake.requests("/token").into_iter().filter(|(_, form)| form["grant_type"] == "refresh_token");
    of.map(|(_, form)| {
        assert!(!form.contains_key("resource") && !form.contains_key("scope"));
        form["refresh_token"].clone()
    })
    .collect()
}

/// Invariant: A login lives as long as the provider renews its tokens, and ends when the provider refuses.
#[tokio::test]
async fn a_login_ends_when_the_provider_refuses_to_renew_its_tokens() {
    let (fake, logins, id) = signed_in().await;
    assert_eq!(logins.status(&id).await, Active);
    fake.advance(3600 - 61);
    assert_eq!(logins.status(&id).await, Active);
    assert_eq!(refreshes(&fake).len(), 0, "nobody asks before the token ends");
    fake.advance(2);
    fake.answer(200, &renewed(2, json!({ "refresh_token": "rt-2" })));
    assert_eq!(logins.status(&id).await, Active);
    // This answer does not repeat the refresh token.
    fake.answer(200, &renewed(3, json!({})));
    fake.advance(3600);
    assert_eq!((logins.status(&id).await, logins.status(&id).await), (Active, Active));
    fake.advance(3600);
    fake.answer(400, &json!({ "error": "invalid_grant" }));
    assert_eq!(logins.status(&id).await, Ended);
    assert_eq!(refreshes(&fake), ["rt-1", "rt-2", "rt-2"]);
    // It does not come back.
    fake.answer(200, &renewed(4, json!({})));
    assert_eq!(logins.status(&id).await, Ended);
    assert_eq!(refreshes(&fake).len(), 3);
}

#[tokio::test]
async fn a_login_that_is_forgotten_has_ended() {
    let (_, logins, id) = signed_in().await;
    logins.end(&id).await.unwrap();
    assert_eq!(logins.status(&id).await, Ended);
    assert_eq!(logins.status("unknown").await, Ended);
}

/// Invariant: A provider that is out of order, or refuses this program as its client, ends no user's login.
#[tokio::test]
async fn only_the_word_about_the_user_ends_a_login() {
    for (status, answer) in [
        (503, json!({})),
        (429, json!({ "error": "slow_down" })),
        (401, json!({ "error": "invalid_client" })),
        (400, json!({ "error": "unauthorized_client" })),
        (200, json!({ "nothing": true })),
    ] {
        let (fake, logins, id) = signed_in().await;
        fake.advance(3600);
        fake.answer(status, &answer);
        assert_eq!(logins.status(&id).await, Unknown, "{answer}");
        assert_eq!(logins.status(&id).await, Unknown, "{answer}");
        assert_eq!(refreshes(&fake).len(), 1, "the provider is left alone for a while");
        fake.answer(200, &renewed(2, json!({})));
        crate::resource_server::tests::server::advance(Duration::from_secs(16)).await;
        assert_eq!(logins.status(&id).await, Active, "{answer}");
    }
}

/// Invariant: The tokens of a provider go to that provider alone, and what it answers about one user says nothing of others.
#[tokio::test]
async fn one_login_says_nothing_of_another_and_none_goes_to_another_provider() {
    let fake = Fake::new().await;
    let store = store();
    let logins = logins(&fake, &store);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (user, tokens) = fake.sign_in(json!({})).await.unwrap();
        ids.push(logins.keep(&user, tokens).await.unwrap());
    }
    fake.advance(3600);
    fake.answer(400, &json!({ "error": "server_error" }));
    assert_eq!(logins.status(&ids[0]).await, Unknown);
    fake.answer(200, &renewed(2, json!({})));
    assert_eq!(logins.status(&ids[1]).await, Active);
    // The same store with another provider.
    let other = Fake::new().await;
    let of_other = super::later::logins(&other, &store);
    other.advance(8000);
    assert_eq!(of_other.status(&ids[1]).await, Ended);
    assert!(refreshes(&other).is_empty());
}

/// Invariant: A login ends with the next change of the configuration that would not let its user in.
#[tokio::test]
async fn a_user_who_may_not_sign_in_any_more_is_signed_in_no_longer() {
    let fake = Fake::with(ProviderKind::OpenId, |_, options| {
        options.allowed_domains = vec!["example.com".to_owned()];
        options.allowed_subjects = vec!["alice".to_owned()];
    })
    .await;
    let store = store();
    let key = anyport_seal::Key::from_bytes([7; 32]);
    let mut ids = Vec::new();
    for claims in [json!({}), json!({ "sub": "bob", "email": "b@Example.com", "email_verified": true })] {
        let (user, tokens) = fake.sign_in(claims).await.unwrap();
        ids.push(logins(&fake, &store).keep(&user, tokens).await.unwrap());
    }
    for (subjects, domains, statuses) in [
        (&["alice"][..], &["example.com"][..], [Active, Active]),
        (&[], &["EXAMPLE.com"], [Ended, Active]),
        (&["bob"], &["other.example"], [Ended, Active]),
        (&["alice"], &["other.example"], [Active, Ended]),
        (&[], &["other.example"], [Ended, Ended]),
        (&[], &[], [Active, Active]),
    ] {
        let of_now = fake.again(|options| {
            options.allowed_subjects = subjects.iter().map(ToString::to_string).collect();
            options.allowed_domains = domains.iter().map(ToString::to_string).collect();
            options.everyone = subjects.is_empty() && domains.is_empty();
        });
        let of_now = ProviderLogins::new(of_now, store.clone(), anyport_seal::Sealer::new(&key), LIFE);
        for (id, status) in ids.iter().zip(statuses) {
            assert_eq!(of_now.status(id).await, status, "{subjects:?} {domains:?}");
        }
    }
}

#[test]
fn a_user_of_a_tenant_that_is_named_no_more_may_not_sign_in() {
    let user = |tenant: &str| SignedInUser {
        issuer: format!("https://login.microsoftonline.com/{tenant}/v2.0"),
        subject: "s".to_owned(),
        domain: None,
        name: None,
    };
    let (one, other) = ("72f988bf-86f1-41af-91ab-2d7cd011db47", "00000000-86f1-41af-91ab-2d7cd011db47");
    let mut options = options(ProviderKind::Entra, "https://login.microsoftonline.com/common/v2.0");
    options.tenants = vec![one.to_ascii_uppercase()];
    let admission = Admission::new(&options);
    assert!(admission.admits(&user(one)) && !admission.admits(&user(other)));
}

/// Invariant: Of all processes and calls that meet the end of a provider's token, one renews it.
#[tokio::test]
async fn many_calls_and_processes_renew_a_token_once() {
    let fake = Fake::new().await;
    let store = store();
    let (user, tokens) = fake.sign_in(json!({})).await.unwrap();
    let processes: Vec<ProviderLogins> = (0..5).map(|_| logins(&fake, &store)).collect();
    let id = processes[0].keep(&user, tokens).await.unwrap();
    fake.advance(3600);
    fake.answer(200, &renewed(2, json!({ "refresh_token": "rt-2" })));
    let all = (0..50).map(|call| processes[call % 5].status(&id));
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(|status| *status == Active), "{all:?}");
    assert_eq!(refreshes(&fake), ["rt-1"]);
}

/// Limit: provider_check_interval.
#[tokio::test]
async fn a_token_without_an_end_is_looked_at_again_after_a_while() {
    let fake = Fake::with(ProviderKind::GitHub, |url, options| {
        options.issuer = Some(format!("{url}/login/oauth"));
        options.everyone = true;
    })
    .await;
    let say = |path: &str, status: u16, document: Value| {
        let mut state = fake.server.state();
        state.documents.insert(path.to_owned(), document.to_string());
        state.statuses.insert(path.to_owned(), status);
    };
    say("/login/oauth/access_token", 200, json!({ "access_token": "gho_1", "token_type": "bearer" }));
    say("/api/v3/user", 200, json!({ "id": 1 }));
    let started = fake.begin().await;
    let (user, tokens) = fake.finish(&started, &[("state", STATE), ("code", "c")]).await.unwrap();
    let logins = logins(&fake, &store());
    let id = logins.keep(&user, tokens).await.unwrap();
    let looks = || fake.requests("/api/v3/user").len();
    fake.advance(3599);
    assert_eq!((logins.status(&id).await, looks()), (Active, 1));
    fake.advance(1);
    assert_eq!((logins.status(&id).await, looks()), (Active, 2));
    fake.advance(3600);
    say("/api/v3/user", 502, json!({}));
    assert_eq!((logins.status(&id).await, looks()), (Unknown, 3));
    crate::resource_server::tests::server::advance(Duration::from_secs(16)).await;
    say("/api/v3/user", 401, json!({ "message": "Bad credentials" }));
    assert_eq!((logins.status(&id).await, looks()), (Ended, 4));
}

#[tokio::test]
async fn a_login_that_the_provider_cannot_be_asked_about_lives_by_its_own_clock() {
    let fake = Fake::new().await;
    let started = fake.begin().await;
    let id_token = fake.key.sign_with(json!({ "typ": "JWT" }), &fake.claims(&started.url, &json!({})));
    let token =
        json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 300, "id_token": id_token });
    fake.answer(200, &token);
    let (user, tokens) = fake.finish(&started, &[("state", STATE), ("code", "c")]).await.unwrap();
    let logins = logins(&fake, &store());
    let id = logins.keep(&user, tokens).await.unwrap();
    fake.advance(86_400);
    assert_eq!(logins.status(&id).await, Active);
    assert_eq!(fake.requests("/token").len(), 1);
}

/// Limit: provider_timeout.
#[tokio::test]
async fn a_provider_that_does_not_answer_ends_no_login() {
    let (fake, logins, id) = signed_in().await;
    fake.advance(3600);
    fake.server.state().is_silent = true;
    let status = tokio::spawn(async move { logins.status(&id).await });
    while refreshes(&fake).is_empty() {
        tokio::task::yield_now().await;
    }
    crate::resource_server::tests::server::advance(Duration::from_secs(11)).await;
    assert_eq!(status.await.unwrap(), Unknown);
}
