//! What is asked of authorization servers, and how far they may lead.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyport_auth::{Challenges, Fetcher, SignInLimits, discover};
use anyport_transport::client::NameResolver;
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

/// Addresses of this machine, of private networks and of special ranges, in the spellings that programs read.
const SPECIAL: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "0177.0.0.1",
    "2130706433",
    "0x7f.1",
    "0.0.0.0",
    "localhost",
    "localhost.",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.1",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
];

/// Invariant: Whatever address a public server names, in whatever spelling, nothing of this machine or of a private network is connected to.
#[tokio::test]
async fn what_a_public_server_names_is_not_fetched_from_any_special_address() {
    let here = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = here.local_addr().unwrap().port();
    let server = Url::parse("https://1.1.1.1/mcp").unwrap();
    let servers = Servers::start().await;
    let fetcher = Fetcher::new(&servers.endpoint(), true, SignInLimits::default());
    for host in SPECIAL {
        for scheme in ["https", "http"] {
            let named = format!("{scheme}://{host}:{port}/metadata");
            let challenge = format!("Bearer resource_metadata=\"{named}\"");
            let refused =
                discover(&server, &Challenges::parse([challenge]), None, &fetcher).await.unwrap_err();
            let said = words(&refused);
            let parts = ["no public address", "is not known", "must begin with https"];
            assert!(parts.iter().any(|part| said.contains(part)), "{named}: {said}");
        }
    }
    for named in ["file:///etc/passwd", "unix:/run/x", "gopher://10.0.0.1/", "https://ok@127.0.0.1/x"] {
        let challenge = format!("Bearer resource_metadata=\"{named}\"");
        assert!(discover(&server, &Challenges::parse([challenge]), None, &fetcher).await.is_err(), "{named}");
    }
    let accepted = tokio::time::timeout(Duration::from_millis(1), here.accept()).await;
    assert!(accepted.is_err(), "something was connected to");
}

/// Invariant: However a name that a public server names changes its addresses, nothing of this machine is connected to.
#[tokio::test]
async fn a_name_that_changes_its_address_is_not_fetched_from_this_machine() {
    let here = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    here.set_nonblocking(true).unwrap();
    let named = format!("https://rebinding.example:{}/metadata", here.local_addr().unwrap().port());
    let server = Url::parse("https://public.example/mcp").unwrap();
    let servers = Servers::start().await;
    // A public one among them is no reason to try any.
    let answers: [&[&str]; 5] = [
        &["93.184.215.14", "127.0.0.1"],
        &["127.0.0.1"],
        &["127.0.0.1", "93.184.215.14"],
        &["::ffff:127.0.0.1"],
        &["64:ff9b::7f00:1", "2606:4700::1111"],
    ];
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let resolver = {
        let asked = asked.clone();
        NameResolver::new(move |host| {
            let answer = answers[asked.fetch_add(1, Ordering::SeqCst) % answers.len()];
            async move {
                assert_eq!(host, "rebinding.example");
                Ok(answer.iter().map(|address| address.parse().unwrap()).collect())
            }
        })
    };
    let fetcher = Fetcher::new(&servers.endpoint().resolver(resolver), true, SignInLimits::default());
    let challenge = format!("Bearer resource_metadata=\"{named}\"");
    for number in 1..=2 * answers.len() {
        let challenges = Challenges::parse([challenge.clone()]);
        let refused = words(&discover(&server, &challenges, None, &fetcher).await.unwrap_err());
        assert!(refused.contains("no public address"), "{refused}");
        assert_eq!(asked.load(Ordering::SeqCst), number, "each fetch looks for itself, once");
    }
    assert_eq!(here.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
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
