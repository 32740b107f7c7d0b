//! Servers, at the mercy of their clients: whatever they were sent, they answer the next one.

use std::{net::SocketAddr, sync::OnceLock, time::Duration};

use anyport::{Context, Server, Tool, server::NoArguments, with_legacy_clients};
use anyport_protocol::Revision;
use anyport_testing::{Link, Lost, Wire};
use anyport_transport::http::{Config, Listener};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::{Builder, Runtime},
    time::timeout,
};

fn server() -> Server {
    let hello = Tool::new("hello").run(async |_: NoArguments, _: Context| "Hello!");
    match Server::builder("fuzz", "1").tool(hello).build() {
        Ok(server) => server,
        Err(error) => panic!("{error}"),
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| match Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("{error}"),
    })
}

/// Lines on standard input.
pub(super) fn stdio(input: &[u8]) {
    runtime().block_on(async {
        let mut wire =
            Wire::over(Link::stdio(with_legacy_clients(server()))).patience(Duration::from_secs(20));
        let text = String::from_utf8_lossy(input);
        // It may end the session by what it says, never the connection.
        assert!(wire.tell(&text).is_ok());
        let answer = wire.call("ping", Value::Null).await;
        assert!(!matches!(answer, Err(Lost::Silence(..) | Lost::Ended(_))), "{answer:?}");
    });
}

/// Bytes on a connection of HTTP.
pub(super) fn http(input: &[u8]) {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    let address = *ADDRESS.get_or_init(|| runtime().block_on(start()));
    runtime().block_on(async {
        let answer = exchange(address, input).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&answer));
        let mut wire = Wire::over(Link::connect(address, "/mcp")).patience(Duration::from_secs(20));
        assert!(wire.open(Revision::NEWEST).await.is_ok());
        let answer = wire.call("tools/list", Value::Null).await;
        assert!(answer.is_ok_and(|answer| answer.outcome.is_ok()), "the server is not well");
        let _ = wire.close().await;
    });
}

async fn start() -> SocketAddr {
    let listener = match Listener::bind(([127, 0, 0, 1], 0).into(), Config::default(), false).await {
        Ok(listener) => listener,
        Err(error) => panic!("{error}"),
    };
    let Ok(address) = listener.address() else { panic!("no address") };
    tokio::spawn(listener.serve(with_legacy_clients(server()), std::future::pending()));
    address
}

/// What comes back for these bytes, as far as it comes at once.
async fn exchange(address: SocketAddr, input: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let Ok(mut stream) = TcpStream::connect(address).await else { panic!("the server is gone") };
    let _ = stream.write_all(input).await;
    let _ = stream.shutdown().await;
    let _ = timeout(Duration::from_millis(200), stream.read_to_end(&mut answer)).await;
    answer
}
