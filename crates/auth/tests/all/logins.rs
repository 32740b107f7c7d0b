//! From a refusal to a token, and from a token to the next.

use std::{future::Future, pin::Pin, sync::Mutex};

use anyport_auth::{SignInOptions, SignInState, UserAgent, Vault};
use futures_util::future::join_all;

use crate::support::{Browser, Servers, Time, ask, words};

/// Invariant: Calls that are refused together cause one login, and calls at the end of a token one renewal.
#[tokio::test]
async fn many_calls_share_one_login_and_one_renewal() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let sign_in = servers.sign_in(&vault, &time).user_agent(Browser);
    let all = join_all((0..50).map(|_| ask(&sign_in))).await;
    assert!(all.iter().all(|status| *status == 200), "{all:?}");
    assert_eq!(servers.known(|known| (known.logins, known.registered)), (1, 1));
    time.advance(3600 - 61);
    assert_eq!(ask(&sign_in).await, 200);
    assert_eq!(servers.known(|known| known.refreshes), 0);
    time.advance(2);
    let all = join_all((0..200).map(|_| ask(&sign_in))).await;
    assert!(all.iter().all(|status| *status == 200), "{all:?}");
    assert_eq!(servers.known(|known| (known.refreshes, known.logins)), (1, 1));
}

#[tokio::test]
async fn a_short_token_is_renewed_in_its_last_fifth() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.known(|known| known.life = 100);
    let sign_in = servers.sign_in(&vault, &time).user_agent(Browser);
    assert_eq!(ask(&sign_in).await, 200);
    for (seconds, refreshes) in [(79, 0), (1, 1), (79, 1), (1, 2)] {
        time.advance(seconds);
        assert_eq!(ask(&sign_in).await, 200);
        assert_eq!(servers.known(|known| known.refreshes), refreshes);
    }
}

#[tokio::test]
async fn a_token_of_no_life_is_renewed_when_it_is_refused() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.known(|known| known.life = 0);
    let sign_in = servers.sign_in(&vault, &time).user_agent(Browser);
    for _ in 0..5 {
        assert_eq!((ask(&sign_in).await, sign_in.state()), (200, SignInState::SignedIn));
    }
    assert_eq!(servers.known(|known| known.refreshes), 0);
    servers.known(|known| known.access.clear());
    assert_eq!((ask(&sign_in).await, servers.known(|known| known.refreshes)), (200, 1));
}

/// Lines that were pasted.
struct Pasted(Mutex<Vec<&'static str>>);

impl UserAgent for Pasted {
    fn visit<'a>(
        &'a self,
        url: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, String>> + Send + 'a>> {
        let line = self.0.lock().unwrap().pop();
        match line {
            Some(line) => Box::pin(async move { Ok(Some(line.to_owned())) }),
            None => Browser.visit(url),
        }
    }
}

#[tokio::test]
async fn a_line_of_another_login_does_not_end_a_login() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let wrong = vec!["nonsense", "http://127.0.0.1:1/callback?code=c&state=s"];
    let sign_in = servers.sign_in(&vault, &time).user_agent(Pasted(Mutex::new(wrong)));
    sign_in.log_in().await.unwrap();
    let sign_in = servers.sign_in(&vault, &time).user_agent(Pasted(Mutex::new(vec!["nonsense"; 10])));
    assert!(words(&sign_in.log_in().await.unwrap_err()).contains("none to this login"));
}

#[tokio::test]
async fn another_program_uses_what_was_stored_and_asks_nobody() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let quiet = servers.sign_in(&vault, &time);
    assert_eq!((ask(&quiet).await, quiet.state()), (401, SignInState::SignedOut));
    let credential = servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    assert_eq!(credential.requested_scope, "a");
    assert_eq!((ask(&quiet).await, quiet.state()), (200, SignInState::SignedIn));
    // Both have the same token; who renews it first does so for both.
    let third = servers.sign_in(&vault, &time);
    assert_eq!(ask(&third).await, 200);
    time.advance(3600 - 30);
    assert_eq!((ask(&quiet).await, ask(&third).await), (200, 200));
    assert_eq!(servers.known(|known| (known.refreshes, known.logins)), (1, 1));
}

