//! Serving a service to clients: what every command that serves does in the same way.

mod addresses;
mod arguments;
mod auth;
mod auth_arguments;
mod authorization_server;
mod kept;
mod limit;
mod limits;
mod opening;
mod rates;
mod stdin_fallback;
mod tls;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Error, Result};
use anyport::{
    ServeError,
    serve::{ListenAddr, Serve},
};
use anyport_audit::AuditLog;
use anyport_auth::{CallerLogins, authorization_server::AuthorizationServer, connect_routes};
use anyport_config::gateway::AuthConfig;
use anyport_metrics::Metrics;
use anyport_protocol::Revision;
use anyport_seal::{Key, Sealer};
use anyport_store::Store;
use anyport_transport::{
    BufferedBytes, ClientObserver,
    http::{
        self, Authentication, CallerTokens, ClientHeaderNames, Compat, FurtherEndpoints, ProtectedResource,
        Route, SettingNames, Token,
    },
    stdio, unix,
};
use tokio::sync::oneshot;

pub(crate) use self::{
    addresses::{Addresses, absolute},
    arguments::{Arguments, Era, PublicUrl, Transport},
    authorization_server::authorization_server,
    limit::Limit,
    limits::Limits,
    rates::rates_of,
    tls::check_tls,
};
use crate::{audit, health::HealthReporter, logging, user_error::UserError};

/// Runs `serve` until it is done, or a second signal cuts it.
pub(crate) fn run(serve: impl AsyncFnOnce() -> Result<()>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads that serve")?;
    let ended = runtime.block_on(serve());
    // Running tasks have had their time; dropping the runtime would wait for them. But started programs end with their
    // tasks, which takes no time unless something is stuck.
    runtime.shutdown_timeout(LAST);
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast_ref() {
            Some(ServeError::Cut { signal }) => Ok(ExitCode::from(128 + signal)),
            _ => Err(error),
        },
    }
}

/// How long the tasks may take to be dropped when the program stops at once.
const LAST: Duration = Duration::from_millis(500);

/// What is served, apart from the arguments.
pub(crate) struct Settings<'a> {
    /// The revisions that clients may speak.
    pub(crate) supported: Arc<[Revision]>,
    pub(crate) limits: &'a Limits,
    /// What is counted.
    pub(crate) metrics: &'a Metrics,
    /// The budget of large answers.
    pub(crate) buffers: BufferedBytes,
    /// Further endpoints of HTTP.
    pub(crate) further: FurtherEndpoints,
    /// The headers that clients bring for servers behind this one.
    pub(crate) client_headers: Option<ClientHeaderNames>,
    /// Where the tokens of callers are noted, for servers behind this one.
    pub(crate) caller_tokens: Option<CallerTokens>,
    /// The observer of the messages of clients.
    pub(crate) observer: Option<Arc<dyn ClientObserver>>,
    /// The audit log, for requests that are refused before they are read.
    pub(crate) audit: Option<AuditLog>,
    /// The authorization server of the clients, if it is this program.
    pub(crate) authorization_server: Option<AuthorizationServer>,
    /// How the program is, for operators.
    pub(crate) operations: Arc<HealthReporter>,
    /// The logins of callers at servers, whose pages are shown by that authorization server.
    pub(crate) caller_logins: Option<CallerLogins>,
}

