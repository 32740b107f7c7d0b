//! Tokens without a user, and tokens that are bound to a key.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use anyport_auth::{
    ClientOptions, GivenClient, LoginGrant, Secret, SecretReader, SignInOptions, SignInState, Vault,
};
use serde_json::json;

use crate::support::{Browser, Servers, Time, ask, claims, words};

/// The parameters of a request.
fn parameters(body: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

fn options(grant: LoginGrant, client: GivenClient) -> SignInOptions {
    let client = ClientOptions { given: Some(client), ..ClientOptions::default() };
    SignInOptions { grant, client, ..SignInOptions::default() }
}

fn with_secret() -> GivenClient {
    GivenClient { secret: Some(Secret::new("client-secret")), ..GivenClient::new("c") }
}

/// The assertion of a platform, which replaces it at times.
#[derive(Clone, Default)]
struct Platform(Arc<Mutex<String>>);

impl Platform {
    fn says(&self, assertion: &str) {
        *self.0.lock().unwrap() = assertion.to_owned();
    }
}

impl SecretReader for Platform {
    fn read<'a>(
        &'a self,
        source: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Secret, String>> + Send + 'a>> {
        assert_eq!(source, "file:token");
        Box::pin(async { Ok(Secret::new(self.0.lock().unwrap().clone())) })
    }
}

/// Invariant: A client without a user gets a token by its own secret or key, and registers nowhere.
#[tokio::test]
async fn a_client_gets_a_token_by_itself_and_another_before_its_end() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let sign_in = servers.sign_in_with(options(LoginGrant::ClientCredentials, with_secret()), &vault, &time);
    assert_eq!((ask(&sign_in).await, sign_in.state()), (200, SignInState::SignedIn));
    time.advance(3600 - 30);
    assert_eq!(ask(&sign_in).await, 200);
    let requests = servers.known(|known| {
        assert_eq!((known.logins, known.registered, known.refreshes, known.given), (0, 0, 0, 2));
        known.token_requests.clone()
    });
    for (authorization, body, _) in requests {
        assert!(authorization.unwrap().starts_with("Basic "));
        let sent = parameters(&body);
        let resource = format!("{}/mcp", servers.base);
        assert_eq!((sent["grant_type"].as_str(), sent["scope"].as_str()), ("client_credentials", "a"));
        assert_eq!(sent["resource"], resource);
    }
}

#[tokio::test]
async fn a_key_proves_the_client_to_the_issuer() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let key = Some(Secret::new(rcgen::KeyPair::generate().unwrap().serialize_pem()));
    let client = GivenClient { key, ..GivenClient::new("c") };
    let sign_in = servers.sign_in_with(options(LoginGrant::ClientCredentials, client), &vault, &time);
    sign_in.log_in().await.unwrap();
    let (authorization, body, _) = servers.known(|known| known.token_requests[0].clone());
    let claims = claims(&parameters(&body)["client_assertion"]);
    assert_eq!((authorization, &claims["aud"], &claims["sub"]), (None, &json!(servers.base), &json!("c")));
    // What was stored is enough for other programs.
    let other = servers.sign_in(&vault, &time);
    assert_eq!(ask(&other).await, 200);
    time.advance(3600);
    assert_eq!((ask(&other).await, servers.known(|known| known.given)), (200, 2));
}

#[tokio::test]
async fn a_client_that_was_given_none_says_what_is_missing() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let options = SignInOptions { grant: LoginGrant::ClientCredentials, ..SignInOptions::default() };
    let refused = servers.sign_in_with(options, &vault, &time).log_in().await.unwrap_err();
    assert!(words(&refused).contains("--client-id"), "{refused}");
    assert_eq!(servers.known(|known| (known.registered, known.asked_for_tokens)), (0, 0));
}

