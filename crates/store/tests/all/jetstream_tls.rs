//! Servers that speak TLS alone, with certificates of an authority that no system knows.

use std::{fs, path::Path, time::Duration};

use anyport_store::{
    Address, JetStreamStore, Key, Store, Write,
    suite::{BUCKETS, RECORDS},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::time::{sleep, timeout};

use crate::nats::{Release, Server, options};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(file: &Path) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(file, authority.pem()).unwrap();
    authority
}

/// Writes a certificate of `authority` and its key as `NAME.pem` and `NAME.key`.
fn issue(authority: &Authority, folder: &Path, name: &str) {
    let params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// Invariant: Over `tls://` a server of NATS is talked to only if a trusted authority vouches for it.
#[tokio::test]
async fn a_server_is_trusted_by_its_certificate() {
    for release in [Release::Old, Release::New] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (ours, _other) = (authority(&at("ca.pem")), authority(&at("other.pem")));
        issue(&ours, folder.path(), "server");
        issue(&ours, folder.path(), "client");
        let settings = format!(
            "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}",
            at("server.pem"),
            at("server.key"),
            at("ca.pem")
        );
        let Some(server) = Server::start_with_tls(release, &settings) else { continue };
        let address: Address = format!("tls://127.0.0.1:{}", server.port).parse().unwrap();
        let key = Key::new(&RECORDS, "a");
        let known = options().issuers(at("ca.pem")).client_certificate(at("client.pem"), at("client.key"));
        let store = JetStreamStore::new(address.clone(), BUCKETS, known);
        let trusted = async {
            // JetStream may begin after the port is open.
            while store.put(&key, "1".into(), Write::ANY).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(60), trusted).await.unwrap();
        assert!(store.server_version().unwrap().starts_with("2."), "{release:?}");
        for (what, refused) in [
            ("an authority of the system", options()),
            ("another authority", options().issuers(at("other.pem"))),
            ("no certificate of ours", options().issuers(at("ca.pem"))),
        ] {
            let store = JetStreamStore::new(address.clone(), BUCKETS, refused);
            assert!(store.get(&key).await.is_err(), "{release:?}: {what}");
        }
    }
}
