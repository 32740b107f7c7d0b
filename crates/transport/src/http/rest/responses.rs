//! Answers of the REST interface that are not outcomes of calls.

use anyport_protocol::Error;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use crate::{
    dialogue::refusal,
    http::{body::Response, response},
};

/// What never became a call. JSON-RPC 2.0 §5: without an id that could be read, the answer's "MUST be Null".
pub(super) fn refused(status: StatusCode, error: &Error) -> Response {
    response::json(status, refusal(None, error, true).text)
}

/// JSON that is answered with 200.
pub(super) fn json(text: impl Into<Bytes>) -> Response {
    response::json(StatusCode::OK, text.into())
}

/// A text that depends on who asks, and when.
pub(super) fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
