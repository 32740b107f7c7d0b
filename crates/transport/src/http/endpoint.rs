use std::{fmt, future::Future, sync::Arc};

use anyport_adapters::{LegacyClientAdapter, LegacyClientLimits};
use anyport_service::Service;
use http::Request;
use tokio::time::timeout;

use super::{body::Response, config::Config, connect_info::ConnectInfo, pipeline, state::State};

/// Answers HTTP requests with MCP, wherever they come from.
///
/// It knows no sockets: [`Listener`](super::Listener) is one way to bring requests to it, another program's HTTP
/// server is another. Everything that [`Config`] says of a request holds in both: hosts, origins, tokens, sizes,
/// sessions, streams. What bounds *connections* (`max_connections`, `max_headers`, `max_header_bytes`,
/// `header_timeout`) is up to whoever has them; so is [`Authentication`](super::Authentication) that suits the
/// address, which the listener insists on and this cannot.
///
/// A clone is another handle to the same endpoint.
#[derive(Clone)]
pub struct Endpoint {
    state: Arc<State>,
}

impl Endpoint {
    /// An endpoint of `service`, for clients of all revisions: those of older ones receive server requests inline, with the
    /// default [`LegacyClientLimits`](anyport_adapters::LegacyClientLimits). A service with an adapter of its own keeps it.
    pub fn new(service: impl Service, config: Config) -> Self {
        Self::adapted(LegacyClientAdapter::new(service, LegacyClientLimits::default()), config)
    }

    /// An endpoint of `service`, which has its adapter for legacy clients, where it needs one.
    pub(super) fn adapted(service: impl Service, config: Config) -> Self {
        Self { state: State::new(Arc::new(service), config) }
    }

    /// What it was made with.
    pub fn config(&self) -> &Config {
        &self.state.config
    }

    /// Answers a request. Must run on a tokio runtime with time.
    ///
    /// The answer to whatever a client sends is an HTTP response; there is nothing else that could go wrong. Dropping
    /// the response's body says that the client is gone.
    ///
    /// `info` decides which pages are our own: those of a loopback host on the port on which the request came. Where
    /// it does not know the port, the one in the Host header stands for it: no page can choose that.
    pub fn handle<B>(
        &self,
        request: Request<B>,
        info: ConnectInfo,
    ) -> impl Future<Output = Response> + Send + use<B>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Send,
    {
        pipeline::answer(self.state.clone(), request, info)
    }

    /// Ends its sessions: opens no new ones and no streams, ends the streams that have no end of their own, lets the
    /// calls of sessions finish within the drain time, and cancels what then still runs.
    ///
    /// Requests that belong to no session are not its concern: whoever brings them waits for their answers. Await
    /// this before the HTTP server is told to shut down gracefully, since it would wait for the streams; and close the
    /// service first, which ends its listen streams.
    pub async fn close(&self) {
        self.begin_close();
        self.drained().await;
        self.end();
    }

    /// Completes when no call of a session runs and no connection is a WebSocket any more, within the drain time.
    pub(super) async fn drained(&self) {
        let drain = self.state.config.limits.drain;
        let sessions = async {
            let idle = async {
                for endpoint in self.state.all() {
                    endpoint.sessions.idle().await;
                }
            };
            if timeout(drain, idle).await.is_err() {
                tracing::warn!("calls of sessions were cut at the end of the drain time");
            }
        };
        #[cfg(feature = "websocket")]
        tokio::join!(sessions, self.state.sockets.ended(drain));
        #[cfg(not(feature = "websocket"))]
        sessions.await;
    }

    /// Opens no new sessions, and ends the streams that have no end of their own.
    pub(super) fn begin_close(&self) {
        self.state.all().for_each(|endpoint| endpoint.sessions.begin_close());
        #[cfg(feature = "websocket")]
        self.state.sockets.begin_close();
    }

    /// Ends all sessions.
    pub(super) fn end(&self) {
        self.state.all().for_each(|endpoint| endpoint.sessions.close());
    }

    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("config", &self.state.config).finish_non_exhaustive()
    }
}
