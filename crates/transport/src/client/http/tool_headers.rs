//! A call of a tool whose schema mirrors arguments into headers (2026-07-28, streamable-http §Custom Headers from Tool
//! Parameters).

use std::sync::Arc;

use anyport_protocol::{Method, Raw, json::Splice, jsonrpc::code, session::client::PreparedRequest};
use bytes::Bytes;
use bytestring::ByteString;

use super::{
    driver::{HttpConnection, WeakConnection},
    headers::RequestHeaders,
    received::{Refusal, result_of},
    send::{Sent, post},
    shared::Shared,
};

/// A call of a tool, as far as it decides which arguments go into headers.
pub(super) struct ToolCall {
    connection: WeakConnection,
    request: PreparedRequest,
    name: ByteString,
    arguments: Raw,
}

impl ToolCall {
    pub(super) fn new(connection: &HttpConnection, request: &PreparedRequest) -> Self {
        Self {
            connection: connection.weak(),
            name: request.name().unwrap_or_default(),
            arguments: request.params().member("arguments").unwrap_or(Raw::EMPTY_OBJECT),
            request: request.clone(),
        }
    }
}

/// Posts a call of a tool.
///
/// §Client Behavior: "If the server rejects a request with a `HeaderMismatch` error because required `Mcp-Param-*` headers
/// are missing or do not match the body, the client SHOULD call `tools/list` to check for changes to the tool's
/// `inputSchema`, then retry the original request with the appropriate headers."
pub(super) async fn send(
    shared: Arc<Shared>,
    headers: RequestHeaders,
    message: Bytes,
    tool: ToolCall,
) -> Sent {
    let mut mirrored = headers.clone();
    shared.tools.add(&mut mirrored, &tool.name, &tool.arguments);
    let refusal = match post(shared.clone(), mirrored, message.clone()).await {
        Sent::Refused(refusal) if is_mismatch(&refusal) => refusal,
        sent => return sent,
    };
    // It was refused before anything was done, so once more is safe.
    match list_tools(&shared, &tool, refusal).await {
        Ok(()) => {
            let mut mirrored = headers;
            shared.tools.add(&mut mirrored, &tool.name, &tool.arguments);
            post(shared, mirrored, message).await
        }
        Err(sent) => sent,
    }
}

fn is_mismatch(refusal: &Refusal) -> bool {
    refusal.error.as_ref().is_some_and(|error| error.code == code::HEADER_MISMATCH)
}

/// Reads the list of the tools once more, for the headers that their schemas ask for.
async fn list_tools(shared: &Arc<Shared>, tool: &ToolCall, refusal: Refusal) -> Result<(), Sent> {
    let line = &shared.line;
    let mut cursor: Option<Raw> = None;
    for _ in 0..MAX_PAGES {
        let Some(id) = tool.connection.upgrade().map(|connection| connection.reserve_id()) else {
            return Err(Sent::Refused(refusal));
        };
        let params = cursor.iter().fold(Splice::new(), |params, cursor| params.with("cursor", cursor));
        let request = tool.request.with_method(Method::ToolsList, params.finish());
        let headers = RequestHeaders::post().of_method(request.revision(), Method::ToolsList);
        let response = line.post(&line.url, &headers, request.write(id).into()).await;
        let response = response.map_err(|fault| Sent::Failed(fault.into_failure()))?;
        if !response.status().is_success() {
            return Err(Sent::Refused(Refusal::of(response, &line.reading).await));
        }
        let page = result_of(response, &line.reading).await.map_err(Sent::Failed)?.map_err(Sent::Answered)?;
        let page = shared.tools.learn(page);
        let next = page.member("nextCursor").filter(|next| !next.is_null());
        if next.is_none() || next == cursor {
            return Ok(());
        }
        cursor = next;
    }
    Ok(())
}

/// Pages of tools that are read to find the schema of one.
const MAX_PAGES: usize = 100;
