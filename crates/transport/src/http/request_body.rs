//! The body of a request, read within the limits of size and time.

use std::pin::pin;

use anyport_protocol::Error;
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as Received;
use tokio::time::timeout;

use super::{body::Response, response, state::State};
use crate::dialogue::refusal;

/// Checks that the body of a request is framed in the one way that everybody between client and server reads alike.
///
/// RFC 9112 §6.1: "A server that receives a request message with a transfer coding it does not understand SHOULD respond with
/// 501"; "A sender MUST NOT apply the chunked transfer coding more than once". The HTTP library reads everything that ends with
/// `chunked`; what a proxy makes of the codings before it is another matter, so the connection is closed.
pub(super) fn check_framing(headers: &HeaderMap) -> Result<(), Response> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => {
            let error = Error::invalid_request("the one Transfer-Encoding that is read here is chunked");
            Err(Unread { status: StatusCode::BAD_REQUEST, error, close: true }.response(false))
        }
    }
}

/// The body of a POST, checked in the order of the pipeline.
pub(super) async fn json_body<B: Received>(
    state: &State,
    headers: &HeaderMap,
    body: B,
) -> Result<Bytes, Response> {
    read_body(state, headers, body).await.map_err(|unread| unread.response(false))
}

/// The same, for whoever says in its own way why there is none.
pub(super) async fn read_body<B: Received>(
    state: &State,
    headers: &HeaderMap,
    body: B,
) -> Result<Bytes, Unread> {
    // A page may send `text/plain` across origins without asking first; JSON it may not.
    if !is_json(headers) {
        let error = Error::invalid_request("the body must be application/json; set Content-Type");
        return Err(Unread { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, error, close: false });
    }
    collect(state, headers, body).await
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    // What almost every client writes needs no taking apart.
    if value == "application/json" {
        return true;
    }
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// A body that was not read.
pub(super) struct Unread {
    status: StatusCode,
    error: Error,
    /// Whether the rest of the body may still be on its way.
    close: bool,
}

impl Unread {
    /// What its sender is told; `null_id` where the answer must have an id.
    pub(super) fn response(&self, null_id: bool) -> Response {
        let response = response::json(self.status, refusal(None, &self.error, null_id).text);
        let mut response = response::with_words(response, &self.error);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, response::seconds(None).into());
        }
        if self.close {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Reads a body within the limits of size and time.
pub(super) async fn collect<B: Received>(
    state: &State,
    headers: &HeaderMap,
    body: B,
) -> Result<Bytes, Unread> {
    let limits = &state.config.limits;
    let limit = limits.message.bytes;
    let unread =
        |status, message: String| Unread { status, error: Error::invalid_request(message), close: true };
    // What is small may belong to a call that runs: an answer, a cancellation, a retry.
    let overload = state.config.overload.cause();
    let (limit, overload) = match overload {
        Some(cause) if limit > SMALL => (SMALL, Some(cause)),
        _ => (limit, None),
    };
    let too_large = || match overload.clone() {
        Some(cause) => {
            let error = state.config.buffers.refusals().overloaded(&cause);
            Unread { status: StatusCode::SERVICE_UNAVAILABLE, error, close: true }
        }
        None => {
            unread(StatusCode::PAYLOAD_TOO_LARGE, format!("larger than {limit} bytes (max_message_bytes)"))
        }
    };
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    match timeout(limits.body_timeout, frames(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Broken::TooLarge)) => Err(too_large()),
        Ok(Err(Broken::Off)) => Err(unread(StatusCode::BAD_REQUEST, "the body broke off".into())),
        Err(_) => {
            let limit = limits.body_timeout;
            Err(unread(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body took longer than {limit:?} (body_timeout)"),
            ))
        }
    }
}

/// The size in bytes of a body that is read although new work is refused.
const SMALL: usize = 256 << 10;

enum Broken {
    TooLarge,
    Off,
}

/// A body of one frame, as almost all are, is taken as it is.
async fn frames<B: Received>(body: B, limit: usize) -> Result<Bytes, Broken> {
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|task| body.as_mut().poll_frame(task)).await {
        let Ok(mut data) = frame.map_err(|_| Broken::Off)?.into_data() else { continue };
        let length = data.remaining();
        if first.len() + whole.len() + length > limit {
            return Err(Broken::TooLarge);
        }
        // What is `Bytes` already is not copied.
        let data = data.copy_to_bytes(length);
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
