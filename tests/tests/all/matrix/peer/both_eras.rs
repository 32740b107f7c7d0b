//! Tools of a server of both eras, written as people write them with the SDKs that convert nothing: most can ask in one
//! era alone, and fail in the other one with the sentence of their SDK.

use anyport::Revision;
use serde_json::{Value, json};

use super::{Call, answers, error};

/// Asks while its call is open, as `ctx.session.create_message` of the Python SDK does; it only reads.
pub(crate) const PUSHES: &str = "pushes";
/// Asks while its call is open, as `createMessage` of the TypeScript SDK does; it may change something.
pub(crate) const PUSHES_UNSAFE: &str = "pushes-unsafe";
/// Ends with its request, as an `InputRequiredResult` of rmcp does; it may change something.
pub(crate) const RETURNS: &str = "returns";
/// Asks in the way of each era.
pub(crate) const CONVERTS: &str = "converts";

const PYTHON: &str = "Cannot send 'sampling/createMessage': this transport context has no back-channel for \
                      server-initiated requests.";
const TYPESCRIPT: &str = "Server-to-client requests are not available on protocol revision 2026-07-28: \
                          'sampling/createMessage' cannot be sent while serving a request on that revision. Return \
                          inputRequired({ ... }) from the handler instead — the client fulfils the embedded requests and \
                          retries the original request (multi round-trip requests).";
const RMCP: &str = "InputRequiredResult requires negotiated protocol version 2026-07-28 or newer";

/// The tools as they are listed.
pub(super) fn tools(revision: Revision) -> Vec<Value> {
    let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
    let mut reading = tool(PUSHES);
    if revision >= Revision::V2025_03_26 {
        reading["annotations"] = json!({"readOnlyHint": true});
    }
    [PUSHES_UNSAFE, RETURNS, CONVERTS].map(tool).into_iter().chain([reading]).collect()
}

/// Calls a tool, which answers with what it was answered.
pub(super) async fn tool(call: &Call, name: &str) -> Result<Value, Value> {
    match (name, call.revision().is_stateless()) {
        (PUSHES, true) => Err(error(-32600, PYTHON)),
        (PUSHES_UNSAFE, true) => Ok(json!({"content": [answers::text(TYPESCRIPT)], "isError": true})),
        (RETURNS, false) => Err(error(-32600, RMCP)),
        (PUSHES | PUSHES_UNSAFE | RETURNS | CONVERTS, _) => {
            let answer = answers::sample(call, json!({})).await?;
            Ok(json!({"content": [answers::text(&answer.to_string())]}))
        }
        _ => Err(error(-32602, "no such tool")),
    }
}
