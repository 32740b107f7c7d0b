//! Serving a service to clients: what every command that serves does in the same way.

mod addresses;
mod arguments;
mod limits;
mod stdin_fallback;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use anyport_protocol::Revision;
use anyport_seal::Key;
use anyport_service::Service;
use anyport_transport::{
    http::{Authentication, Compat, Config, Listener, Refused, Token},
    stdio, unix,
};

pub(crate) use self::{
    addresses::{Addresses, absolute},
    arguments::{Arguments, Era, Transport},
    limits::Limits,
};
use crate::{state_dir, stop::Stop, user_error::UserError};

/// Runs `serve` until it is done, or a second signal cuts it.
pub(crate) fn run(serve: impl AsyncFnOnce(&Stop) -> Result<()>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads that serve")?;
    let ended = runtime.block_on(async {
        let stop = Stop::on_signals().context("cannot listen for signals")?;
        tokio::select! {
            biased;
            signal = stop.cut() => Ok(ExitCode::from(128 + signal)),
            served = serve(&stop) => served.map(|()| ExitCode::SUCCESS),
        }
    });
    // Running tasks have had their time; dropping the runtime would wait for them. But started programs end with their
    // tasks, which takes no time unless something is stuck.
    runtime.shutdown_timeout(LAST);
    ended
}

/// How long the tasks may take to be dropped when the program stops at once.
const LAST: Duration = Duration::from_millis(500);

/// The addresses that are ours, before anything is served there.
pub(crate) struct Served {
    supported: Arc<[Revision]>,
    listener: Option<Listener>,
    address: Option<SocketAddr>,
    socket: Option<unix::Listener>,
    path: Option<PathBuf>,
    stdio: bool,
    drain: Duration,
}

impl Served {
    /// Takes every address that `arguments` name.
    pub(crate) async fn open(
        arguments: &Arguments,
        supported: Arc<[Revision]>,
        limits: &Limits,
    ) -> Result<Self> {
        let listener = match arguments.speaks(Transport::Http) {
            true => Some(listen(arguments, supported.clone(), limits).await?),
            false => None,
        };
        let address = listener.as_ref().map(Listener::address).transpose()?;
        let socket = match arguments.speaks(Transport::Unix) {
            true => Some(listen_locally(arguments, supported.clone(), limits).await?),
            false => None,
        };
        let path = socket.as_ref().map(|socket| socket.path().to_owned());
        let stdio = arguments.speaks(Transport::Stdio);
        Ok(Self { supported, listener, address, socket, path, stdio, drain: limits.http.drain })
    }

    /// Where HTTP is served.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Where the Unix socket is.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.path.clone()
    }

    /// Serves `service` until a stop is requested.
    pub(crate) async fn serve(self, service: Arc<impl Service>, limits: &Limits, stop: &Stop) -> Result<()> {
        let Self { supported, listener, socket, drain, .. } = self;
        let http = async {
            match listener {
                Some(listener) => {
                    listener.serve(service.clone(), stop.stopped()).await.context("HTTP serving failed")
                }
                None => Ok(()),
            }
        };
        let unix = async {
            match socket {
                Some(socket) => socket
                    .serve(service.clone(), stop.stopped())
                    .await
                    .context("serving on the Unix socket failed"),
                None => Ok(()),
            }
        };
        let stdio = async {
            let config = stdio::Config {
                supported: supported.clone(),
                limits: limits.http.message,
                max_open_requests: limits.max_open_requests,
                drain,
            };
            if self.stdio {
                stdio::serve(service.clone(), config, stop.stopped())
                    .await
                    .context("stdio serving failed")?;
                // The client that started us is gone, and with it the reason to run.
                stop.stop();
                return Ok(());
            }
            // Its end is nothing to us: what was to be served is served elsewhere.
            stdin_fallback::answer(service.clone(), config, || stop.stopped())
                .await
                .context("answering standard input failed")
        };
        tokio::try_join!(http, unix, stdio).map(drop)
    }
}

/// The key for state that travels through clients. Without a place to keep it, it lives as long as the process.
pub(crate) fn key(state_dir: Option<PathBuf>) -> Option<Key> {
    let folder = state_dir::folder(state_dir)?;
    match state_dir::key(&folder) {
        Ok(key) => Some(key),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "the key is not kept: clients in mid-dialogue must start over after a restart; set --state-dir");
            None
        }
    }
}

async fn listen(arguments: &Arguments, supported: Arc<[Revision]>, limits: &Limits) -> Result<Listener> {
    let authentication = match arguments.token()? {
        Some(secret) => Authentication::Tokens(vec![Token::new("token", &secret.read()?)]),
        None => Authentication::Anonymous,
    };
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
    let limits =
        anyport_transport::http::Limits { max_connections: arguments.max_connections, ..limits.http.clone() };
    let config = Config {
        supported,
        allow_hosts,
        allow_origins,
        authentication,
        sse: arguments.speaks(Transport::Sse),
        public_prefix: arguments.public_url.as_ref().map(|public| public.prefix.clone()).unwrap_or_default(),
        websocket: arguments.speaks(Transport::Websocket).then_some(websocket),
        compat: Compat::new(arguments.compat.iter().copied()),
        plain: true,
        limits,
        ..Config::default()
    };
    let address = SocketAddr::new(arguments.host, arguments.port);
    let listener = Listener::bind(address, config, arguments.dangerously_allow_anonymous).await;
    listener.map_err(|refused| match refused {
        Refused::Open(_) => UserError::usage(
            refused.to_string(),
            "give --auth-token env:NAME or file:PATH, or say --dangerously-allow-anonymous",
        ),
        Refused::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse => UserError::failed(
            format!("port {} is in use", arguments.port),
            "stop what uses it, choose another with --port, or let the system choose with --port 0",
        ),
        Refused::Bind { .. } => UserError::failed(
            anyhow::Error::from(refused).to_string(),
            "choose an address of this machine with --host and a free port with --port",
        ),
    })
}

async fn listen_locally(
    arguments: &Arguments,
    supported: Arc<[Revision]>,
    limits: &Limits,
) -> Result<unix::Listener> {
    let (path, chosen) = arguments.unix_path()?;
    if let Some(folder) = path.parent().filter(|_| !chosen) {
        state_dir::private_folder(folder).map_err(|error| {
            let problem = format!("cannot make the folder {} for the Unix socket: {error}", folder.display());
            UserError::failed(problem, "say where the socket is to be with --unix-path")
        })?;
    }
    let limits = limits.unix(arguments.max_connections);
    let config = unix::Config { supported, limits, ..unix::Config::default() };
    unix::Listener::bind(&path, config).await.map_err(|refused| {
        let help = match &refused {
            unix::Refused::InUse(_) => "stop what uses it, or choose another place with --unix-path",
            unix::Refused::NotASocket(_) => "move it away, or choose another place with --unix-path",
            unix::Refused::TooLong(_) => "choose a shorter path with --unix-path",
            unix::Refused::Unsupported => "leave out --transport unix",
            unix::Refused::Bind { .. } => {
                "choose a folder that exists and that you may write to with --unix-path"
            }
        };
        UserError::failed(anyhow::Error::from(refused).to_string(), help)
    })
}
