//! Tokens of callers in exchange for tokens of a server.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyport_auth::{
    ExchangeError, ExchangeOptions, ExchangeProtocol, ExchangedToken, GivenClient, Secret, SignInLimits,
    SubjectToken, SubjectTokens, TokenExchange,
};
use anyport_metrics::Metrics;
use anyport_transport::client::http::{Authorizer as _, SideRequest};
use serde_json::json;
use tokio::time::{Instant, advance};

use crate::support::{Servers, claims, response};

/// The token that a caller presents.
#[derive(Clone)]
struct Caller(Arc<Mutex<Option<SubjectToken>>>);

impl Caller {
    fn new() -> Self {
        let caller = Self(Arc::default());
        caller.presents("subject-1", 7200);
        caller
    }

    fn presents(&self, token: &str, seconds: u64) {
        let expires = Some(Instant::now() + Duration::from_secs(seconds));
        *self.0.lock().unwrap() = Some(SubjectToken { token: Secret::new(token), expires });
    }
}

impl SubjectTokens for Caller {
    fn token(&self) -> Result<SubjectToken, String> {
        self.0.lock().unwrap().clone().ok_or_else(|| "the caller has no token".to_owned())
    }
}

fn options(servers: &Servers, client: GivenClient) -> ExchangeOptions {
    ExchangeOptions {
        issuer: servers.base.clone(),
        client,
        protocol: ExchangeProtocol::TokenExchange,
        audience: None,
        scopes: None,
        omits_resource: false,
        limits: SignInLimits::default(),
    }
}

fn exchanged(servers: &Servers, caller: &Caller) -> ExchangedToken {
    let client = GivenClient { secret: Some(Secret::new("client-secret")), ..GivenClient::new("c") };
    of(servers, caller, options(servers, client))
}

fn of(servers: &Servers, caller: &Caller, options: ExchangeOptions) -> ExchangedToken {
    let exchange = TokenExchange::new(&servers.endpoint(), options, &Metrics::new()).unwrap();
    ExchangedToken::new(&exchange, caller.clone(), |_: &Secret| {})
}

/// Has the authorization server answer an exchange with a token of an hour.
fn gives(servers: &Servers, token: &str) {
    let answer = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": 3600,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    script(servers, response("200 OK", "", &answer.to_string()));
    servers.known(|known| known.access.insert(token.to_owned()));
}

fn script(servers: &Servers, answer: String) {
    servers.known(|known| {
        known.scripted.retain(|(path, _)| *path != "/token");
        known.scripted.push(("/token", answer));
    });
}

fn header(token: &ExchangedToken) -> Option<String> {
    token.authorization().map(|header| header.to_str().unwrap().to_owned())
}

fn asked(servers: &Servers) -> usize {
    servers.known(|known| known.asked_for_tokens)
}

/// Invariant: A token that was got in exchange is used until 60 s before its end, and never after the end of the caller's own; callers wait
/// for one exchange.
#[tokio::test]
async fn a_token_is_exchanged_once_and_again_before_its_end() {
    let (servers, caller) = (Servers::start().await, Caller::new());
    let token = exchanged(&servers, &caller);
    gives(&servers, "first");
    assert_eq!((header(&token), token.is_ready()), (None, false));
    let closed = servers.gate.clone().lock_owned().await;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn({
                let token = token.clone();
                async move { token.ready().await }
            })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(closed);
    for one in waiting {
        one.await.unwrap().unwrap();
    }
    assert_eq!((header(&token).as_deref(), asked(&servers)), (Some("Bearer first"), 1));

    tokio::time::pause();
    advance(Duration::from_secs(3600 - 61)).await;
    assert!(token.is_ready());
    advance(Duration::from_secs(2)).await;
    assert!(!token.is_ready() && header(&token).is_some(), "it is good for a minute yet");
    tokio::time::resume();
    // What is good is used, though there is no other one.
    script(&servers, response("503 Service Unavailable", "", "{}"));
    token.ready().await.unwrap();
    assert_eq!((header(&token).as_deref(), asked(&servers)), (Some("Bearer first"), 2));

    let token = exchanged(&servers, &caller);
    caller.presents("subject-2", 100);
    gives(&servers, "second");
    token.ready().await.unwrap();
    tokio::time::pause();
    advance(Duration::from_secs(100)).await;
    assert_eq!((header(&token), token.is_ready()), (None, false), "the caller's token has ended");
    *caller.0.lock().unwrap() = None;
    let none = token.ready().await.unwrap_err();
    assert!(matches!(&none, ExchangeError::NoToken(why) if why == "the caller has no token"), "{none}");
}

