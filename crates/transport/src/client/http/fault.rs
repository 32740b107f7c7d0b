use std::{io, net::IpAddr, sync::Arc, time::Duration};

use anyport_protocol::failure::{CloseReason, Failure};
use url::Url;

use super::pool::PoolExhausted;

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
    /// The server wants to know who calls, and no access was got.
    #[error("{at} wants to know who is calling: {why}")]
    SignIn {
        /// The URL of the server.
        at: String,
        /// Why there is no access, and what to do.
        why: String,
        /// Whether the same may succeed later, without a login.
        is_temporary: bool,
    },
    /// No place of the pool became free for a call. It was not sent.
    #[error(transparent)]
    PoolExhausted(#[from] Box<PoolExhausted>),
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

/// Why a request has no response.
#[derive(Clone, Debug)]
pub(crate) struct SendError {
    pub(crate) fault: Fault,
    /// Whether a server has answered the request already, by sending it on: whatever keeps it from arriving elsewhere, the
    /// first server may have carried it out.
    pub(crate) is_redirected: bool,
}

impl SendError {
    /// The failure of a call that this has happened to.
    pub(super) fn into_failure(self) -> Failure {
        // The server has nothing to do with it, and the connection is whole.
        if let Fault::PoolExhausted(exhausted) = self.fault {
            return (*exhausted).into();
        }
        let reason = CloseReason::lost(self.fault.to_string());
        match self.is_redirected || self.fault.may_have_arrived() {
            true => Failure::OutcomeUnknown(reason),
            false => Failure::NotSent(reason),
        }
    }
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Self {
        error.fault
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

/// A text that should be a URL as it may be told, also where it is none: without its user, its query and what follows, where
/// secrets stand.
pub fn without_secrets(url: &str) -> String {
    let until = |text: &'_ str, signs: &[char]| text.find(signs).unwrap_or(text.len());
    let Some((scheme, rest)) = url.split_once("://") else {
        return url[..until(url, &['?', '#'])].to_owned();
    };
    let authority = &rest[..until(rest, &['/', '\\', '?', '#'])];
    // A password may itself hold a sign that ends the authority; what stands before that sign is then no port.
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let is_cut =
        !authority.contains('@') && !port.ends_with(']') && port.contains(|c: char| !c.is_ascii_digit());
    let rest = match is_cut {
        true => rest.rsplit_once('@').map_or(rest, |(_, rest)| rest),
        false => rest,
    };
    let (authority, path) = rest.split_at(until(rest, &['/', '\\', '?', '#']));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{}", &path[..until(path, &['?', '#'])])
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn no_user_and_no_query_is_told_however_they_are_written() {
        for (url, told) in [
            ("https://host/mcp", "https://host/mcp"),
            ("https://host:8443/a/@scope/b?key=secret#secret", "https://host:8443/a/@scope/b"),
            ("https://me:secret@host/mcp", "https://host/mcp"),
            ("https://me:se/cret@host:1/mcp", "https://host:1/mcp"),
            ("https://me:se?cr#et@host/mcp?secret", "https://host/mcp"),
            ("https://me:se@cret@host/mcp", "https://host/mcp"),
            ("https://[::1]:80/mcp", "https://[::1]:80/mcp"),
            ("https://[::1]/@/mcp", "https://[::1]/@/mcp"),
            ("wss://host:99999/ws?key=secret", "wss://host:99999/ws"),
            ("host/mcp?key=secret", "host/mcp"),
        ] {
            assert_eq!(without_secrets(url), told, "{url}");
        }
    }
}
