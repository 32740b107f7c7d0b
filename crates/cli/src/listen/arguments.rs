use std::{
    env,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::Result;
use anyport_config::gateway::{AuthConfig, GatewayConfig, LogConfig, first_required};
use anyport_protocol::Revision;
use anyport_transport::http::{AllowedHost, AllowedOrigin, KnownClient, TrustedProxy};
use clap::ValueEnum;

use super::{auth_arguments::AuthArguments, kept::Kept, limit::Limit, limits::Limits, tls::TlsArguments};
use crate::{
    audit::AuditChoice,
    health::Operators,
    logging,
    secret_source::{InvalidSecretSource, SecretSource},
    state_dir,
    store::{StateKeys, StoreArguments},
    user_error::UserError,
};

/// How clients reach what a command serves: the same for every command that serves.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// How clients reach the server; may be several. Else HTTP.
    #[arg(
        long,
        help_heading = "Transports",
        env = "ANYPORT_TRANSPORT",
        ignore_case = true,
        value_delimiter = ',',
        hide_env = true
    )]
    transport: Vec<Transport>,
    /// Short for --transport stdio.
    #[arg(long, help_heading = "Transports")]
    stdio: bool,
    /// Where the Unix socket is. Else anyport.sock in the user's runtime folder, or in the state folder.
    #[arg(
        long,
        help_heading = "Transports",
        value_name = "PATH",
        env = "ANYPORT_UNIX_PATH",
        hide_env = true,
        hide_short_help = true
    )]
    unix_path: Option<PathBuf>,
    /// Which clients are served: of both eras, or only those of 2026-07-28 (modern) or older (legacy).
    #[arg(
        long,
        help_heading = "Transports",
        default_value = "both",
        env = "ANYPORT_ERA",
        ignore_case = true,
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) era: Era,
    /// The address to listen on. Beyond loopback a token is needed.
    #[arg(long, help_heading = "Transports", default_value_t = Ipv4Addr::LOCALHOST.into(), env = "ANYPORT_HOST", value_parser = host, hide_env = true)]
    pub(crate) host: IpAddr,
    /// The port to listen on; 0 lets the system choose.
    #[arg(long, help_heading = "Transports", default_value_t = 3020, env = "ANYPORT_PORT", hide_env = true)]
    pub(crate) port: u16,
    /// Where clients reach the server from outside, when that is behind a proxy.
    #[arg(
        long,
        help_heading = "Transports",
        value_name = "URL",
        env = "ANYPORT_PUBLIC_URL",
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) public_url: Option<PublicUrl>,
    #[command(flatten)]
    pub(super) tls: TlsArguments,

    /// Source of the token that callers must present: env:NAME or file:PATH.
    // Read by `token`: clap repeats a wrong value, and this one may be the secret itself.
    #[arg(long, help_heading = "Access", value_name = "PLACE", env = "ANYPORT_AUTH_TOKEN", hide_env = true)]
    auth_token: Option<String>,
    #[command(flatten)]
    auth: AuthArguments,
    /// What the section `[auth]` of a gateway's file says.
    #[arg(skip)]
    file_auth: Option<AuthConfig>,
    /// The URL that the file says.
    #[arg(skip)]
    file_url: Option<String>,
    /// The reverse proxies that the file says.
    #[arg(skip)]
    trusted_proxies: Vec<String>,
    /// Allow anonymous calls, even from other machines.
    #[arg(long, help_heading = "Access")]
    pub(crate) dangerously_allow_anonymous: bool,
    /// A name, beside loopback ones, under which clients may reach the server; may be given several times.
    #[arg(
        long,
        help_heading = "Access",
        value_name = "NAME[:PORT]",
        env = "ANYPORT_ALLOW_HOST",
        value_delimiter = ',',
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) allow_host: Vec<AllowedHost>,
    /// A web origin whose pages may call the server; may be given several times.
    #[arg(
        long,
        help_heading = "Access",
        value_name = "ORIGIN",
        env = "ANYPORT_ALLOW_ORIGIN",
        value_delimiter = ',',
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) allow_origin: Vec<AllowedOrigin>,
    /// A client, such as vscode, that may omit headers which 2026-07-28 requires; may be given several times.
    #[arg(
        long,
        help_heading = "Access",
        value_name = "NAME",
        env = "ANYPORT_COMPAT",
        value_delimiter = ',',
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) compat: Vec<KnownClient>,

    /// Connections at once.
    #[arg(long, help_heading = "Limits", value_name = "COUNT", default_value_t = 1024, env = "ANYPORT_MAX_CONNECTIONS", value_parser = positive, hide_env = true, hide_short_help = true)]
    pub(crate) max_connections: usize,
    /// Another bound by its name, such as max_message_bytes=8388608; may be given several times. See docs/limits.md.
    #[arg(
        long,
        help_heading = "Limits",
        value_name = "NAME=VALUE",
        env = "ANYPORT_LIMIT",
        value_delimiter = ',',
        hide_env = true,
        hide_short_help = true
    )]
    pub(crate) limit: Vec<Limit>,
    /// Record every call in the audit log: behind its answer (on), or before it (required). Else what the file says, or off.
    #[arg(long, value_name = "MODE", env = "ANYPORT_AUDIT", hide_env = true, hide_short_help = true)]
    pub(crate) audit: Option<AuditChoice>,
    /// Folder of the program's state. Else the user's state folder.
    #[arg(long, value_name = "DIR", env = "ANYPORT_STATE_DIR", hide_env = true, hide_short_help = true)]
    pub(crate) state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// File of the key that seals what travels through clients: 32 bytes, or Base64 of them on each line, of which the first seals and all open.
    /// Gateways that share a store have the same. Else one in the state folder.
    #[arg(long, value_name = "FILE", env = "ANYPORT_STATE_KEY", hide_env = true, hide_short_help = true)]
    pub(super) state_key: Option<PathBuf>,
    /// What was opened.
    #[arg(skip)]
    pub(super) kept: Kept,

    #[command(flatten)]
    pub(crate) logs: logging::Arguments,
}

