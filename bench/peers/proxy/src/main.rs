//! What it costs at least to stand between a client and a server of HTTP: hyper at both ends, and nothing in between.
//!
//! Usage: `bench-peer-proxy --to HOST:PORT --port P`
//!
//! It reads no body and checks nothing: heads are sent on with their host replaced, bodies frame by frame.

use std::error::Error;

use hyper::{Request, Response, Uri, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, Error as Failed, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, runtime};

fn main() -> Result<(), Box<dyn Error>> {
    const USAGE: &str = "usage: bench-peer-proxy --to HOST:PORT --port P";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["--to", to, "--port", port] = arguments.as_slice() else { return Err(USAGE.into()) };
    // As the bridge: a thread for each core.
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(port.parse()?, (*to).to_owned()))
}

async fn serve(port: u16, to: String) -> Result<(), Box<dyn Error>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let (client, to) = (client.clone(), to.clone());
        let service = service_fn(move |request| pass_on(client.clone(), to.clone(), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A client that leaves in the middle of a request is no concern of a benchmark.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn pass_on(
    client: Client<HttpConnector, Incoming>,
    to: String,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Failed> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if let Ok(uri) = Uri::builder().scheme("http").authority(to).path_and_query(path).build() {
        *request.uri_mut() = uri;
    }
    request.headers_mut().remove(header::HOST);
    client.request(request).await
}
