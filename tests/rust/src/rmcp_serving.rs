//! What the servers of the official Rust SDK share: their answers as JSON, and how they are served.

use std::sync::Arc;

use axum::{Router, serve::ListenerExt as _};
use rmcp::{
    ErrorData, ServerHandler, ServiceExt as _,
    transport::{
        stdio,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
        },
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::net::TcpListener;

pub(crate) type Answer<T> = Result<T, ErrorData>;

pub(crate) fn typed<T: DeserializeOwned>(found: Value) -> Answer<T> {
    serde_json::from_value(found).map_err(failed)
}

pub(crate) fn wire(found: &impl Serialize) -> Answer<Value> {
    serde_json::to_value(found).map_err(failed)
}

pub(crate) fn failed(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// Serves as the command line says: on standard streams, or with `--http PORT` on this port of loopback.
pub(crate) async fn serve<S: ServerHandler + Clone>(server: S) -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            server.serve(stdio()).await?.waiting().await?;
        }
        ["--http", port] => {
            let sessions = Arc::new(LocalSessionManager::default());
            let config = StreamableHttpServerConfig::default();
            let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
            let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
            // Else the steps of a call wait for one another and come with its answer, all at once. The TypeScript SDK drops
            // progress that it reads together with the answer, whoever sends it.
            let listener = listener.tap_io(|tcp| drop(tcp.set_nodelay(true)));
            axum::serve(listener, Router::new().route_service("/mcp", service)).await?;
        }
        _ => anyhow::bail!("usage: [--http PORT]"),
    }
    Ok(())
}