/// Invariant: Only the word of the authorization server ends a login; one that is out of order ends none.
#[tokio::test]
async fn an_authorization_server_that_is_out_of_order_ends_no_login() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    servers.known(|known| known.is_broken = true);
    time.advance(3600 - 30);
    let sign_in = servers.sign_in(&vault, &time);
    assert_eq!(ask(&sign_in).await, 200, "the token has not ended yet");
    assert!(vault.list().await.unwrap()[0].can_refresh());
    servers.known(|known| known.is_broken = false);
    assert_eq!(ask(&servers.sign_in(&vault, &time)).await, 200);
    assert_eq!(servers.known(|known| known.refreshes), 1);
    servers.known(|known| {
        known.refresh.clear();
        known.access.clear();
    });
    let sign_in = servers.sign_in(&vault, &time);
    assert_eq!((ask(&sign_in).await, sign_in.state()), (401, SignInState::NeedsLogin));
    assert!(vault.list().await.unwrap()[0].needs_login);
}

#[tokio::test]
async fn scopes_are_added_by_at_most_two_logins_of_one_request() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let sign_in = servers.sign_in(&vault, &time).user_agent(Browser);
    assert_eq!(ask(&sign_in).await, 200);
    servers.known(|known| known.lacking = Some("b"));
    assert_eq!(ask(&sign_in).await, 403);
    assert_eq!(servers.known(|known| known.scopes.clone()), ["a", "a b", "a b"]);
    let quiet = servers.sign_in(&vault, &time);
    assert_eq!(ask(&quiet).await, 403);
    assert_eq!(servers.known(|known| known.logins), 3, "nobody is there to be asked");
}

#[tokio::test]
async fn a_server_without_pkce_gets_no_login_unless_the_user_says_so() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let base = servers.base.clone();
    let metadata = format!(
        r#"{{"issuer": "{base}", "authorization_endpoint": "{base}/authorize", "token_endpoint": "{base}/token", "registration_endpoint": "{base}/register"}}"#
    );
    let answer = crate::support::response("200 OK", "", &metadata);
    servers.known(|known| known.scripted.push(("/.well-known/oauth-authorization-server", answer)));
    let refused = servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap_err();
    assert!(words(&refused).contains("pkce = \"assume\""), "{refused}");
    assert_eq!(servers.known(|known| (known.logins, known.registered)), (0, 0));
    let options = SignInOptions { assumes_pkce: true, ..SignInOptions::default() };
    let sign_in = anyport_auth::SignIn::new(&servers.endpoint(), "default", vault, options).unwrap();
    sign_in.user_agent(Browser).log_in().await.unwrap();
}

#[tokio::test]
async fn a_client_that_was_forgotten_registers_again_once() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let sign_in = servers.sign_in(&vault, &time).user_agent(Browser);
    sign_in.log_in().await.unwrap();
    let unknown = crate::support::response("401 Unauthorized", "", r#"{"error": "invalid_client"}"#);
    servers.known(|known| known.scripted.push(("/token", unknown)));
    let refused = sign_in.log_in().await.unwrap_err();
    assert!(words(&refused).contains("invalid_client"), "{refused}");
    assert_eq!(servers.known(|known| known.registered), 2);
    servers.known(|known| known.scripted.clear());
    sign_in.log_in().await.unwrap();
}

/// Invariant: A call that is given up while it renews a token does not lose the new one.
#[tokio::test]
async fn a_call_that_is_given_up_loses_no_token() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    time.advance(3600 - 30);
    let sign_in = servers.sign_in(&vault, &time);
    let closed = servers.gate.clone().lock_owned().await;
    let call = tokio::spawn({
        let sign_in = sign_in.clone();
        async move { ask(&sign_in).await }
    });
    while servers.known(|known| known.asked_for_tokens) < 2 {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    drop(closed);
    assert_eq!(ask(&sign_in).await, 200);
    assert_eq!(ask(&servers.sign_in(&vault, &time)).await, 200);
    assert_eq!(servers.known(|known| (known.refreshes, known.logins)), (1, 1));
}