/// Serves on every transport that `arguments` name. `announce` receives the address of HTTP and the path of the Unix
/// socket, once clients can reach them; serving goes on meanwhile.
pub(crate) async fn serve(
    mut serving: Serve,
    arguments: &Arguments,
    Settings {
        supported,
        limits,
        metrics,
        buffers,
        further,
        client_headers,
        caller_tokens,
        observer,
        audit,
        authorization_server,
        operations,
        caller_logins,
    }: Settings<'_>,
    announce: impl AsyncFnOnce(Option<SocketAddr>, Option<&Path>),
) -> Result<()> {
    serving = serving.buffers(buffers.clone());
    if let Some(keys) = arguments.keys()? {
        keys.follow();
    }
    operations.watch_memory();
    let overload = operations.overload.clone();
    if arguments.speaks(Transport::Http) {
        let address = SocketAddr::new(arguments.host, arguments.port);
        let server = authorization_server.as_ref();
        let config = http_config(arguments, supported.clone(), (limits, metrics), server)?;
        let config = config.further_endpoints(further).routes(routes(server, caller_logins.as_ref()));
        let config =
            config.client_headers(client_headers).caller_tokens(caller_tokens).observer(observer.clone());
        let config = config.refusal_observer(audit.as_ref().map(audit::refusals));
        let config = config.overload(overload).operations(Some(operations as Arc<dyn http::Operations>));
        serving = serving.http_with(address, config);
    }
    if arguments.dangerously_allow_anonymous {
        serving = serving.allow_anonymous();
    }
    if arguments.speaks(Transport::Unix) {
        let limits = limits.unix(arguments.max_connections);
        let config =
            unix::Config::default().supported(supported.clone()).limits(limits).observer(observer.clone());
        serving = serving.unix_with(unix_path(arguments)?, config);
    }
    let config = stdio::Config::default()
        .supported(supported)
        .limits(limits.http.message)
        .max_open_requests(limits.http.max_open_requests)
        .drain(limits.http.drain)
        .buffers(buffers)
        .observer(observer);
    serving = match arguments.speaks(Transport::Stdio) {
        true => serving.stdio_with(config),
        // Its end is nothing to us: what was to be served is served elsewhere.
        false => serving.transport(move |service, stop| stdin_fallback::answer(service, config, stop)),
    };
    let (ready, is_ready) = oneshot::channel();
    let serving =
        serving.on_ready(move |addresses| drop(ready.send(addresses.to_vec()))).on_stopping(|signal| {
            if signal.is_some() {
                logging::notice("stopping; running calls may finish, a second signal cuts them");
            }
        });
    let served = async { serving.await.map_err(|error| explain(error, arguments)) };
    let announced = async {
        let Ok(addresses) = is_ready.await else { return Ok(()) };
        let http = addresses.iter().find_map(|address| match address {
            ListenAddr::Http(address, _) | ListenAddr::Https(address, _) => Some(*address),
            _ => None,
        });
        let unix = addresses.iter().find_map(|address| match address {
            ListenAddr::Unix(path) => Some(path.as_path()),
            _ => None,
        });
        announce(http, unix).await;
        Ok(())
    };
    tokio::try_join!(served, announced).map(drop)
}

/// Checks that callers can be authenticated as `config` says: its secrets are in their places, and nothing in it is unsafe.
///
/// `public_url` is the URL under which clients reach the server.
pub(crate) fn check_auth(config: &AuthConfig, public_url: Option<&str>) -> Result<()> {
    authorization_server::check(config, public_url)?;
    // The store of API keys is not opened for this.
    let config = AuthConfig { keys: false, ..config.clone() };
    let store = || -> Result<Arc<dyn Store>> { anyhow::bail!("the store is not opened by a check") };
    let sealer = || Ok(Sealer::new(&Key::random()?));
    let (limits, metrics) = (Limits::with(&[]).verifier, &Metrics::new());
    let shared = auth::Shared { limits, metrics, store: &store, sealer: &sealer };
    auth::verifiers(&config, &shared, None).map(drop)
}

/// How callers over HTTP are authenticated, and what the server says of that.
fn authentication(
    arguments: &Arguments,
    (limits, metrics): (&Limits, &Metrics),
    server: Option<&AuthorizationServer>,
) -> Result<(Authentication, ProtectedResource)> {
    if let Some(secret) = arguments.token()? {
        let token = Token::new("token", &secret.read("--auth-token")?);
        return Ok((Authentication::Tokens(vec![token]), ProtectedResource::default()));
    }
    let Some(config) = arguments.auth() else {
        return Ok((Authentication::Anonymous, ProtectedResource::default()));
    };
    let store = || -> Result<Arc<dyn Store>> {
        let store = arguments.open_store(metrics)?.ok_or_else(|| {
            UserError::usage("there is no folder for the API keys", "name one with --state-dir DIR")
        })?;
        Ok(store.store)
    };
    let sealer = || match arguments.keys()? {
        Some(keys) => Ok(keys.sealer),
        None => Ok(Sealer::new(&Key::random()?)),
    };
    let shared = auth::Shared { limits: limits.verifier, metrics, store: &store, sealer: &sealer };
    let verifiers = auth::verifiers(&config, &shared, server)?;
    Ok((Authentication::verified_by(verifiers), auth::resource(&config, server)))
}

