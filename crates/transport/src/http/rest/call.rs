//! `POST /mcp/call`.

use std::{iter, sync::Arc};

use anyport_protocol::{Error, Method, Raw, failure::Failure, json::Elements, jsonrpc::batch_too_large};
use anyport_service::{Authorization, Outcome, Request};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use http_body::Body as Received;
use tokio::task::coop::consume_budget;

use super::{
    envelope::{Call, NoCall},
    outcome::{self, Answer, Lead},
    responses::refused,
    service_call::{self, context},
};
use crate::{
    dialogue::size,
    http::{
        body::{Body, Response},
        request_body::read_body,
        response,
        state::State,
    },
};

/// Answers one call, or an array of them.
pub(super) async fn answer<B: Received>(
    state: &Arc<State>,
    headers: &HeaderMap,
    body: B,
    authorization: Authorization,
) -> Response {
    let text = match read_body(state, headers, body).await {
        Ok(text) => text,
        Err(unread) => return unread.response(true),
    };
    let raw = match Raw::parse(text, &state.config.limits.message) {
        Ok(raw) => raw,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.into()),
    };
    if raw.is_array() {
        return several(state, headers, authorization, &raw);
    }
    one(state, headers, authorization, raw, Lead::Nothing).await.into_response()
}

/// Answers one call.
async fn one(
    state: &State,
    headers: &HeaderMap,
    authorization: Authorization,
    raw: Raw,
    lead: Lead,
) -> Answer {
    let call = match Call::read(&raw) {
        Ok(call) => call,
        Err(NoCall { id, error }) => return Answer::unread(lead, id.as_ref(), &error),
    };
    let request = Request::new(Method::ToolsCall, call.params());
    let outcome =
        service_call::outcome(state.service.call(request, context(state, headers, authorization))).await;
    let outcome = match has_room(state, &outcome).await {
        Ok(()) => outcome,
        Err(overloaded) => overloaded.into(),
    };
    let mut answer = outcome::answer(lead, &call, outcome, &state.config.path);
    answer.text = state.config.buffers.hold(answer.text);
    answer
}

/// Waits until there is room for a large answer.
async fn has_room(state: &State, outcome: &Outcome) -> Result<(), Failure> {
    let (size, buffers) = (size(outcome), &state.config.buffers);
    match buffers.has_room_for(size) {
        true => Ok(()),
        false => buffers.clone().room_for(size).await,
    }
}

/// Answers the calls of an array, in their order: an answer is written as soon as those before it are. So no more of them
/// are kept than calls run at once, however slowly the client reads; and it is the client's own calls that wait for it.
fn several(state: &Arc<State>, headers: &HeaderMap, authorization: Authorization, raw: &Raw) -> Response {
    let limits = &state.config.limits.message;
    if Elements::of(raw.as_str()).nth(limits.batch).is_some() {
        return refused(StatusCode::BAD_REQUEST, &batch_too_large(limits));
    }
    let calls: Vec<Raw> = Elements::of(raw.as_str()).map(|call| raw.slice(call)).collect();
    if calls.is_empty() {
        // JSON-RPC 2.0 §6: "an empty Array" is answered as an Invalid Request.
        return refused(StatusCode::BAD_REQUEST, &Error::invalid_request("a batch must not be empty"));
    }
    let at_once = state.config.limits.batch_concurrency.max(1);
    let (state, headers) = (state.clone(), Arc::new(headers.clone()));
    let leads = iter::once(Lead::Open).chain(iter::repeat(Lead::Comma));
    let answers = stream::iter(calls.into_iter().zip(leads)).map(move |(call, lead)| {
        let (state, headers, authorization) = (state.clone(), headers.clone(), authorization.clone());
        async move {
            // Calls that are answered at once, one after the other, give others their turn.
            consume_budget().await;
            one(&state, &headers, authorization, call, lead).await.text
        }
    });
    let answers = answers.buffered(at_once);
    let end = stream::iter([Bytes::from_static(b"]")]);
    let mut response = response::json(StatusCode::OK, Bytes::new());
    *response.body_mut() = Body::parts(answers.chain(end));
    response
}