#[tokio::test]
async fn a_token_that_is_not_exchanged_says_where_and_what_to_change() {
    let (servers, caller) = (Servers::start().await, Caller::new());
    for (error, help) in [
        ("invalid_client", "must be those of a client there"),
        ("unauthorized_client", "allow the client"),
        ("unsupported_grant_type", "on_behalf_of"),
        ("invalid_target", "set `audience`"),
        ("invalid_scope", "set `scope`"),
        ("interaction_required", "must first consent"),
        ("invalid_grant", "must be allowed to exchange tokens"),
    ] {
        let body = json!({"error": error, "error_description": "about subject-1 of client-secret"});
        script(&servers, response("400 Bad Request", "", &body.to_string()));
        let refused = exchanged(&servers, &caller).ready().await.unwrap_err();
        let words = refused.to_string();
        assert!(!refused.is_temporary());
        assert!(words.contains(error) && words.contains(help) && words.contains(&servers.base), "{words}");
        assert!(!words.contains("subject-1") && !words.contains("client-secret"), "{words}");
    }
    // The same token is not tried again at once; another one is.
    let before = asked(&servers);
    let token = exchanged(&servers, &caller);
    for _ in 0..3 {
        token.ready().await.unwrap_err();
    }
    assert_eq!(asked(&servers), before + 1);
    gives(&servers, "good");
    caller.presents("subject-2", 100);
    token.ready().await.unwrap();
    for wrong in [
        json!({"access_token": "t", "token_type": "N_A", "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag"}),
        json!({"access_token": "t", "token_type": "Bearer", "issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}),
    ] {
        script(&servers, response("200 OK", "", &wrong.to_string()));
        let refused = exchanged(&servers, &caller).ready().await.unwrap_err();
        assert!(matches!(refused, ExchangeError::Failed { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let (servers, caller) = (Servers::start().await, Caller::new());
    let token = exchanged(&servers, &caller);
    let ask = async || {
        let request = SideRequest::post("application/json", "{}", 1000, Duration::from_secs(10));
        token.endpoint().ask(request).await.map(|answer| answer.status)
    };
    gives(&servers, "first");
    assert_eq!(ask().await.unwrap(), 200);
    // One that was got just now is no better when it is got again.
    servers.known(|known| known.access.clear());
    assert_eq!((ask().await.unwrap(), asked(&servers)), (401, 1));
    tokio::time::pause();
    advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    gives(&servers, "second");
    servers.known(|known| known.access.retain(|token| token == "second"));
    assert_eq!((ask().await.unwrap(), asked(&servers)), (200, 2));
}

#[tokio::test]
async fn a_client_proves_itself_by_its_key_to_the_issuer() {
    let (servers, caller) = (Servers::start().await, Caller::new());
    let key = Some(Secret::new(rcgen::KeyPair::generate().unwrap().serialize_pem()));
    let client = GivenClient { key, ..GivenClient::new("c") };
    let options =
        ExchangeOptions { omits_resource: true, audience: Some("far".into()), ..options(&servers, client) };
    let token = of(&servers, &caller, options);
    // The server of these tests gives an id-jag, which is none.
    token.ready().await.unwrap_err();
    let (authorization, body, _) = servers.known(|known| known.token_requests[0].clone());
    let sent: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!((authorization, sent["audience"].as_str(), sent.get("resource")), (None, "far", None));
    assert_eq!(claims(&sent["client_assertion"])["aud"], servers.base.as_str());
}

/// Invariant: No request goes to a server with the caller's own token, nor without the token that the server was to get.
#[tokio::test]
async fn an_exchange_for_nothing_of_use_fails() {
    let servers = Servers::start().await;
    let caller = Caller::new();
    for (token, life) in [("subject-1", 60), ("other", 0)] {
        let body = json!({
            "access_token": token, "token_type": "Bearer", "expires_in": life,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        });
        servers.known(|known| known.scripted = vec![("/token", response("200 OK", "", &body.to_string()))]);
        let exchanged = exchanged(&servers, &caller);
        let refused = exchanged.ready().await.unwrap_err();
        assert!(matches!(refused, ExchangeError::Unusable { .. }), "{refused}");
        assert_eq!(exchanged.authorization(), None);
    }
}
