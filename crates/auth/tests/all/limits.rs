//! Each limit, hit and counted.

use std::{future::Future, pin::Pin, time::Duration};

use anyport_auth::{SignIn, SignInLimits, SignInOptions, UserAgent, Vault};
use anyport_metrics::Metrics;

use crate::support::{Browser, Servers, Time, ask, response, words};

fn sign_in(servers: &Servers, limits: SignInLimits, metrics: &Metrics) -> SignIn {
    let options = SignInOptions { limits, ..SignInOptions::default() };
    servers.sign_in_with(options, &Vault::in_memory().unwrap(), &Time::new()).metrics(metrics)
}

/// A user who does nothing.
struct Absent;

impl UserAgent for Absent {
    fn visit<'a>(
        &'a self,
        _: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>> {
        Box::pin(async { Ok(None) })
    }
}

#[tokio::test]
async fn a_long_document_is_counted() {
    let (servers, metrics) = (Servers::start().await, Metrics::new());
    let refused = sign_in(&servers, SignInLimits::default().max_document(100), &metrics).log_in().await;
    assert!(words(&refused.unwrap_err()).contains("max_auth_document"));
    assert_eq!(metrics.refusals("max_auth_document").value(), 1);
}

#[tokio::test]
async fn a_slow_authorization_server_is_counted() {
    let (servers, metrics) = (Servers::start().await, Metrics::new());
    let _closed = servers.gate.lock().await;
    let limits = SignInLimits::default().fetch_timeout(Duration::from_millis(200));
    let refused = sign_in(&servers, limits, &metrics).user_agent(Browser).log_in().await.unwrap_err();
    assert!(words(&refused).contains("auth_timeout") && refused.is_temporary(), "{refused}");
    assert_eq!(metrics.refusals("auth_timeout").value(), 1);
}

#[tokio::test]
async fn too_many_redirects_are_counted() {
    let (servers, metrics) = (Servers::start().await, Metrics::new());
    let to_itself = response("302 Found", "Location: /.well-known/oauth-authorization-server\r\n", "");
    servers.known(|known| known.scripted.push(("/.well-known/oauth-authorization-server", to_itself)));
    let refused = sign_in(&servers, SignInLimits::default(), &metrics).log_in().await.unwrap_err();
    assert!(words(&refused).contains("more are not followed"), "{refused}");
    assert_eq!(metrics.refusals("max_auth_redirects").value(), 1);
}

#[tokio::test]
async fn a_user_who_does_not_sign_in_is_counted() {
    let (servers, metrics) = (Servers::start().await, Metrics::new());
    let limits = SignInLimits::default().login_timeout(Duration::from_millis(20));
    let refused = sign_in(&servers, limits, &metrics).user_agent(Absent).log_in().await.unwrap_err();
    assert!(words(&refused).contains("login_timeout"), "{refused}");
    assert_eq!(metrics.refusals("login_timeout").value(), 1);
}

#[tokio::test]
async fn a_request_that_wants_ever_more_scopes_is_counted() {
    let (servers, metrics) = (Servers::start().await, Metrics::new());
    servers.known(|known| known.lacking = Some("b"));
    let sign_in = sign_in(&servers, SignInLimits::default().max_step_ups(1), &metrics).user_agent(Browser);
    assert_eq!((ask(&sign_in).await, servers.known(|known| known.logins)), (403, 2));
    assert_eq!(metrics.refusals("max_step_ups").value(), 1);
}

/// Invariant: A process that hangs while it renews a token keeps no other one from renewing it.
#[tokio::test]
async fn a_process_that_hangs_loses_its_lease() {
    let (servers, metrics) = (Servers::start().await, Metrics::new());
    let (vault, time) = (Vault::in_memory().unwrap(), Time::new());
    servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    time.advance(3600 - 30);
    let limits = SignInLimits::default().refresh_lease(Duration::from_secs(1));
    let options = SignInOptions { limits, ..SignInOptions::default() };
    let each = [(); 2].map(|()| {
        let one = servers.sign_in_with(options.clone(), &vault, &time).metrics(&metrics);
        tokio::spawn(async move { ask(&one).await })
    });
    let closed = servers.gate.clone().lock_owned().await;
    // The login, the process that hangs, and the one that did not wait for it.
    while servers.known(|known| known.asked_for_tokens) < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(closed);
    for one in each {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(metrics.refusals("refresh_lease").value(), 1);
    assert_eq!(servers.known(|known| (known.refreshes, known.logins)), (1, 1));
}

#[tokio::test]
async fn the_time_before_the_end_is_a_limit() {
    let (servers, metrics, time) = (Servers::start().await, Metrics::new(), Time::new());
    let limits = SignInLimits::default().refresh_before(Duration::from_secs(600));
    let options = SignInOptions { limits, ..SignInOptions::default() };
    let sign_in = servers.sign_in_with(options, &Vault::in_memory().unwrap(), &time).metrics(&metrics);
    let sign_in = sign_in.user_agent(Browser);
    assert_eq!(ask(&sign_in).await, 200);
    for (seconds, refreshes) in [(2999, 0), (1, 1)] {
        time.advance(seconds);
        assert_eq!((ask(&sign_in).await, servers.known(|known| known.refreshes)), (200, refreshes));
    }
}