/// A way for clients to reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Standard input and output.
    Stdio,
    /// Streamable HTTP, at /mcp.
    Http,
    /// HTTP, and HTTP+SSE of 2024-11-05 beside it, at /sse.
    Sse,
    /// HTTP, and WebSockets beside it, at /ws.
    #[value(alias = "ws")]
    Websocket,
    /// A Unix socket, for processes of the same user.
    Unix,
}

/// Which revisions are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Era {
    /// All.
    Both,
    /// 2026-07-28.
    Modern,
    /// 2024-11-05 to 2025-11-25.
    Legacy,
}

impl Era {
    /// The revisions, newest first.
    pub(crate) fn revisions(self) -> Vec<Revision> {
        let spoken = |revision: &Revision| match self {
            Self::Both => true,
            Self::Modern => revision.is_stateless(),
            Self::Legacy => revision.has_sessions(),
        };
        Revision::ALL.into_iter().rev().filter(spoken).collect()
    }
}

/// Where clients reach the server from outside.
#[derive(Clone, Debug)]
pub(crate) struct PublicUrl {
    /// The MCP endpoint.
    pub(crate) endpoint: String,
    pub(crate) host: AllowedHost,
    pub(crate) origin: AllowedOrigin,
    /// The prefix of our paths.
    pub(crate) prefix: String,
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no URL such as https://mcp.example.com");
        let uri: http::Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        if uri.query().is_some() || text.contains('#') {
            return Err(wrong());
        }
        // A browser leaves out the port that everyone knows, in Host and in Origin.
        let usual = if scheme == "http" { ":80" } else { ":443" };
        let authority = authority.as_str();
        let authority = authority.strip_suffix(usual).unwrap_or(authority);
        let host = authority.parse().map_err(|_| wrong())?;
        let origin = format!("{scheme}://{authority}").parse().map_err(|_| wrong())?;
        // Given with the endpoint's path or without it, it is the same server.
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix("/mcp").unwrap_or(path);
        let endpoint = format!("{scheme}://{authority}{path}/mcp");
        Ok(Self { endpoint, host, origin, prefix: path.to_owned() })
    }
}

fn host(text: &str) -> Result<IpAddr, String> {
    let text = if text.eq_ignore_ascii_case("localhost") { "127.0.0.1" } else { text };
    text.parse().map_err(|_| "must be an IP address, such as 127.0.0.1 or 0.0.0.0".into())
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "must be a number from 1 on".into())
}

impl Arguments {
    /// Whether clients may come over `transport`.
    pub(crate) fn speaks(&self, transport: Transport) -> bool {
        let chosen = self.transport.contains(&transport);
        match transport {
            Transport::Stdio => chosen || self.stdio,
            // Transports beside it need its listener.
            Transport::Http => {
                let beside = [Transport::Sse, Transport::Websocket];
                chosen
                    || beside.iter().any(|transport| self.transport.contains(transport))
                    || (self.transport.is_empty() && !self.stdio)
            }
            Transport::Sse | Transport::Websocket | Transport::Unix => chosen,
        }
    }

