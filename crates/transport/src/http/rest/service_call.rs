//! Calls of the service on behalf of a plain client.

use anyport_protocol::Revision;
use anyport_service::{Authorization, Context, Event, Network, Outcome, Reply};
use http::HeaderMap;
use tokio::task::coop::consume_budget;

use crate::http::{state::State, trace_headers::trace_headers};

/// What is known about a call: it is one of the newest revision, and its client can be told and asked nothing.
pub(super) fn context(state: &State, headers: &HeaderMap, authorization: Authorization) -> Context {
    Context::authorized(authorization, Revision::NEWEST)
        .with_client_headers(state.client_headers(headers))
        .with_network(Network::HTTP)
        .with_trace_headers(trace_headers(headers))
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
