use std::sync::Arc;

use anyport::{
    Revision, Service, client::Target, http, protocol::Limits, unix, websocket, with_legacy_clients,
};
use anyport_adapters::ParkLimits;
use anyport_gateway::Bridge;
use anyport_seal::{Key, Sealer};
use anyport_transport::client::{self as transport, ConnectOptions, child::Command};
use anyport_upstream::{TransportConnector, Upstream};
use tokio::task::JoinHandle;

use super::{Fault, server};

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Channels in the same process.
    Memory,
    /// The standard streams of a child process.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
    /// A WebSocket.
    WebSocket,
    /// A Unix socket.
    Unix,
}

/// A service that is served, for as long as this lives.
#[derive(Debug)]
pub struct Served {
    /// Where it is.
    pub target: Target,
    serving: Option<JoinHandle<()>>,
    _folder: Option<tempfile::TempDir>,
}

impl Way {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Memory, Self::Stdio, Self::Http, Self::Sse, Self::WebSocket, Self::Unix];

    /// Those on which two processes meet.
    pub const BETWEEN_PROCESSES: [Self; 5] =
        [Self::Stdio, Self::Http, Self::Sse, Self::WebSocket, Self::Unix];

    /// Whether `revision` can be spoken on it.
    pub fn carries(self, revision: Revision) -> bool {
        self != Self::Sse || !revision.is_stateless()
    }

    /// Serves [`server`], which then speaks `revision` and no other; in memory it speaks all. `program` is the program
    /// `cross_transport`.
    ///
    /// # Errors
    /// When it cannot be served.
    pub async fn server(self, revision: Revision, program: &str) -> Result<Served, Fault> {
        match self {
            Self::Stdio => Ok(child(Command::new(program).args(["serve", revision.as_str()]))),
            way => way.serve(with_legacy_clients(server()?), [revision].into()).await,
        }
    }

    /// Serves a bridge in front of what is served at `upstream`.
    ///
    /// # Errors
    /// When it cannot be served.
    pub async fn bridge(self, upstream: &Served, program: &str) -> Result<Served, Fault> {
        match self {
            Self::Stdio => {
                let command = Command::new(program).args(["bridge"]);
                Ok(child(match &upstream.target {
                    Target::Command(behind) => {
                        let command = command.args([behind.program.clone()]);
                        command.args(behind.args.iter().cloned())
                    }
                    Target::Http(endpoint) => command.args([endpoint.url()]),
                    Target::WebSocket(endpoint) => command.args([endpoint.url()]),
                    Target::Unix(path) => command.args([format!("unix:{}", path.display())]),
                    other => return Err(format!("no process reaches {other:?}").into()),
                }))
            }
            way => way.serve(bridge(upstream.target.clone())?, Revision::ALL.into()).await,
        }
    }

    async fn serve(self, service: impl Service, supported: Arc<[Revision]>) -> Result<Served, Fault> {
        let never = std::future::pending();
        match self {
            Self::Memory => Ok(Served::at(Target::Service(Arc::new(service)))),
            Self::Stdio => Err("standard streams are those of a child process".into()),
            Self::Unix => {
                let folder = tempfile::tempdir()?;
                let config = unix::Config::default().supported(supported);
                let listener = unix::Listener::bind(folder.path().join("server.sock"), config).await?;
                let target = Target::Unix(listener.path().to_owned());
                let serving = tokio::spawn(async move { drop(listener.serve(service, never).await) });
                Ok(Served { target, serving: Some(serving), _folder: Some(folder) })
            }
            Self::Http | Self::Sse | Self::WebSocket => {
                let config = http::Config::default()
                    .supported(supported)
                    .sse(true)
                    .websocket(websocket::Config::default());
                let listener = http::Listener::bind(([127, 0, 0, 1], 0).into(), config, false).await?;
                let address = listener.address()?;
                let serving = tokio::spawn(async move { drop(listener.serve(service, never).await) });
                let at = |path: &str| transport::http::Endpoint::new(&format!("http://{address}{path}"));
                let target = match self {
                    Self::WebSocket => {
                        Target::WebSocket(transport::websocket::Endpoint::over(at("/mcp/ws")?))
                    }
                    Self::Sse => Target::Http(at("/sse")?),
                    _ => Target::Http(at("/mcp")?),
                };
                Ok(Served { target, serving: Some(serving), _folder: None })
            }
        }
    }
}

impl Served {
    fn at(target: Target) -> Self {
        Self { target, serving: None, _folder: None }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

fn child(command: Command) -> Served {
    Served::at(Target::Command(command))
}

/// A bridge in front of `target`, put together as the program `anyport bridge` does.
///
/// # Errors
/// When there are no random numbers for its key.
pub fn bridge(target: Target) -> Result<Bridge, Fault> {
    let opening = ConnectOptions::default().limits(Limits::default());
    let upstream = Upstream::builder("cross_transport", TransportConnector::new(target, opening))
        .park(Sealer::new(&Key::random()?), ParkLimits::default())
        .build();
    Ok(Bridge::new(upstream, Revision::ALL.into(), None))
}