/// Invariant: An assertion of the platform that was refused is not sent again; a new one is.
#[tokio::test]
async fn a_refused_assertion_is_not_sent_again() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let platform = Platform::default();
    let grant = LoginGrant::WorkloadIdentity { assertion: "file:token".into() };
    let sign_in = servers.sign_in_with(options(grant, GivenClient::new("c")), &vault, &time);
    let sign_in = sign_in.secret_reader(platform.clone());
    platform.says("old");
    let refused = sign_in.log_in().await.unwrap_err();
    assert!(words(&refused).contains("refuses the assertion: invalid_grant"), "{refused}");
    let again = sign_in.log_in().await.unwrap_err();
    assert!(words(&again).contains("not sent again"), "{again}");
    assert_eq!(servers.known(|known| known.asked_for_tokens), 1);
    platform.says("new");
    sign_in.log_in().await.unwrap();
    platform.says("newer");
    time.advance(3600);
    assert_eq!(ask(&sign_in).await, 200);
    let sent = servers.known(|known| {
        known
            .token_requests
            .iter()
            .map(|(_, body, _)| parameters(body)["assertion"].clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(sent, ["old", "new", "newer"]);
}

/// Invariant: What an identity provider gives for one authorization server names that server and the resource.
#[tokio::test]
async fn an_identity_provider_says_who_the_user_is() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let company = servers.sign_in(&vault, &time);
    let id_token = |end: u64| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        Secret::new(format!("e30.{}.signature", URL_SAFE_NO_PAD.encode(json!({ "exp": end }).to_string())))
    };
    company
        .keep_identity(&servers.base, GivenClient::new("idp-client"), id_token(2_000_000_000))
        .await
        .unwrap();
    let grant = LoginGrant::IdentityProvider { name: "default".into() };
    let sign_in = servers.sign_in_with(options(grant.clone(), with_secret()), &vault, &time);
    sign_in.log_in().await.unwrap();
    assert_eq!(ask(&sign_in).await, 200);
    let requests = servers.known(|known| known.token_requests.clone());
    let (exchange, bearer) = (parameters(&requests[0].1), parameters(&requests[1].1));
    assert_eq!(
        (exchange["audience"].as_str(), exchange["resource"].as_str()),
        (servers.base.as_str(), format!("{}/mcp", servers.base).as_str())
    );
    assert_eq!((exchange["client_id"].as_str(), bearer["assertion"].as_str()), ("idp-client", "id-jag"));
    assert!(
        requests[1].0.as_deref().unwrap().starts_with("Basic "),
        "the client of the server's own authorization server"
    );
    company.keep_identity(&servers.base, GivenClient::new("idp-client"), id_token(1)).await.unwrap();
    let over = servers.sign_in_with(options(grant, with_secret()), &vault, &time).log_in().await.unwrap_err();
    assert!(words(&over).contains("nobody is signed in to the identity provider"), "{over}");
}

/// Invariant: A token that the server wants bound to a key is sent with a fresh proof of each request, and with the server's nonce.
#[tokio::test]
async fn bound_tokens_are_used_with_proofs() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.known(|known| known.wants_proofs = true);
    let sign_in = servers.sign_in(&vault, &time).user_agent(Browser);
    assert_eq!((ask(&sign_in).await, ask(&sign_in).await), (200, 200));
    // Another program has the key of the stored token.
    let other = servers.sign_in(&vault, &time);
    assert_eq!(ask(&other).await, 200);
    time.advance(3600);
    assert_eq!((ask(&other).await, servers.known(|known| known.refreshes)), (200, 1));
    servers.known(|known| {
        assert_eq!(known.logins, 1);
        let all: Vec<_> = known.proofs.iter().map(|proof| claims(proof)).collect();
        let ids: std::collections::BTreeSet<_> = all.iter().map(|claims| claims["jti"].to_string()).collect();
        assert_eq!((all.len(), ids.len()), (4, 4), "each proof is of one request");
        assert!(
            all.iter()
                .all(|claims| claims["htu"] == format!("{}/mcp", servers.base) && claims["htm"] == "GET")
        );
        assert_ne!(all[0]["ath"], all[3]["ath"], "another token");
        let nonces: Vec<_> = known
            .token_requests
            .iter()
            .map(|(.., proof)| claims(proof.as_deref().unwrap())["nonce"].clone())
            .collect();
        assert_eq!(nonces, [json!(null), json!("of-as"), json!(null), json!("of-as")]);
    });
}

#[tokio::test]
async fn a_token_that_is_refused_after_its_nonce_was_asked_for_is_renewed() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.known(|known| known.wants_proofs = true);
    assert_eq!(ask(&servers.sign_in(&vault, &time).user_agent(Browser)).await, 200);
    servers.known(|known| {
        known.asks_nonce_first = true;
        known.access.clear();
    });
    // Nobody is there to sign in, and another program knows no nonce yet.
    let other = servers.sign_in(&vault, &time);
    assert_eq!((ask(&other).await, servers.known(|known| (known.logins, known.refreshes))), (200, (1, 1)));
}

#[tokio::test]
async fn tokens_are_not_bound_because_the_authorization_server_could() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    servers.known(|known| known.metadata = json!({"dpop_signing_alg_values_supported": ["ES256"]}));
    let sign_in = servers.sign_in(&vault, &time).user_agent(Browser);
    assert_eq!(ask(&sign_in).await, 200);
    assert!(servers.known(|known| known.token_requests.iter().all(|(.., proof)| proof.is_none())));
    servers.known(|known| {
        known.wants_proofs = true;
        known.metadata = json!({"dpop_signing_alg_values_supported": ["PS512"]});
    });
    let refused = sign_in.log_in().await.unwrap_err();
    assert!(words(&refused).contains("does not bind them by ES256"), "{refused}");
}
