//! A proxy that speaks HTTP/1.1 with clients and HTTP/2 with a server: whatever a client of tests can say is said over HTTP/2.

use std::{io, net::SocketAddr};

use http::{Request, Response, Uri, header};
use hyper::{
    body::Incoming,
    client::conn::http2::{SendRequest, handshake},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A proxy that works until this is dropped.
#[derive(Debug)]
pub struct Http2Front {
    address: SocketAddr,
    _working: JoinSet<()>,
}

/// What HTTP/2 has no place for (RFC 9113 §8.2.2), and `Host`, which is `:authority` there.
const OF_CONNECTIONS: [header::HeaderName; 4] =
    [header::HOST, header::CONNECTION, header::UPGRADE, header::TRANSFER_ENCODING];

impl Http2Front {
    /// Stands before the server at `server`.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let mut working = JoinSet::new();
        working.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                // Small messages would wait for those before them to be acknowledged.
                drop(client.set_nodelay(true));
                connections.spawn(async move { drop(carry(client, server).await) });
            }
        });
        Ok(Self { address, _working: working })
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Carries the requests of one client over a connection of its own.
async fn carry(
    client: TcpStream,
    server: SocketAddr,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let service = service_fn(move |request| forward(sender.clone(), request));
    let serving = http1::Builder::new().serve_connection(TokioIo::new(client), service);
    // Whichever ends first ends the other.
    tokio::select! {
        served = serving => Ok(served?),
        carried = connection => Ok(carried?),
    }
}

/// Sends `request` on. A client that is gone drops this, which resets its stream.
async fn forward(
    mut sender: SendRequest<Incoming>,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let host = request.headers().get(header::HOST).ok_or("a request without a host")?.to_str()?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = format!("http://{host}{path}").parse::<Uri>()?;
    *request.version_mut() = http::Version::HTTP_2;
    for name in OF_CONNECTIONS {
        request.headers_mut().remove(name);
    }
    let mut response = sender.send_request(request).await?;
    *response.version_mut() = http::Version::HTTP_11;
    Ok(response)
}
