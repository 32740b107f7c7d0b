//! What several processes make of one stored login, and what happens while an authorization server is out of order.

use std::time::Duration;

use anyport_auth::{SignInLimits, SignInOptions, SignInState, Vault};
use anyport_transport::client::http::Fault;

use crate::support::{Browser, Servers, Time, ask, ask_in_vain, response};

fn reread(after: Duration) -> SignInOptions {
    let limits = SignInLimits::default().login_reread(after);
    SignInOptions { limits, ..SignInOptions::default() }
}

const LATER: Duration = Duration::from_secs(3600);

/// Invariant: A refresh token that another process has used up is not sent, even if the access token is still the same.
#[tokio::test]
async fn a_rotated_refresh_token_is_noticed_beside_the_same_access_token() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.known(|known| known.same_access = true);
    servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    let one = servers.sign_in_with(reread(LATER), &vault, &time);
    let other = servers.sign_in_with(reread(LATER), &vault, &time);
    assert_eq!((ask(&one).await, ask(&other).await), (200, 200));
    for renewals in 1..4 {
        time.advance(3600 - 30);
        assert_eq!((ask(&one).await, ask(&other).await), (200, 200));
        assert_eq!(servers.known(|known| known.refreshes), renewals);
    }
    assert!(!vault.list().await.unwrap()[0].needs_login);
}

/// Invariant: A process that runs stops using a login that another process has ended, within `login_reread`.
#[tokio::test]
async fn a_logout_reaches_processes_that_run() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    let (soon, later) = (
        servers.sign_in_with(reread(Duration::ZERO), &vault, &time),
        servers.sign_in_with(reread(LATER), &vault, &time),
    );
    assert_eq!((ask(&soon).await, ask(&later).await), (200, 200));
    assert!(servers.sign_in(&vault, &time).log_out().await.unwrap().is_some());
    // The server still takes the token: it is not sent any more.
    assert_eq!((ask(&soon).await, ask(&later).await), (401, 200));
    assert_eq!(soon.state(), SignInState::SignedOut);
    servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    assert_eq!((ask(&soon).await, soon.state()), (200, SignInState::SignedIn));
}

fn is_temporary(fault: &Fault) -> bool {
    matches!(fault, Fault::SignIn { is_temporary: true, .. })
}

/// Invariant: What is out of order is not taken for what is absent: nobody is sent to sign in again for it.
#[tokio::test]
async fn metadata_that_is_out_of_order_is_not_absent() {
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server"] {
        for status in ["500 Internal Server Error", "503 Service Unavailable", "429 Too Many Requests"] {
            let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
            servers.known(|known| known.scripted.push((path, response(status, "", "{}"))));
            let sign_in = servers.sign_in(&vault, &time).user_agent(Browser);
            let refused = sign_in.log_in().await.unwrap_err();
            assert!(refused.is_temporary(), "{path} {status}: {refused}");
            assert_eq!(servers.known(|known| (known.registered, known.logins)), (0, 0));
        }
    }
}

#[tokio::test]
async fn a_token_is_renewed_where_it_came_from_while_metadata_is_out_of_order() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    let broken = response("503 Service Unavailable", "", "{}");
    servers.known(|known| {
        known.scripted.push(("/.well-known/oauth-protected-resource/mcp", broken));
        known.access.clear();
    });
    let sign_in = servers.sign_in(&vault, &time);
    assert_eq!((ask(&sign_in).await, servers.known(|known| known.refreshes)), (200, 1));
    servers.known(|known| {
        known.is_broken = true;
        known.access.clear();
    });
    let fault = ask_in_vain(&servers.sign_in(&vault, &time)).await;
    assert!(is_temporary(&fault), "{fault:?}");
    assert!(!vault.list().await.unwrap()[0].needs_login);
}
