use std::{future::Future, pin::Pin, sync::Arc};

use anyport_service::Network;
use anyport_telemetry::{ClientSpan, Peer, Telemetry};
use anyport_transport::client::Target;
use anyport_upstream::{ConnectError, Connected, Connector, OpenRequest};
use url::Url;

/// A connector whose connections have client spans: one for each attempt that is sent, and none for what a cache answers.
pub(crate) struct MeasuredConnector<C> {
    inner: C,
    measured: Option<(Telemetry, Reached)>,
}

/// How a server is reached.
#[derive(Clone)]
struct Reached {
    name: Arc<str>,
    network: Option<Network>,
    address: Option<Arc<str>>,
    port: Option<u16>,
}

impl<C> MeasuredConnector<C> {
    /// Connects by `inner` to the server `name` at `target`. Without telemetry, connections stay as they are.
    pub(crate) fn new(inner: C, telemetry: Option<Telemetry>, name: &str, target: &Target) -> Self {
        Self { inner, measured: telemetry.map(|telemetry| (telemetry, Reached::new(name, target))) }
    }

    /// The same with another way to connect.
    pub(crate) fn map<D>(self, change: impl FnOnce(C) -> D) -> MeasuredConnector<D> {
        MeasuredConnector { inner: change(self.inner), measured: self.measured }
    }
}

impl Reached {
    fn new(name: &str, target: &Target) -> Self {
        let (network, url) = match target {
            Target::Command(_) => (Some(Network::STDIO), None),
            Target::Http(endpoint) => (Some(Network::HTTP), Url::parse(endpoint.url()).ok()),
            Target::WebSocket(endpoint) => (Some(Network::WEBSOCKET), Url::parse(&endpoint.url()).ok()),
            #[cfg(unix)]
            Target::Unix(path) => {
                let address = Some(Arc::from(path.to_string_lossy()));
                return Self { name: name.into(), network: Some(Network::UNIX), address, port: None };
            }
            _ => (None, None),
        };
        let address = url.as_ref().and_then(|url| url.host_str()).map(Arc::from);
        let port = url.as_ref().and_then(Url::port_or_known_default);
        Self { name: name.into(), network, address, port }
    }
}

impl<C: Connector> Connector for MeasuredConnector<C> {
    fn connect(
        &self,
        client: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
        let connecting = self.inner.connect(client);
        let Some((telemetry, Reached { name, network, address, port })) = self.measured.clone() else {
            return connecting;
        };
        Box::pin(async move {
            let mut connected = connecting.await?;
            let revision = connected.session.revision().as_str();
            let peer = Peer { name, revision, network, address, port };
            connected.service = Arc::new(ClientSpan::new(connected.service, peer, telemetry));
            Ok(connected)
        })
    }
}
