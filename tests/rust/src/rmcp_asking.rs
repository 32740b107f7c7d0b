//! A server written with the official SDK whose tools ask, in both ways in which it can.
//!
//! ```sh
//! rmcp_asking                # on standard streams
//! rmcp_asking --http 8000    # at http://127.0.0.1:8000/mcp
//! ```
//!
//! `Peer::create_elicitation` works on a connection of 2025-11-25 or earlier alone, and `InputRequiredResult` on one of
//! 2026-07-28 alone: rmcp converts neither.

use rmcp::{
    RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, ElicitRequestParams, Implementation, ListToolsResult,
        PaginatedRequestParams, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};
use serde_json::json;

mod rmcp_serving;

use rmcp_serving::{Answer, failed, serve, typed, wire};

type Caller = RequestContext<RoleServer>;

#[derive(Clone)]
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    serve(Asking).await
}
