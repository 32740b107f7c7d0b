//! What is known of the network when a server cannot be reached.

use std::time::Duration;

use anyport_transport::client::http::{Endpoint, Fault, Probe};
use tokio::time::timeout;
use url::Url;

/// What to do about a fault of the way to a server.
pub(crate) fn help_for(fault: &Fault) -> String {
    match fault {
        Fault::Name { host, .. } => {
            format!(
                "write the name otherwise, or look it up elsewhere: nslookup {host}; in a company, is the VPN on?"
            )
        }
        Fault::Refused { target } => format!(
            "start the server, or correct the port: nothing listens at {target}; in a container, the server must listen \
             on 0.0.0.0 and its port be published"
        ),
        Fault::Unreachable { source, .. } if source.to_string().contains("TLS") => {
            "does this port speak TLS? try http:// if it does not".into()
        }
        Fault::Unreachable { .. } | Fault::ConnectTimeout { .. } => {
            "a firewall may stand between, or the host be down; is a proxy needed here (HTTPS_PROXY)?".into()
        }
        Fault::Proxy { .. } => {
            "correct HTTP_PROXY or HTTPS_PROXY, or except the host from it in NO_PROXY".into()
        }
        Fault::Tls { .. } => {
            "SSL_CERT_FILE=FILE trusts the certificates in FILE; https:// is for servers that have one".into()
        }
        Fault::NoRoots => "install the package ca-certificates".into(),
        Fault::Redirect { to, .. } if to.starts_with("http") => {
            format!("if you trust that host, name {to} as the server")
        }
        Fault::Redirect { .. } => "write the URL that it is sent on to".into(),
        _ => "the server's own log may tell more".into(),
    }
}

/// The URL of the same port over TLS, if an `http:` or `ws:` URL leads to a port that speaks it.
pub(crate) async fn over_tls(url: &str) -> Option<Url> {
    let parsed = Url::parse(url).ok()?;
    let scheme = match parsed.scheme() {
        "http" => "https",
        "ws" => "wss",
        _ => return None,
    };
    if !timeout(GLANCE, speaks_tls(url)).await.unwrap_or(false) {
        return None;
    }
    let mut secure = parsed.clone();
    secure.set_query(None);
    // A port that is not said is another one with another scheme.
    let said = secure.set_port(parsed.port_or_known_default()).and_then(|()| secure.set_scheme(scheme));
    said.is_ok().then_some(secure)
}

/// How long another look at the port may take.
const GLANCE: Duration = Duration::from_secs(3);

/// Whether the port of an `http:` URL speaks TLS.
async fn speaks_tls(url: &str) -> bool {
    let probe = Endpoint::new(&as_http(url)).and_then(|endpoint| Probe::new(&endpoint));
    let Ok(probe) = probe else { return false };
    match probe.connect().await {
        Ok(reached) => match reached.secure().await {
            Ok(_) => true,
            // A server with an untrusted certificate speaks TLS all the same.
            Err(fault) => fault.is_certificate(),
        },
        Err(_) => false,
    }
}

/// A URL of a WebSocket as one of HTTP.
pub(crate) fn as_http(url: &str) -> String {
    match url.get(..2) {
        Some(scheme) if scheme.eq_ignore_ascii_case("ws") => format!("http{}", &url[2..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_web_socket_is_that_of_http() {
        assert_eq!(as_http("ws://a/b"), "http://a/b");
        assert_eq!(as_http("WSS://a/b"), "httpS://a/b");
        assert_eq!(as_http("https://a/b"), "https://a/b");
        assert_eq!(as_http("é"), "é");
    }
}