    /// Begins to log, as the options say, and else `config` with the limits `named` in its file, which is in `folder`.
    ///
    /// # Errors
    /// When the log file cannot be written.
    pub(crate) fn start_log(&self, config: &LogConfig, folder: &Path, named: &[Limit]) -> Result<()> {
        let limits = Limits::with(&[named, &self.limit].concat()).log;
        logging::start(&self.logs, config, folder, limits)
    }

    /// Whether callers must present a token.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.auth_token.is_some() || self.auth().is_some()
    }

    /// Whether clients find an authorization server that gives them tokens.
    pub(super) fn has_authorization_server(&self) -> bool {
        self.auth()
            .is_some_and(|auth| !auth.issuers.is_empty() || auth.builtin.is_some() || auth.proxy.is_some())
    }

    /// The authentication by verified credentials, as the options or the file have it.
    pub(crate) fn auth(&self) -> Option<AuthConfig> {
        self.auth.config().or_else(|| self.file_auth.clone())
    }

    /// Who sees how the program is, with the scopes `require`.
    pub(crate) fn operators(&self, require: Vec<String>) -> Operators {
        Operators::new(self.is_authenticated(), require)
    }

    /// What the file of the gateway said of its callers when it was started.
    pub(crate) fn file_auth(&self) -> Option<&AuthConfig> {
        self.file_auth.as_ref()
    }

    /// Whether the URL of a file is the one that is served.
    pub(crate) fn has_public_url_of(&self, config: &GatewayConfig) -> bool {
        self.file_url == config.gateway.public_url
    }

    /// Whether the reverse proxies of a file are those that are served.
    pub(crate) fn has_trusted_proxies_of(&self, config: &GatewayConfig) -> bool {
        self.trusted_proxies == config.gateway.trusted_proxies
    }

    /// The reverse proxies whose word on the address of a client counts. The file has been checked.
    pub(crate) fn trusted_proxies(&self) -> Vec<TrustedProxy> {
        self.trusted_proxies.iter().filter_map(|proxy| proxy.parse().ok()).collect()
    }

    /// Whether only clients with a certificate can connect over HTTP.
    pub(crate) fn demands_client_certificates(&self) -> bool {
        self.tls.demand_client_certificates()
    }

    /// Whether the files of TLS in a file are those that are served.
    pub(crate) fn has_tls_of(&self, config: &GatewayConfig) -> bool {
        !self.tls.differ_from(&config.gateway)
    }

    /// The scheme of our own address.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.are_given() { "https" } else { "http" }
    }

    /// Takes over what the file of a gateway, in `folder`, says of its callers, its URL, its proxies and TLS.
    ///
    /// # Errors
    /// If options contradict the file.
    pub(crate) fn adopt(&mut self, config: &GatewayConfig, folder: &Path) -> Result<()> {
        self.tls.adopt(&config.gateway, folder);
        self.file_url.clone_from(&config.gateway.public_url);
        self.trusted_proxies.clone_from(&config.gateway.trusted_proxies);
        if self.public_url.is_none()
            && let Some(url) = &config.gateway.public_url
        {
            let url = url.parse().map_err(|error| {
                UserError::usage(
                    format!("public_url of [gateway]: {error}"),
                    "write it as https://mcp.example.com",
                )
            })?;
            self.public_url = Some(url);
        }
        if config.auth.is_set() {
            let option = match (&self.auth_token, self.auth.config(), self.dangerously_allow_anonymous) {
                (Some(_), ..) => Some("--auth-token"),
                (_, Some(_), _) => Some("an option that begins with --auth"),
                (_, _, true) => Some("--dangerously-allow-anonymous"),
                _ => None,
            };
            if let Some(option) = option {
                return Err(UserError::usage(
                    format!("{option} is given, and the file says in [auth] who may call"),
                    "leave one of them out",
                ));
            }
            self.file_auth = Some(config.auth.clone());
        }
        Ok(())
    }

    /// Checks that a file which requires scopes is served over HTTP only to callers whose scopes are known: whoever has none
    /// that are known, such as all who share one token, may do everything.
    ///
    /// # Errors
    /// If a scope is required of callers who present none.
    pub(crate) fn check_required_scopes(&self, config: &GatewayConfig) -> Result<()> {
        let is_known = !self.speaks(Transport::Http) || self.auth().is_some();
        match first_required(config).filter(|_| !is_known) {
            None => Ok(()),
            Some(key) => Err(UserError::usage(
                format!(
                    "{key} is in the file, and nothing says which scopes a caller has: it would hold for nobody"
                ),
                "set [auth], or an option such as --auth-issuer, and start the gateway anew; see docs/protecting.md",
            )),
        }
    }

    /// Whether others than the user of this program may be among its callers.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_authenticated() || self.is_named() || !self.host.is_loopback()
    }

    /// Whether it is known under which names clients come from elsewhere.
    pub(crate) fn is_named(&self) -> bool {
        self.public_url.is_some() || !self.allow_host.is_empty()
    }

    /// The URL that the paths of endpoints are appended to, as clients reach the server; on loopback that of the address, unless
    /// its port is chosen by the system.
    pub(crate) fn base_url(&self) -> Option<String> {
        let public = self.public_url.as_ref();
        let public = public.and_then(|public| Some(public.endpoint.strip_suffix("/mcp")?.to_owned()));
        let own = || format!("{}://{}", self.scheme(), SocketAddr::new(self.host, self.port));
        public.or_else(|| (self.host.is_loopback() && self.port != 0).then(own))
    }

    /// The source of the token that callers must present.
    pub(crate) fn token(&self) -> Result<Option<SecretSource>> {
        let secret = self.auth_token.as_deref().map(SecretSource::from_str).transpose();
        secret.map_err(|InvalidSecretSource| {
            UserError::usage(
                "--auth-token (or ANYPORT_AUTH_TOKEN) takes the place of the token, never the token itself",
                "keep the token in a variable or a file, and give env:NAME or file:PATH",
            )
        })
    }

    /// Checks the combination of arguments.
    pub(crate) fn check(&self) -> Result<()> {
        self.token()?;
        if self.auth_token.is_some() && self.dangerously_allow_anonymous {
            return Err(UserError::usage(
                "--auth-token and --dangerously-allow-anonymous contradict each other",
                "leave one of them out",
            ));
        }
        if self.auth.config().is_some() && (self.auth_token.is_some() || self.dangerously_allow_anonymous) {
            let other =
                if self.auth_token.is_some() { "--auth-token" } else { "--dangerously-allow-anonymous" };
            return Err(UserError::usage(
                format!("{other} and the other options of authentication (--auth-...) contradict each other"),
                "leave one of them out; API keys (--auth-keys) stand beside tokens of issuers",
            ));
        }
        self.auth.check(self.base_url().as_deref())?;
        self.store.place()?;
        if let Some(file) = &self.state_key {
            StateKeys::read(file)?;
        }
        self.tls.check()?;
        if self.unix_path.is_some() && !self.speaks(Transport::Unix) {
            return Err(UserError::usage(
                "--unix-path says where the Unix socket is, and none is to be served",
                "add --transport unix, or leave the path out",
            ));
        }
        if self.speaks(Transport::Sse) && self.era == Era::Modern {
            return Err(UserError::usage(
                "--transport sse is for clients of 2025-11-25 and older, and --era modern turns those away",
                "leave one of them out",
            ));
        }
        Ok(())
    }

    /// The ignored options. They may come from the environment, so they are not errors.
    pub(crate) fn idle(&self) -> Vec<&'static str> {
        if self.speaks(Transport::Http) {
            return Vec::new();
        }
        let mut idle = Vec::new();
        let mut check = |given: bool, words| {
            if given {
                idle.push(words);
            }
        };
        check(
            self.auth_token.is_some(),
            "--auth-token is for HTTP, which is not served: on standard input and output, and on a Unix socket, the \
             operating system knows who calls",
        );
        check(
            self.auth().is_some(),
            "--auth-issuer, --auth-secret, --auth-keys and [auth] are for HTTP, which is not served",
        );
        check(self.public_url.is_some(), "--public-url is for HTTP, which is not served");
        check(self.tls.are_given(), "--tls-cert is for HTTP, which is not served");
        check(!self.allow_host.is_empty(), "--allow-host is for HTTP, which is not served");
        check(!self.allow_origin.is_empty(), "--allow-origin is for HTTP, which is not served");
        idle
    }

    /// Where the Unix socket is to be, and whether that was said.
    pub(crate) fn unix_path(&self) -> Result<(PathBuf, bool)> {
        if let Some(path) = &self.unix_path {
            return Ok((path.clone(), true));
        }
        let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
        let folder = runtime.map(|folder| PathBuf::from(folder).join("anyport"));
        let folder = folder.or_else(|| state_dir::folder(self.state_dir.clone())).ok_or_else(|| {
            UserError::usage(
                "there is no folder for the Unix socket",
                "say where it is to be with --unix-path",
            )
        })?;
        Ok((folder.join("anyport.sock"), false))
    }
}
