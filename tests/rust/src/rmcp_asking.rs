//! A server written with the official SDK whose tools ask, in both ways in which it can.
//!
//! ```sh
//! rmcp_asking                # on standard streams
//! rmcp_asking --http 8000    # at http://127.0.0.1:8000/mcp
//! ```
//!
//! `Peer::create_elicitation` works on a connection of 2025-11-25 or earlier alone, and `InputRequiredResult` on one of
//! 2026-07-28 alone: rmcp converts neither.

use std::sync::Arc;

use axum::Router;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt as _,
    model::{
        CallToolRequestParams, CallToolResponse, ElicitRequestParams, Implementation, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
    transport::{
        stdio,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
        },
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Answer<T> = Result<T, ErrorData>;
type Caller = RequestContext<RoleServer>;

struct Asking;

impl ServerHandler for Asking {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        info.server_info = Implementation::new("asking", "1.0.0");
        info
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: Caller) -> Answer<ListToolsResult> {
        let schema = json!({"type": "object", "properties": {}});
        typed(json!({"resultType": "complete", "tools": [
            {"name": "push", "inputSchema": schema, "annotations": {"readOnlyHint": true}},
            {"name": "give", "inputSchema": schema},
        ]}))
    }

    async fn call_tool(&self, call: CallToolRequestParams, caller: Caller) -> Answer<CallToolResponse> {
        let fields = json!({"city": {"type": "string"}, "nights": {"type": "integer"}});
        let schema = json!({"type": "object", "properties": fields, "required": ["city", "nights"]});
        let form = json!({"mode": "form", "message": "Where shall it go?", "requestedSchema": schema});
        let answer = match (&*call.name, &call.input_responses) {
            ("push", _) => {
                let form: ElicitRequestParams = typed(form)?;
                wire(&caller.peer.create_elicitation(form).await.map_err(failed)?)?
            }
            (_, Some(answers)) => wire(answers)?["trip"].take(),
            (_, None) => {
                let requests = json!({"trip": {"method": "elicitation/create", "params": form}});
                let asked = json!({
                    "resultType": "input_required", "inputRequests": requests, "requestState": "trip"
                });
                return Ok(CallToolResponse::InputRequired(typed(asked)?));
            }
        };
        let trip = &answer["content"];
        let text = format!("{} nights in {}", trip["nights"], trip["city"].as_str().unwrap_or_default());
        let content = json!([{"type": "text", "text": text}]);
        Ok(CallToolResponse::Complete(typed(json!({"resultType": "complete", "content": content}))?))
    }
}

fn typed<T: DeserializeOwned>(found: Value) -> Answer<T> {
    serde_json::from_value(found).map_err(failed)
}

fn wire(found: &impl Serialize) -> Answer<Value> {
    serde_json::to_value(found).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            Asking.serve(stdio()).await?.waiting().await?;
        }
        ["--http", port] => {
            let sessions = Arc::new(LocalSessionManager::default());
            let service =
                StreamableHttpService::new(|| Ok(Asking), sessions, StreamableHttpServerConfig::default());
            let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
            axum::serve(listener, Router::new().route_service("/mcp", service)).await?;
        }
        _ => anyhow::bail!("usage: rmcp_asking [--http PORT]"),
    }
    Ok(())
}