fn http_config(
    arguments: &Arguments,
    supported: Arc<[Revision]>,
    (limits, metrics): (&Limits, &Metrics),
    server: Option<&AuthorizationServer>,
) -> Result<http::Config> {
    let (authentication, resource) = authentication(arguments, (limits, metrics), server)?;
    let base_url = arguments.auth().and_then(|_| arguments.base_url());
    let base_url = base_url.and_then(|url| url.parse::<http::PublicUrl>().ok());
    let (mut allow_hosts, mut allow_origins) = (arguments.allow_host.clone(), arguments.allow_origin.clone());
    if let Some(public) = &arguments.public_url {
        allow_hosts.push(public.host.clone());
        allow_origins.push(public.origin.clone());
    }
    // A request to the listening address itself is allowed: no page of another site has it as its host.
    if !arguments.host.is_unspecified() {
        let name = SocketAddr::new(arguments.host, 0).to_string();
        allow_hosts.extend(name.trim_end_matches(":0").parse());
    }
    let websocket = limits.websocket.clone();
    let limits = limits.http.clone().max_connections(arguments.max_connections);
    let prefix = arguments.public_url.as_ref().map(|public| public.prefix.clone());
    Ok(http::Config::default()
        .supported(supported)
        .allow_hosts(allow_hosts)
        .allow_origins(allow_origins)
        .authentication(authentication)
        .resource(resource)
        .public_url(base_url)
        .tls(arguments.tls.tls()?)
        .hsts(arguments.tls.hsts())
        .http2(arguments.tls.http2())
        .setting_names(SettingNames {
            allow_hosts: "start the server with --allow-host NAME[:PORT]".into(),
            allow_origins: "start the server with --allow-origin ORIGIN".into(),
        })
        .sse(arguments.speaks(Transport::Sse))
        .public_prefix(prefix.unwrap_or_default())
        .trusted_proxies(arguments.trusted_proxies())
        .websocket(arguments.speaks(Transport::Websocket).then_some(websocket))
        .compat(Compat::new(arguments.compat.iter().copied()))
        .rest(true)
        .limits(limits))
}

/// The pages at which users sign in, here and at the servers behind a gateway.
fn routes(server: Option<&AuthorizationServer>, logins: Option<&CallerLogins>) -> Vec<Route> {
    let Some(server) = server else { return Vec::new() };
    let connect = logins.map(|logins| connect_routes(logins, server)).unwrap_or_default();
    server.routes().into_iter().chain(connect).collect()
}

/// The path of the Unix socket. The folder of one that was not chosen is made.
fn unix_path(arguments: &Arguments) -> Result<PathBuf> {
    let (path, chosen) = arguments.unix_path()?;
    if let Some(folder) = path.parent().filter(|_| !chosen) {
        anyport_config::private_folder(folder).map_err(|error| {
            let problem = format!("cannot make the folder {} for the Unix socket: {error}", folder.display());
            UserError::failed(problem, "say where the socket is to be with --unix-path")
        })?;
    }
    Ok(path)
}

/// Why serving failed, with what to do about it.
fn explain(error: ServeError, arguments: &Arguments) -> Error {
    match error {
        ServeError::Http(refused @ http::Refused::Open(_)) => UserError::usage(
            refused.to_string(),
            "give --auth-token env:NAME or file:PATH, --auth-issuer URL, --auth-secret or --auth-keys, or say \
             --dangerously-allow-anonymous",
        ),
        ServeError::Http(http::Refused::Bind { source, .. })
            if source.kind() == std::io::ErrorKind::AddrInUse =>
        {
            UserError::failed(
                format!("port {} is in use", arguments.port),
                "stop what uses it, choose another with --port, or let the system choose with --port 0",
            )
        }
        ServeError::Http(refused @ http::Refused::Bind { .. }) => UserError::failed(
            Error::from(refused).to_string(),
            "choose an address of this machine with --host and a free port with --port",
        ),
        ServeError::Unix(refused) => {
            let help = match &refused {
                unix::Refused::InUse(_) => "stop what uses it, or choose another place with --unix-path",
                unix::Refused::NotASocket(_) => "move it away, or choose another place with --unix-path",
                unix::Refused::TooLong(_) => "choose a shorter path with --unix-path",
                unix::Refused::Unsupported => "leave out --transport unix",
                unix::Refused::Bind { .. } => {
                    "choose a folder that exists and that you may write to with --unix-path"
                }
            };
            UserError::failed(Error::from(refused).to_string(), help)
        }
        error => error.into(),
    }
}
