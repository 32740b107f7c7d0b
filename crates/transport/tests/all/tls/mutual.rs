//! Mutual TLS: clients must have a certificate, and requests say which one it was.

use std::{net::SocketAddr, time::Duration};

use anyport_service::Principal;
use anyport_transport::{
    client::{
        ConnectOptions, Target, connect,
        http::{Endpoint, InvalidClientCertificate, SideRequest},
    },
    http::{Authentication, ClientCertificate, Config, Listener, Refused, Tls, TlsCertificates},
};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    authority::{Authority, Client, Issued, certificates},
    echo,
};
use crate::common::{Server, within};

fn demanding(server: &Authority, clients: &Authority) -> TlsCertificates {
    certificates(&server.issue()).client_ca(clients.pem())
}

/// What a client reads that is not let in: nothing, and an error.
async fn refused(client: &Client, address: SocketAddr) -> String {
    // A client of TLS 1.3 has finished before the server has looked at its certificate.
    let opened = async {
        let mut stream = client.try_open(address).await?;
        stream.write_all(&echo().bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    within(opened).await.unwrap_err().to_string()
}

#[tokio::test]
async fn only_clients_with_a_certificate_of_the_authority_are_let_in() {
    let (authority, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let tls = Tls::new(&demanding(&authority, &clients)).unwrap();
    let server = Server::start(Config::default().tls(tls)).await;
    let own = clients.issue();
    for _ in 0..2 {
        let mut connection = authority.client(Some(&own)).open(server.address).await;
        connection.send(&echo().bytes()).await;
        assert_eq!(connection.response().await.status, 200);
    }
    for (client, alert) in [
        (authority.client(None), "CertificateRequired"),
        (authority.client(Some(&others.issue())), "UnknownCA"),
        (authority.client(Some(&clients.issue_until(2001))), "CertificateExpired"),
    ] {
        let told = refused(&client, server.address).await;
        assert!(told.contains(alert), "{alert}: {told}");
    }
    assert_eq!(server.fake.counts().running, 0);
}

/// A server that knows its callers by their certificates.
async fn by_certificate(authority: &Authority, clients: &Authority, known: &Issued) -> Server {
    let ada: [u8; 32] = Sha256::digest(known.cert.der()).into();
    let authentication = Authentication::by(move |head| {
        let certificate = head.extensions.get::<ClientCertificate>().copied();
        let is_ada = certificate.is_some_and(|certificate| certificate.sha256 == ada);
        std::future::ready(is_ada.then(|| Principal::named("ada")))
    });
    let tls = Tls::new(&demanding(authority, clients)).unwrap();
    Server::start(Config::default().tls(tls).authentication(authentication)).await
}

#[tokio::test]
async fn requests_have_the_certificate_of_their_client() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let (ada, eve) = (clients.issue(), clients.issue());
    let server = by_certificate(&authority, &clients, &ada).await;
    for (own, status) in [(&ada, 200), (&eve, 401)] {
        let mut connection = authority.client(Some(own)).open(server.address).await;
        for _ in 0..2 {
            connection.send(&echo().bytes()).await;
            assert_eq!(connection.response().await.status, status);
        }
    }
}

#[tokio::test]
async fn other_issuers_are_taken_over_and_the_old_ones_let_nobody_in() {
    let (authority, old, new) = (Authority::new(), Authority::new(), Authority::new());
    let tls = Tls::new(&demanding(&authority, &old)).unwrap();
    let server = Server::start(Config::default().tls(tls.clone())).await;
    let own = old.issue();
    let client = authority.client(Some(&own));
    let mut open = client.open(server.address).await;
    open.send(&echo().bytes()).await;
    assert_eq!(open.response().await.status, 200);
    tls.replace(&demanding(&authority, &new)).unwrap();
    // Nor is a session resumed that was opened with the old one.
    assert!(refused(&client, server.address).await.contains("UnknownCA"));
    open.send(&echo().bytes()).await;
    assert_eq!(open.response().await.status, 200);
    let mut connection = authority.client(Some(&new.issue())).open(server.address).await;
    connection.send(&echo().bytes()).await;
    assert_eq!(connection.response().await.status, 200);
}

#[tokio::test]
async fn an_address_of_other_machines_is_not_open_to_all_if_certificates_are_demanded() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let tls = Tls::new(&certificates(&authority.issue())).unwrap();
    let open = Listener::bind(everywhere, Config::default().tls(tls), false).await;
    assert!(matches!(open, Err(Refused::Open(_))), "{open:?}");
    let tls = Tls::new(&demanding(&authority, &clients)).unwrap();
    Listener::bind(everywhere, Config::default().tls(tls), false).await.unwrap();
}

#[tokio::test]
async fn our_client_shows_its_certificate_to_its_server_and_to_no_other() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let ada = clients.issue();
    let server = by_certificate(&authority, &clients, &ada).await;
    let (certificate, key) = (ada.cert.pem(), ada.signing_key.serialize_pem());
    let endpoint = || authority.endpoint(server.address, "/mcp");
    let known = endpoint().client_certificate(certificate.as_bytes(), key.as_bytes()).unwrap();
    let connection = within(connect(&Target::Http(known), &ConnectOptions::default())).await.unwrap();
    assert!(connection.session().revision().is_stateless());
    let stranger = within(connect(&Target::Http(endpoint()), &ConnectOptions::default())).await;
    assert!(stranger.is_err(), "without a certificate");
    // A server beside it, which asks for certificates, too, and is not the one that this is for.
    let other = by_certificate(&authority, &clients, &ada).await;
    let port = |address: SocketAddr| address.port().to_string();
    let url = endpoint().url().to_string().replace(&port(server.address), &port(other.address));
    let known = endpoint().client_certificate(certificate.as_bytes(), key.as_bytes()).unwrap();
    let beside = async |endpoint: Endpoint, url: &str| {
        within(endpoint.beside(url).unwrap().ask(SideRequest::get(1 << 20, Duration::from_secs(10)))).await
    };
    let own = known.url().to_string();
    beside(known.clone(), &own).await.expect("the server itself");
    assert!(beside(known, &url).await.is_err(), "another server");
}

#[test]
fn a_certificate_without_its_key_is_refused_at_once() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let (one, other) = (clients.issue(), clients.issue());
    let endpoint = || authority.endpoint(SocketAddr::from(([127, 0, 0, 1], 1)), "/mcp");
    let give = |certificate: &str, key: &str| {
        endpoint().client_certificate(certificate.as_bytes(), key.as_bytes()).map(drop).unwrap_err()
    };
    let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    assert_eq!(give("nonsense", &key), InvalidClientCertificate::Certificate);
    assert_eq!(give(&certificate, &certificate), InvalidClientCertificate::Key);
    let mismatch = give(&certificate, &other.signing_key.serialize_pem());
    assert!(matches!(mismatch, InvalidClientCertificate::Mismatch(_)), "{mismatch}");
    let shown =
        format!("{:?}", endpoint().client_certificate(certificate.as_bytes(), key.as_bytes()).unwrap());
    assert!(!shown.contains("PRIVATE"), "{shown}");
}
