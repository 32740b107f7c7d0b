use std::{io, net::IpAddr, sync::Arc, time::Duration};

use url::Url;

/// Why a server could not be reached over HTTP, and what may help.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// This is no URL that a server can be reached at.
    #[error("{url:?} is no URL of a server: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A header cannot be sent.
    #[error("the header {name:?} cannot be sent: {why}")]
    Header {
        /// The header's name.
        name: String,
        /// What is wrong with it. Never tells its value.
        why: &'static str,
    },
    /// The name leads nowhere.
    #[error(
        "the name {host} is not known ({source}): check how it is written, and that names can be resolved here"
    )]
    Name {
        /// The name.
        host: String,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// Nobody listens there.
    #[error("{target} refuses the connection: is the server running, and does it listen on this port?")]
    Refused {
        /// Host and port.
        target: String,
    },
    /// The network does not lead there, or broke off.
    #[error("{target} cannot be reached: {source}")]
    Unreachable {
        /// Host and port.
        target: String,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// Nobody answered in time.
    #[error("{target} did not accept a connection within {} s", after.as_secs_f32())]
    ConnectTimeout {
        /// Host and port.
        target: String,
        /// How long was waited.
        after: Duration,
    },
    /// The address is of a private network, and those are out of bounds.
    #[error(
        "{host} leads to {address}, which is no public address; connections to private networks are not allowed here"
    )]
    Private {
        /// The host of the URL.
        host: String,
        /// Where it leads.
        address: IpAddr,
    },
    /// The other side did not prove that it is the host, or speaks no TLS.
    #[error("no secure connection to {target}: {source}{}", tls_hint(source))]
    Tls {
        /// Host and port.
        target: String,
        /// What went wrong.
        source: Arc<rustls::Error>,
    },
    /// This system has no certificates to check servers by.
    #[error(
        "no root certificates were found: install them (ca-certificates), or name a file in SSL_CERT_FILE"
    )]
    NoRoots,
    /// The proxy of the environment does not let us through.
    #[error("the proxy {proxy} does not connect to {target}: {why}")]
    Proxy {
        /// The proxy, without its credentials.
        proxy: String,
        /// Host and port.
        target: String,
        /// What went wrong.
        why: String,
    },
    /// The server sends us elsewhere, where we do not go.
    #[error("{from} sends on to {to:?}: {why}")]
    Redirect {
        /// Who sends us on.
        from: String,
        /// Where to.
        to: String,
        /// Why we do not go.
        why: &'static str,
    },
    /// The connection ended while a request was on its way: what became of it is not known.
    #[error("the connection to {target} ended before the answer came: {why}")]
    Lost {
        /// Host and port.
        target: String,
        /// What the connection says.
        why: String,
    },
}

impl Fault {
    /// Whether the request may have reached the server nevertheless.
    pub fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// Whether the other side speaks TLS and did not prove who it is.
    pub fn is_certificate(&self) -> bool {
        matches!(self, Self::Tls { source, .. } if matches!(**source, rustls::Error::InvalidCertificate(_)))
    }
}

fn tls_hint(error: &rustls::Error) -> String {
    use rustls::{CertificateError as Certificate, Error};
    let own = "if the certificate is your own, name it or its issuer in SSL_CERT_FILE";
    let hint = match error {
        Error::InvalidMessage(_) => "does this port speak TLS? try http:// if it does not",
        Error::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer => own,
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "whoever runs the server must renew its certificate; or is the clock of this machine wrong?"
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "write the URL with a name that the certificate is for"
            }
            // Issued by itself, as an issuer of others: what `openssl req -x509` makes.
            Certificate::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                "the certificate is one of an issuer, not of a server: make one for the server that is signed with it"
            }
            _ => return String::new(),
        },
        _ => return String::new(),
    };
    format!(" ({hint})")
}

/// A URL as it may be told: without its user, its query and what follows, where secrets stand.
pub(in crate::client) fn shown(url: &Url) -> String {
    without_secrets(url.as_str())
}

/// The same of text that may be a URL.
pub(super) fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}
