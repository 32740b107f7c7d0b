//! Sending the request of a call.

use std::sync::Arc;

use anyport_protocol::failure::Failure;
use bytes::Bytes;
use http::Response;
use hyper::body::Incoming as Body;

use super::{
    headers::RequestHeaders,
    received::Refusal,
    shared::{Shared, Undelivered},
};

/// What sending a request has led to.
pub(super) enum Sent {
    Response(Response<Body>),
    Elsewhere,
    Refused(Refusal),
    Failed(Failure),
}

/// Posts a request whose response comes on its own stream.
pub(super) async fn post(shared: Arc<Shared>, headers: RequestHeaders, message: Bytes) -> Sent {
    let line = &shared.line;
    match line.post(&line.url, &headers, message).await {
        Ok(response) if response.status().is_success() => Sent::Response(response),
        Ok(response) => Sent::Refused(Refusal::of(response, &line.reading).await),
        Err(fault) => Sent::Failed(fault.into_failure()),
    }
}

/// Posts a request whose response comes on the stream that all calls share.
pub(super) async fn deliver(shared: Arc<Shared>, message: Bytes) -> Sent {
    match shared.deliver(message).await {
        Ok(()) => Sent::Elsewhere,
        Err(Undelivered::Refused(refusal)) => Sent::Refused(refusal),
        Err(Undelivered::Unreachable(fault)) => Sent::Failed(fault.into_failure()),
    }
}
