use std::{fmt, path::PathBuf};

use anyport_transport::client::http::without_secrets;
use http::Uri;

use super::{login::LoginSettings, redact::SecretValue};
use crate::confine::Confinement;

/// How to reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// Over HTTP, whichever of its transports.
    Http {
        /// With its scheme, `http` or `https`.
        url: String,
        /// Sent with every request.
        headers: Vec<(String, SecretValue)>,
        /// What its file says of the login to it.
        login: Option<Box<LoginSettings>>,
        /// The certificate that it is shown.
        certificate: Option<Box<ClientCertificate>>,
    },
    /// Over a WebSocket.
    WebSocket {
        /// With its scheme, `ws` or `wss`.
        url: String,
        /// Sent when it is opened.
        headers: Vec<(String, SecretValue)>,
    },
    /// On a Unix socket.
    Unix(PathBuf),
    /// On the standard input and output of a process that we start.
    Command {
        /// The program, found on the path when it has no folder.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// Set in its environment.
        environment: Vec<(String, SecretValue)>,
        /// Where it runs; else where we do.
        cwd: Option<PathBuf>,
        /// What it may use of the system; else all that we may.
        confinement: Option<Confinement>,
    },
    /// Through a running gateway, which has it among its servers.
    Gateway(GatewayServer),
}

/// A certificate by which this program shows a server who it is (mutual TLS), in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    /// With its chain.
    pub(crate) chain: String,
    /// Its private key.
    pub(crate) key: SecretValue,
}

/// A server of a running gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GatewayServer {
    /// The file that the gateway serves.
    pub(crate) file: PathBuf,
    /// The number of its process.
    pub(crate) pid: u32,
    /// Its socket.
    pub(crate) socket: PathBuf,
    /// Its name for the server.
    pub(crate) name: String,
    /// Whether the gateway covers its secrets where the server repeats them.
    pub(crate) is_covered: bool,
}

impl Server {
    /// The server at a URL: `http`, `https`, `ws`, `wss`, or `unix:PATH`.
    pub(crate) fn url(url: &str, headers: Vec<(String, SecretValue)>) -> Result<Self, NoUrl> {
        let wrong = |reason: &str| NoUrl { url: without_secrets(url), reason: reason.to_owned() };
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.is_empty() {
                true => Err(wrong("unix: wants the path of a socket")),
                false => Ok(Self::Unix(path.into())),
            };
        }
        if url.ends_with("://") {
            return Err(wrong("it names no host"));
        }
        let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(wrong("it names no host"));
        }
        match uri.scheme_str() {
            Some("http" | "https") => {
                Ok(Self::Http { url: url.to_owned(), headers, login: None, certificate: None })
            }
            Some("ws" | "wss") => Ok(Self::WebSocket { url: url.to_owned(), headers }),
            _ => Err(wrong("servers are reached by http, https, ws, wss or unix")),
        }
    }

    /// A name for it in the configuration of a client: of its package, its script, its host.
    pub(crate) fn config_name(&self) -> String {
        match self {
            Self::Http { url, .. } | Self::WebSocket { url, .. } => anyport_config::name_of_url(url),
            Self::Unix(path) => anyport_config::name_of_url(&format!("unix:{}", path.display())),
            Self::Command { program, arguments, .. } => anyport_config::name_of_command(program, arguments),
            Self::Gateway(server) => anyport_config::valid_name(&server.name),
        }
    }

    /// Over what it is reached, in a word.
    pub(crate) fn transport(&self) -> &'static str {
        match self {
            Self::Http { .. } => "http",
            Self::WebSocket { .. } => "websocket",
            Self::Unix(_) => "unix",
            Self::Command { .. } => "stdio",
            Self::Gateway(_) => "gateway",
        }
    }
}

/// As a person would write it, without anything that may be secret.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { url, .. } | Self::WebSocket { url, .. } => f.write_str(&without_secrets(url)),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            // Its arguments may hold a secret; its name says which one it is.
            Self::Command { program, .. } => f.write_str(program),
            Self::Gateway(GatewayServer { file, name, .. }) => {
                write!(f, "{name} of the gateway of {}", file.display())
            }
        }
    }
}

/// The text is not the URL of a server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url} is not the URL of a server: {reason}")]
pub(crate) struct NoUrl {
    url: String,
    reason: String,
}
