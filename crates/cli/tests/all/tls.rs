//! Programs that serve HTTP over TLS, and programs that call them.
//!
//! Invariant: With a certificate, a program serves HTTP over TLS alone, in every command that serves; it follows the files while it
//! serves, and what is broken in them changes nothing.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Ended, PATIENCE, Program, anyport, documents, folder, modern, to_the_end, until};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Has `authority` issue a certificate, and writes it and its key as `NAME.pem` and `NAME.key`.
fn issue(
    authority: &Authority,
    home: &Path,
    name: &str,
) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    fs::write(home.join(format!("{name}.pem")), certificate.pem()).unwrap();
    fs::write(home.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

/// A folder with a certificate of an authority in `server.pem`, and the authority's own in `ca.pem`.
fn home() -> (TempDir, Authority) {
    let (home, authority) = (folder(&[]), authority("an authority"));
    issue(&authority, home.path(), "server");
    fs::write(home.path().join("ca.pem"), authority.pem()).unwrap();
    (home, authority)
}

const TLS: [&str; 6] = ["--port", "0", "--tls-cert", "server.pem", "--tls-key", "server.key"];

/// Starts a command that serves in `home`, and returns its URL.
fn serve(home: &Path, arguments: &[&str]) -> (Program, String) {
    let mut command = anyport(home);
    command.args(arguments).env("SSL_CERT_FILE", home.join("ca.pem"));
    let mut program = Program::start(command);
    let line = program.error_line(|line| line.starts_with("  http "));
    let url = line.split_whitespace().last().unwrap().to_owned();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    (program, url)
}

fn serve_documents(home: &Path, more: &[&str]) -> (Program, String) {
    let documents = documents();
    let folder = ["--docs", documents.to_str().unwrap()];
    serve(home, &[&["serve"], &TLS[..], &folder, more].concat())
}

/// Runs a command that trusts the authority of `home`.
fn run(home: &Path, arguments: &[&str]) -> Ended {
    let mut command = anyport(home);
    command.args(arguments).env("SSL_CERT_FILE", home.join("ca.pem"));
    to_the_end(command)
}

/// What a client is shown by the server at `url`, and what it answers to a call.
fn ask(
    url: &str,
    authority: &Authority,
    own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
) -> std::io::Result<(CertificateDer<'static>, String)> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match own {
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    let address = url.strip_prefix("https://").and_then(|rest| rest.strip_suffix("/mcp")).unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
    write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok((stream.conn.peer_certificates().unwrap()[0].clone().into_owned(), answer))
}

#[test]
fn browsers_are_told_to_come_over_tls_alone_by_an_option_or_the_file() {
    let (home, authority) = home();
    let said = |url: &str| {
        let answer = ask(url, &authority, None).unwrap().1.to_ascii_lowercase();
        answer.contains("\r\nstrict-transport-security: max-age=600\r\n")
    };
    let (_program, url) = serve_documents(home.path(), &["--hsts", "600", "--no-http2"]);
    assert!(said(&url));
    let (_program, url) = serve_documents(home.path(), &[]);
    assert!(!said(&url));
    let file = |tls: &str| {
        let gateway = format!("[gateway]\nhsts = 600\nhttp2 = false\n{tls}");
        let text = format!("{gateway}[knowledge.book]\ndocs = [{:?}]\n", documents());
        fs::write(home.path().join("anyport.toml"), text).unwrap();
    };
    file("tls_cert = \"server.pem\"\ntls_key = \"server.key\"\n");
    let (_program, url) = serve(home.path(), &["serve", "--port", "0"]);
    assert!(said(&url));
    file("");
    let refused = run(home.path(), &["config", "check"]);
    assert!(refused.code != Some(0) && format!("{refused:?}").contains("over TLS alone"), "{refused:?}");
    fs::remove_file(home.path().join("anyport.toml")).unwrap();
    let refused = run(home.path(), &["serve", "--hsts", "600", "--port", "0"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("over TLS alone"), "{refused:?}");
}

#[test]
fn documents_are_served_over_https_and_our_commands_call_them() {
    let (home, _) = home();
    let (mut program, url) = serve_documents(home.path(), &["--transport", "websocket"]);
    let (said, banner) = program.banner();
    assert!(said.contains("  websocket  wss://127.0.0.1:"), "{said}");
    assert_eq!(banner["mcpServers"]["anyport"]["url"], json!(url));
    let socket = url.replace("https:", "wss:").replace("/mcp", "/ws");
    for url in [&url, &socket] {
        let ended = run(home.path(), &["call", url, "health_check", "--json"]);
        assert!(ended.code == Some(0) && ended.stdout.contains("status"), "{ended:?}");
    }
    // Who does not know the authority does not come in, unless told not to look.
    let mut command = anyport(home.path());
    command.args(["tools", &url]);
    let ended = to_the_end(command);
    assert!(ended.code != Some(0) && ended.stderr.contains("no secure connection"), "{ended:?}");
    let mut command = anyport(home.path());
    command.args(["tools", "--insecure", &url]);
    let ended = to_the_end(command);
    assert!(ended.code == Some(0) && ended.stdout.contains("search_docs"), "{ended:?}");
}

#[test]
fn a_server_that_demands_a_certificate_is_shown_the_one_of_the_file() {
    let (home, authority) = home();
    issue(&authority, home.path(), "client");
    let (_program, url) = serve_documents(home.path(), &["--tls-client-ca", "ca.pem"]);
    let write = |keys: &str| {
        let file = format!("[upstreams.far]\nurl = \"{url}\"\n{keys}");
        fs::write(home.path().join("anyport.toml"), file).unwrap();
    };
    let call = || run(home.path(), &["call", "anyport.toml#far", "health_check", "--json"]);
    write("tls_client_cert = \"client.pem\"\ntls_client_key = \"client.key\"\n");
    let called = call();
    assert!(called.code == Some(0) && called.stdout.contains("status"), "{called:?}");
    let mut command = anyport(home.path());
    command.args(["serve", "--stdio"]).env("SSL_CERT_FILE", home.path().join("ca.pem"));
    let mut gateway = Program::start(command);
    let health = json!({"name": "far_health_check", "arguments": {}});
    let answer = gateway.call(&modern(1, "tools/call", health));
    assert!(answer["result"].is_object(), "{answer}");
    // Commands would go through it, with the connection that it has.
    drop(gateway);
    for (keys, words) in [
        ("", "CertificateRequired"),
        ("tls_client_cert = \"client.pem\"\n", "its key is needed as well"),
        (
            "tls_client_cert = \"client.pem\"\ntls_client_key = \"server.key\"\n",
            "does not fit the certificate",
        ),
        ("tls_client_cert = \"none.pem\"\ntls_client_key = \"client.key\"\n", "none.pem cannot be read"),
    ] {
        write(keys);
        let refused = call();
        assert!(refused.code != Some(0) && refused.stderr.contains(words), "{words}: {refused:?}");
    }
}

#[test]
fn http_without_tls_is_refused_and_the_log_says_so() {
    let (home, _) = home();
    let (mut program, url) = serve_documents(home.path(), &[]);
    let mut server = crate::support::http::Server::at(&url.replace("https:", "http:"));
    server.path = "/mcp".to_owned();
    let answer = server.post(&modern(1, "server/discover", json!({})), &[]);
    assert!(answer.status == 400 && answer.body.contains("https://"), "{answer:?}");
    program.error_line(|line| line.contains("WARN") && line.contains("HTTP without TLS"));
}

#[test]
fn a_changed_certificate_is_shown_and_a_broken_one_changes_nothing() {
    let (home, authority) = home();
    let (mut program, url) = serve_documents(home.path(), &[]);
    let shown = || ask(&url, &authority, None).unwrap().0;
    let old = shown();
    fs::write(home.path().join("server.key"), "no key").unwrap();
    let line = program.error_line(|line| line.contains("the earlier one stays in use"));
    assert!(line.contains("server.key contains no private key"), "{line}");
    assert_eq!(shown(), old);
    let (new, _) = issue(&authority, home.path(), "server");
    until(|| json!(shown() == new), |is_new| *is_new == true);
}

#[test]
fn clients_need_a_certificate_where_issuers_of_theirs_are_named() {
    let (home, authority) = home();
    let clients = self::authority("an authority of clients");
    fs::write(home.path().join("clients.pem"), clients.pem()).unwrap();
    let (_program, url) = serve_documents(home.path(), &["--tls-client-ca", "clients.pem"]);
    let error = ask(&url, &authority, None).unwrap_err().to_string();
    assert!(error.contains("CertificateRequired"), "{error}");
    let stranger = issue(&authority, home.path(), "stranger");
    let error = ask(&url, &authority, Some(stranger)).unwrap_err().to_string();
    assert!(error.contains("UnknownCA"), "{error}");
    let known = issue(&clients, home.path(), "known");
    let (_, answer) = ask(&url, &authority, Some(known)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_bridge_and_a_gateway_call_https_and_serve_https() {
    let (home, _) = home();
    let (_documents, url) = serve_documents(home.path(), &[]);
    let (_bridge, bridge) = serve(home.path(), &[&["bridge", &url], &TLS[..]].concat());
    let ended = run(home.path(), &["call", &bridge, "health_check", "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // The paths of a file are relative to its folder.
    let folder = home.path().join("gateway");
    fs::create_dir(&folder).unwrap();
    let text = format!(
        "[gateway]\ntls_cert = \"../server.pem\"\ntls_key = \"../server.key\"\n[upstreams.docs]\nurl = \"{bridge}\"\n"
    );
    fs::write(folder.join("anyport.toml"), text).unwrap();
    let ended = run(home.path(), &["config", "check", "gateway/anyport.toml"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (_gateway, gateway) =
        serve(home.path(), &["serve", "--config", "gateway/anyport.toml", "--port", "0"]);
    let ended = run(home.path(), &["tools", &gateway]);
    assert!(ended.code == Some(0) && ended.stdout.contains("search_docs"), "{ended:?}");
}

#[test]
fn a_gateway_over_tls_is_not_its_own_server() {
    let (home, _) = home();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!("[upstreams.own]\nurl = \"https://127.0.0.1:{port}/mcp\"\n");
    fs::write(home.path().join("anyport.toml"), text).unwrap();
    let port = port.to_string();
    let arguments = ["serve", "--port", &port, "--tls-cert", "server.pem", "--tls-key", "server.key"];
    let mut command = anyport(home.path());
    command.args(arguments);
    let mut program = Program::start(command);
    let line = program.error_line(|line| line.contains("own"));
    assert!(line.contains("this gateway"), "{line}");
}

#[test]
fn what_is_not_served_needs_no_certificate_and_the_log_says_so() {
    let mut program = Program::stdio(&["--tls-cert", "no.pem", "--tls-key", "no.key"]);
    program.error_line(|line| line.contains("--tls-cert is for HTTP, which is not served"));
    program.close_input();
    assert_eq!(program.wait().code(), Some(0));
}
