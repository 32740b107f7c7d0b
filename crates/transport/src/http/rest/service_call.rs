//! Calls of the service on behalf of a plain client.

use anyport_protocol::{Raw, Revision, meta::Meta};
use anyport_service::{Authorization, Context, Event, Outcome, Reply};
use http::HeaderMap;
use tokio::task::coop::consume_budget;

use crate::http::state::State;

/// What is known about a call: it is one of the newest revision, and its client can be told and asked nothing.
pub(super) fn context(state: &State, headers: &HeaderMap, authorization: Authorization) -> Context {
    let context = Context::authorized(authorization, Revision::NEWEST)
        .with_client_headers(state.client_headers(headers));
    // MCP carries this in `_meta`, which a plain call does not have (W3C Trace Context).
    let trace = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let Some(trace) = trace else { return context };
    let meta = Meta { traceparent: Some(Raw::string(trace)), ..Meta::default() };
    context.clone().with_meta(meta).unwrap_or(context)
}

/// How a call ends. What it says before that is heard by nobody.
pub(super) async fn outcome(reply: Reply) -> Outcome {
    let mut reply = match reply.into_ready() {
        Ok(outcome) => return outcome,
        Err(reply) => Box::new(reply),
    };
    loop {
        // A call that always has something to say gives others their turn, and whoever cancels it.
        consume_budget().await;
        if let Event::Outcome(outcome) = reply.next().await {
            return outcome;
        }
    }
}
