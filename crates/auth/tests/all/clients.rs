//! Where the credentials of a client go, and where the browser brings its answers.

use anyport_auth::{
    ClientOptions, Error, GivenClient, LoginGrant, Secret, SecretReader, SignInOptions, Vault,
};
use serde_json::json;

use crate::support::{Browser, Servers, Time, ask, ask_in_vain, response, words};

fn client() -> ClientOptions {
    let secret = Some(Secret::new("client-secret"));
    ClientOptions { given: Some(GivenClient { secret, ..GivenClient::new("c") }), ..ClientOptions::default() }
}

/// The assertion of a platform.
struct Platform;

impl SecretReader for Platform {
    fn read<'a>(
        &'a self,
        _: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Secret, String>> + Send + 'a>> {
        Box::pin(async { Ok(Secret::new("assertion")) })
    }
}

fn assert_other_issuer(error: &Error, servers: &Servers, other: &Servers) {
    let told = words(error);
    assert!(matches!(error, Error::OtherIssuer { .. }), "{told}");
    assert!(told.contains(&servers.base) && told.contains(&other.base) && told.contains("issuer"), "{told}");
}

/// Invariant: The credentials of a client go to one authorization server alone, whichever one its server names later: at the next
/// start, in the middle, and at the next login. Another one gets them only if its owner names it.
#[tokio::test]
async fn the_credentials_of_a_client_follow_no_server_to_another_issuer() {
    let grants =
        [LoginGrant::ClientCredentials, LoginGrant::WorkloadIdentity { assertion: "file:token".into() }];
    for grant in grants {
        let (servers, other, time) = (Servers::start().await, Servers::start().await, Time::new());
        let kept = Vault::in_memory().unwrap();
        let sign_in = |issuer: Option<String>| {
            let options =
                SignInOptions { grant: grant.clone(), client: client(), issuer, ..SignInOptions::default() };
            servers.sign_in_with(options, &kept, &time).secret_reader(Platform)
        };
        let running = sign_in(None);
        assert_eq!(ask(&running).await, 200);
        servers.moves_to(&other);
        servers.known(|known| known.access.clear());
        assert!(ask_in_vain(&running).await.to_string().contains("issuer"));
        assert_other_issuer(&running.log_in().await.unwrap_err(), &servers, &other);
        assert_other_issuer(&sign_in(None).log_in().await.unwrap_err(), &servers, &other);
        assert_eq!(other.known(|known| known.asked_for_tokens), 0);
        let named = sign_in(Some(other.base.clone()));
        named.log_in().await.unwrap();
        assert_eq!(other.known(|known| known.given), 1);
        sign_in(None).log_in().await.unwrap();
    }
}

#[tokio::test]
async fn the_issuer_of_a_client_outlives_a_logout() {
    let (servers, other, time) = (Servers::start().await, Servers::start().await, Time::new());
    let vault = Vault::in_memory().unwrap();
    let options = SignInOptions { client: client(), ..SignInOptions::default() };
    let sign_in = servers.sign_in_with(options, &vault, &time).user_agent(Browser);
    sign_in.log_in().await.unwrap();
    assert!(sign_in.log_out().await.unwrap().is_some());
    servers.moves_to(&other);
    assert_other_issuer(&sign_in.log_in().await.unwrap_err(), &servers, &other);
    assert_eq!(other.known(|known| (known.logins, known.asked_for_tokens)), (0, 0));
}

#[tokio::test]
async fn where_nothing_is_kept_the_issuer_of_a_client_must_be_named() {
    let (servers, time) = (Servers::start().await, Time::new());
    let vault = Vault::in_memory().unwrap().client_issuers(None);
    let options = |issuer| SignInOptions {
        grant: LoginGrant::ClientCredentials,
        client: client(),
        issuer,
        ..SignInOptions::default()
    };
    let refused = servers.sign_in_with(options(None), &vault, &time).log_in().await.unwrap_err();
    assert!(words(&refused).contains("name it as issuer"), "{refused}");
    assert_eq!(servers.known(|known| known.asked_for_tokens), 0);
    let named = servers.sign_in_with(options(Some(servers.base.clone())), &vault, &time);
    named.log_in().await.unwrap();
}

fn redirected(uri: &str) -> SignInOptions {
    let client = ClientOptions { redirect_uri: Some(uri.to_owned()), ..ClientOptions::default() };
    SignInOptions { client, ..SignInOptions::default() }
}

#[tokio::test]
async fn an_answer_goes_to_https_or_to_this_machine() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    for uri in
        ["javascript:x", "http://a.example/callback", "http://0.0.0.0:1/callback", "nonsense", "app:/x"]
    {
        let sign_in = servers.sign_in_with(redirected(uri), &vault, &time).user_agent(Browser);
        let refused = sign_in.log_in().await.unwrap_err();
        assert!(words(&refused).contains("the redirect URI"), "{uri}: {refused}");
    }
    assert_eq!(servers.known(|known| (known.registered, known.logins)), (0, 0));
}

/// Invariant: A client that was registered for an address elsewhere is used only while that address is named.
#[tokio::test]
async fn a_registration_for_another_address_is_not_used_later() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let elsewhere = redirected("https://127.0.0.1:1/callback");
    let sign_in = servers.sign_in_with(elsewhere, &vault, &time).user_agent(Browser);
    let refused = sign_in.log_in().await.unwrap_err();
    assert!(!words(&refused).contains("--no-browser"), "{refused}");
    assert_eq!(servers.known(|known| known.registered), 1);
    servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap();
    assert_eq!(servers.known(|known| known.registered), 2);
}

#[tokio::test]
async fn nobody_signs_in_where_no_token_is_given() {
    let (servers, vault, time) = (Servers::start().await, Vault::in_memory().unwrap(), Time::new());
    let base = &servers.base;
    let metadata = json!({
        "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
        "registration_endpoint": format!("{base}/register"), "code_challenge_methods_supported": ["S256"],
    });
    let metadata = response("200 OK", "", &metadata.to_string());
    servers.known(|known| known.scripted.push(("/.well-known/oauth-authorization-server", metadata)));
    let refused = servers.sign_in(&vault, &time).user_agent(Browser).log_in().await.unwrap_err();
    assert!(words(&refused).contains("token_endpoint"), "{refused}");
    assert_eq!(servers.known(|known| (known.registered, known.logins)), (0, 0));
}
