//! What is asked of authorization servers, and how far they may lead.

use std::time::Duration;

use anyport_auth::{Challenges, Fetcher, SignInLimits, discover};
use url::Url;

use crate::support::{Servers, response, words};

const METADATA: &str = "/.well-known/oauth-authorization-server";

async fn found(servers: &Servers, is_public: bool, limits: SignInLimits) -> Result<String, String> {
    let fetcher = Fetcher::new(&servers.endpoint(), is_public, limits);
    let server = Url::parse(servers.endpoint().url()).unwrap();
    let found = discover(&server, &Challenges::default(), None, &fetcher).await;
    found.map(|found| found.server.issuer).map_err(|error| words(&error))
}

/// Invariant: What a public server names leads to no address of this machine or of a private network.
#[tokio::test]
async fn a_public_server_leads_to_no_private_address() {
    let servers = Servers::start().await;
    let limits = SignInLimits::default();
    assert_eq!(found(&servers, false, limits).await, Ok(servers.base.clone()));
    let refused = found(&servers, true, limits).await.unwrap_err();
    assert!(refused.contains("which is no public address"), "{refused}");
}

#[tokio::test]
async fn metadata_is_redirected_three_times_and_no_more() {
    let servers = Servers::start().await;
    let base = &servers.base;
    let to = |path: &str| response("302 Found", &format!("Location: {base}{path}\r\n"), "");
    let document = response("200 OK", "", &format!(r#"{{"issuer": "{base}"}}"#));
    let way = [(METADATA, to("/1")), ("/1", to("/2")), ("/2", to("/3")), ("/3", document.clone())];
    servers.known(|known| known.scripted = way.into());
    assert_eq!(found(&servers, false, SignInLimits::default()).await, Ok(base.clone()));
    servers.known(|known| {
        known.scripted[3].1 = to("/4");
        known.scripted.push(("/4", document));
    });
    let refused = found(&servers, false, SignInLimits::default()).await.unwrap_err();
    assert!(refused.contains("more are not followed"), "{refused}");
}

#[tokio::test]
async fn long_documents_and_slow_servers_are_given_up() {
    let servers = Servers::start().await;
    let mut limits = SignInLimits::default();
    limits.max_document = 100;
    let refused = found(&servers, false, limits).await.unwrap_err();
    assert!(refused.contains("max_auth_document"), "{refused}");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut limits = SignInLimits::default();
    limits.fetch_timeout = Duration::from_millis(50);
    let server = Url::parse(&format!("http://{}/mcp", silent.local_addr().unwrap())).unwrap();
    let fetcher = Fetcher::new(&servers.endpoint(), false, limits);
    let refused = discover(&server, &Challenges::default(), None, &fetcher).await.unwrap_err();
    assert!(words(&refused).contains("has not answered within 0.05 s (auth_timeout)"), "{refused}");
}

#[tokio::test]
async fn metadata_of_another_issuer_or_resource_is_not_used() {
    let servers = Servers::start().await;
    let honest = response("200 OK", "", r#"{"issuer": "https://honest.example"}"#);
    servers.known(|known| known.scripted = vec![(METADATA, honest)]);
    let refused = found(&servers, false, SignInLimits::default()).await.unwrap_err();
    assert!(refused.contains("https://honest.example"), "{refused}");
    let other =
        r#"{"resource": "https://other.example/mcp", "authorization_servers": ["https://a.example"]}"#;
    let place = "/.well-known/oauth-protected-resource/mcp";
    servers.known(|known| known.scripted = vec![(place, response("200 OK", "", other))]);
    let refused = found(&servers, false, SignInLimits::default()).await.unwrap_err();
    assert!(refused.contains("https://other.example/mcp"), "{refused}");
}
