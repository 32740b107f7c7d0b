//! The official Rust SDK with the tools of the benchmark: stateless, answering with JSON, its router built once.
//! Each of these is the configuration in which it does the least per call.
//!
//! Usage: `bench-peer-rmcp --port P`

use std::{error::Error, sync::Arc, sync::LazyLock};

use axum::{Router, serve::ListenerExt as _};
use rmcp::{
    Json, ServerHandler,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, runtime};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize, JsonSchema)]
struct Echo {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: f64,
    b: f64,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: f64,
}

struct Tools;

// Without this, the router with all its schemas would be built for every call.
static ROUTER: LazyLock<ToolRouter<Tools>> = LazyLock::new(Tools::tool_router);

#[tool_router]
impl Tools {
    #[tool(description = "Says the text again")]
    async fn echo(&self, Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }

    #[tool(description = "Adds two numbers")]
    async fn add(&self, Parameters(Add { a, b }): Parameters<Add>) -> Json<Sum> {
        Json(Sum { sum: a + b })
    }
}

#[tool_handler(router = ROUTER)]
impl ServerHandler for Tools {}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [option, port] = arguments.as_slice() else { return Err("usage: bench-peer-rmcp --port P".into()) };
    if option != "--port" {
        return Err(format!("unknown option {option}").into());
    }
    let port: u16 = port.parse()?;
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let config =
            StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
        let sessions = Arc::new(NeverSessionManager::default());
        let service = StreamableHttpService::new(|| Ok(Tools), sessions, config);
        let listener = TcpListener::bind(("127.0.0.1", port)).await?.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, Router::new().route_service("/mcp", service)).await?)
    })
}
